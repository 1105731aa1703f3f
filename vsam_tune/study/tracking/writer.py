"""Tracking: one background thread writes events to MLflow, in batches, without delaying trials.

MLflow displays; no decision about the search reads it. All logged data come from the study's storage and from files of
the trial's folder, so an absent server loses nothing: the missing part is logged at the next try or the next start.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from vsam_tune.analysis.results import StudyResult, TrialRecord
from vsam_tune.errors import InputError
from vsam_tune.study.file.tracking_uri import without_password
from vsam_tune.study.storage.folder import trial_folder
from vsam_tune.study.storage.sqlite_url import database_file
from vsam_tune.study.tracking.logged_runs import STATUS
from vsam_tune.study.tracking.mlflow_client import store_error
from vsam_tune.study.tracking.mlflow_store import MlflowStore, run_params
from vsam_tune.study.tracking.run_kind import TRIAL, RunKind
from vsam_tune.study.tracking.sql_store import artifact_root, is_sql
from vsam_tune.study.tracking.store_file import BrokenStoreError, check_store, comes_from_damage, set_aside
from vsam_tune.study.tracking.tracking_state import (
    STORE,
    TrackingState,
    begun_state,
    default_uri,
    write_part_state,
    write_tracking_state,
)

logger = logging.getLogger(__name__)

_GATHER_SECONDS = 1.0  # between two rounds of the writer
_RETRY_SECONDS = 10.0  # after a round that failed


class MlflowTracking:
    """Writes a study's trials to MLflow. A `Listener` of `study.events`.

    Args:
        uri: the tracking URI; None for a SQLite file in the study's folder.
        name: of the MLflow experiment.
        folder: where the trials' files are.
        home: the study's folder, with which it is logged; None where that is `folder` itself.
        kind: of the runs.
        tags: of the MLflow experiment, such as the view that its UI opens with.
        config: (params, trial number) -> settings of a trial that another process started.
        run_tags: of the trials that this process starts.
        start_of: (trial number) -> when the trial started, for those that this process starts.
    """

    def __init__(  # noqa: PLR0913 - what a driver knows of its study and its trials
        self,
        uri: str | None,
        name: str,
        folder: Path,
        *,
        home: Path | None = None,
        kind: RunKind = TRIAL,
        tags: Mapping[str, str],
        config: Callable[[Mapping[str, Any], int], Mapping[str, Any]],
        run_tags: Mapping[str, str],
        start_of: Callable[[int], datetime | None] = lambda _: None,
    ) -> None:
        self._home = home or folder
        self._given_uri, self._uri = uri, uri or default_uri(self._home)
        self._name, self._folder, self._kind, self._tags = name, folder, kind, tags
        self._config, self._run_tags, self._start_of = config, run_tags, start_of
        self._study_id = self._write_tracked(complete=False).study_id
        self._events: queue.SimpleQueue[tuple[int, dict[str, str] | None, TrialRecord | None] | StudyResult]
        self._events = queue.SimpleQueue()
        self._params: dict[int, dict[str, str]] = {}  # of trials that this process started
        self._starts: dict[int, datetime | None] = {}
        self._records: dict[int, TrialRecord] = {}
        self._pending: set[int] = set()  # trials with something that MLflow may lack
        self._store: MlflowStore | None = None
        self._result: StudyResult | None = None
        self._failure = ""
        self._made_anew = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def planned(self, total: int | None, ended: int) -> None:
        """Do nothing: MLflow shows trials alone."""

    def started(self, number: int, config: Mapping[str, Any]) -> None:
        """Have a run opened for the trial."""
        with contextlib.suppress(InputError):  # the search itself says that its database cannot be read
            self._starts[number] = self._start_of(number)
        self._events.put((number, run_params(config), None))

    def reported(self, number: int, point: Mapping[str, float]) -> None:  # noqa: ARG002 - it is read from its file
        """Have the trial's new points logged."""
        self._events.put((number, None, None))

    def ended(self, record: TrialRecord) -> None:
        """Have the trial's end logged, with its trajectory and files."""
        self._events.put((record.number, None, record))

    def close(self, result: StudyResult, *, timeout_seconds: float = 120.0) -> str:
        """Have the summary logged, and every ended trial of former starts that MLflow lacks; wait for the writer.

        Args:
            result: the study at this moment.
            timeout_seconds: for the writer to finish.

        Returns:
            Why something could not be logged; empty if all was.
        """
        self._events.put(result)  # after all events of trials: it completes the log
        self._closing.set()
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            return f"{without_password(self._uri)} is too slow"
        if not self._failure:
            self._write_tracked(complete=True)
        return self._failure

    def _write_tracked(self, *, complete: bool) -> TrackingState:
        try:
            if self._home == self._folder:
                return write_tracking_state(self._folder, self._given_uri, complete=complete)
            return write_part_state(self._home, self._folder, self._given_uri, complete=complete)
        except OSError as error:
            logger.warning("%s cannot be written: %s; it only helps MLflow", error.filename, error.strerror)
            return begun_state(self._home, self._given_uri)

    def _work(self) -> None:
        closing = False
        while not closing:
            closing = self._gather()
            self._flush()
            if self._failure and not closing:
                self._closing.wait(_RETRY_SECONDS)
        if self._failure:
            self._flush()  # once more: the server may be back

    def _gather(self) -> bool:
        """Wait for an event and take the events of the next second; return whether the last event was among them."""
        event = self._events.get()
        if not isinstance(event, StudyResult):
            self._closing.wait(_GATHER_SECONDS)
        while not isinstance(event, StudyResult):
            number, params, record = event
            self._pending.add(number)
            if params is not None:
                self._params[number] = params
            if record is not None:
                self._records[number] = record
            if self._events.empty():
                return False
            event = self._events.get()
        self._result = event
        return True

    def _flush(self) -> None:
        """Log all pending trials; a failure leaves them pending."""
        try:
            try:
                self._log()
            except Exception as error:
                if not self._is_broken(error):
                    raise
                self._make_anew()
                self._log()
            self._failure = ""
        except Exception as error:  # noqa: BLE001 - the display must never end the search
            text = store_error(error)
            if not self._failure:
                shown = without_password(self._uri)
                logger.warning("MLflow at %s: %s; trials go on and are logged later", shown, text)
            self._failure = text

    def _is_broken(self, error: Exception) -> bool:
        """Return whether the store is the study's own file, and a new one would do what it does not."""
        own = self._given_uri is None and not self._made_anew
        return own and (isinstance(error, BrokenStoreError) or comes_from_damage(error))

    def _make_anew(self) -> None:
        """Put the broken file aside, and have everything logged into a new one."""
        path = self._home / STORE
        kept = set_aside(path)
        logger.warning("%s is broken. It is now %s, and everything is logged into a new file", path, kept.name)
        self._made_anew, self._store = True, None
        self._pending |= self._params.keys() | self._records.keys()

    def _open(self) -> MlflowStore:
        artifacts = artifact_root(self._home) if is_sql(self._uri) else None  # a server keeps them itself
        if artifacts and (path := database_file(self._uri)):
            self._check_file(path, artifacts)
        return MlflowStore(self._uri, self._name, self._study_id, kind=self._kind, artifacts=artifacts, tags=self._tags)

    def _check_file(self, path: Path, artifacts: str) -> None:
        try:
            check_store(path, artifacts)
        except BrokenStoreError as error:
            if self._given_uri is None:
                raise
            fix = "restore it from a copy, or move it away"
            raise BrokenStoreError(f"{path} is broken: {error}. Fix: {fix}") from error

    def _log(self) -> None:
        if self._store is None:
            self._store = self._open()
        store = self._store
        if self._result is not None:
            ended = [each for each in self._result.trials if each.state in STATUS]
            missed = [each for each in ended if not store.holds(each, self._folder / trial_folder(each.number))]
            self._records |= {each.number: each for each in missed if each.number not in self._records}
            self._pending |= {each.number for each in missed}
        failures = []
        for number in sorted(self._pending):
            try:
                self._log_trial(store, number)
            except Exception as error:  # noqa: BLE001 - one trial that MLflow refuses must not keep out the others
                store.check()  # raises where it is the server that fails
                failures.append(error)
            else:
                self._pending.discard(number)
        if self._result is not None and not self._kind.guest:
            store.log_summary(self._result)
        if failures:
            raise failures[0]

    def _log_trial(self, store: MlflowStore, number: int) -> None:
        record, params, tags = self._records.get(number), self._params.get(number), self._run_tags
        if params is None:
            searched = record.params if record else {}
            params, tags = run_params({**self._config(searched, number), "params": searched}), {}
        folder = self._folder / trial_folder(number)
        started = self._starts.get(number)
        store.log_trial(number, folder, params=params, tags=tags, record=record, started=started)
