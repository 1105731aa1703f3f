"""Events of running trials, by trial number: Ray's callback passes them on to listeners."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ray.tune import Callback
from ray.tune.experiment import Trial as RayTrial
from typing_extensions import override

from vsam_tune.analysis.results import TrialRecord
from vsam_tune.errors import InputError, problem
from vsam_tune.study.scheduling.arrivals import Arrivals
from vsam_tune.study.scheduling.not_pickled import NotPickled
from vsam_tune.study.storage.learning_curve import append_point, position, repair_curve

logger = logging.getLogger(__name__)


class Listener(Protocol):
    """Gets the events of trials on the driver's thread, so each call must return at once."""

    def planned(self, total: int | None, ended: int) -> None:
        """The runner knows how many trials there will be, None if it cannot, and how many have ended before."""

    def started(self, number: int, config: Mapping[str, Any]) -> None:
        """A trial starts, or goes on after a restart."""

    def reported(self, number: int, point: Mapping[str, float]) -> None:
        """A trial reported metrics: `point` also holds `time_ms`, milliseconds since 1970."""

    def ended(self, record: TrialRecord) -> None:
        """A trial has ended, and the storage has recorded how."""


class TrialEvents(NotPickled, Callback):
    """Writes each trial's learning curve to a file in its folder, and passes events on.

    An exception in a Ray callback ends the whole search, so that of a listener is logged once and goes no further.

    Args:
        listeners: called in this order.
        record: returns a trial as the storage has it.
        arrivals: holds the newest report of each trial.
        keep_checkpoints: whether to keep the last checkpoint of a trial that has ended.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        record: Callable[[int], TrialRecord],
        arrivals: Arrivals,
        *,
        keep_checkpoints: bool = False,
    ) -> None:
        self._listeners, self._record, self._arrivals = listeners, record, arrivals
        self._keep_checkpoints = keep_checkpoints
        self._curve_ends: dict[int, float] = {}  # the last iteration in a trial's file
        self._warned: set[str] = set()

    @override
    def on_trial_start(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **info: Any) -> None:
        number, folder = trial.config["number"], Path(trial.config["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        curve = repair_curve(folder)
        self._curve_ends[number] = position(curve[-1]) if curve else -1
        self._send("started", number, trial.config)

    @override
    def on_trial_result(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **info: Any
    ) -> None:
        number = trial.config["number"]
        point = {**self._arrivals.newest(trial.trial_id).metrics, "time_ms": time.time_ns() // 1_000_000}
        if position(point) <= self._curve_ends.get(number, -1):
            return  # a resumed trial repeats its reports since the checkpoint; each point is kept once
        self._curve_ends[number] = position(point)
        _append(Path(trial.config["folder"]), point)
        self._send("reported", number, point)

    @override
    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **info: Any) -> None:
        self._end(trial)

    @override
    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **info: Any) -> None:
        self._end(trial)

    def _end(self, trial: RayTrial) -> None:
        record = self._record(trial.config["number"])
        if record.state == "running":  # it is paused, or it failed and the searcher starts it again
            return
        if record.number not in self._curve_ends:  # its worker died before Ray could say that it started
            self.on_trial_start(0, [], trial)
        self.end(record, Path(trial.config["folder"]))

    def end(self, record: TrialRecord, folder: Path) -> None:
        """Remove the checkpoint of a trial that has ended, and pass on that it has.

        Args:
            record: of the trial, as the storage has it.
            folder: of the trial's files.
        """
        if not self._keep_checkpoints:  # nothing resumes from it
            (folder / "checkpoint.pt").unlink(missing_ok=True)
        self._send("ended", record)

    def _send(self, event: str, *arguments: Any) -> None:  # noqa: ANN401 - the event's own
        for listener in self._listeners:
            try:
                getattr(listener, event)(*arguments)
            except Exception:
                if type(listener).__name__ not in self._warned:
                    self._warned.add(type(listener).__name__)
                    logger.exception("%s: %s failed; the search goes on", type(listener).__name__, event)


def _append(folder: Path, point: Mapping[str, float]) -> None:
    try:
        append_point(folder, point)
    except OSError as error:
        fix = "free disk space, then repeat the command; finished trials are kept"
        raise InputError(problem(folder, "", None, f"cannot be written: {error.strerror}", fix)) from error
