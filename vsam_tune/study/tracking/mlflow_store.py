"""A study in MLflow: one experiment, with a run for each trial and baseline at top level, and one summary run.

The runs are at top level because the UI's table and charts omit nested runs until their parent is expanded. Tags
identify experiment and runs. Points carry the time of their report, and MLflow keeps one of equal points, so logging a
trial again is harmless.
"""

import logging
import math
import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vsam_tune.analysis.results import StudyResult, TrialRecord
from vsam_tune.study.storage.folder import RESOLVED
from vsam_tune.study.storage.learning_curve import position, read_curve
from vsam_tune.study.storage.stored_study import definition_text
from vsam_tune.study.tracking.mlflow_view import run_color
from vsam_tune.study.tracking.run_kind import TRIAL, RunKind
from vsam_tune.study.tracking.sql_store import STUDY_TAG, correct_locations

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

KIND_TAG = "vsam_tune.kind"
THINNED = 200  # points of a trajectory column that go to MLflow
STATUS = {"complete": "FINISHED", "pruned": "KILLED", "fail": "FAILED"}  # MLflow's word for a trial's end
_BATCH = 1000  # metrics a call: MLflow's limit
_TAG_CHARACTERS = 8000  # MLflow's limit
_FORBIDDEN = re.compile(r"[^\w\-. :/]")  # in the name of a metric
_NOT_CURVES = ("time_ms", "iteration", "epoch")  # the axes of a learning curve

Point = tuple[str, float, int, int]  # key, value, milliseconds since 1970, step


def open_client(uri: str) -> "MlflowClient":
    """Return a client of a store that gives up soon: a server that is away would hold it for minutes."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient  # noqa: PLC0415 - a second, and it reads the environment

    for noisy in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri)


def find_experiment(client: "MlflowClient", study_id: str) -> str | None:
    """Return MLflow's id of a study's experiment; None where nothing was logged yet."""
    found = client.search_experiments(filter_string=f"tags.`{STUDY_TAG}` = '{study_id}'")
    return str(found[0].experiment_id) if found else None


class MlflowStore:
    """A study's experiment, opened or created.

    Args:
        uri: the tracking URI.
        name: of a new experiment; with a part of `study_id` where another one has it.
        study_id: the tag that the experiment is found by.
        kind: of the runs that are logged.
        artifacts: URI of the artifacts; an experiment that has another place gets this one. None for the server's own
            place.
        tags: of the experiment; a guest also sets them on an existing experiment, since it shows more columns.
    """

    def __init__(
        self,
        uri: str,
        name: str,
        study_id: str,
        *,
        kind: RunKind = TRIAL,
        artifacts: str | None,
        tags: Mapping[str, str],
    ) -> None:
        self._client, self._kind = open_client(uri), kind
        found = find_experiment(self._client, study_id)
        self._experiment = found or self._create(name, study_id, artifacts, tags)
        if found and artifacts is not None:
            correct_locations(uri, found, artifacts)
        if found and kind.guest:
            for key, value in tags.items():
                self._client.set_experiment_tag(found, key, value)
        runs = self._search(f"tags.`{KIND_TAG}` = '{kind.name}'")
        # one without parameters was cut while it was opened
        self._runs = {int(run.data.tags[kind.tag]): run for run in runs if run.data.params}
        self._logged: dict[int, int] = {}  # points of a trial's curve that this process has logged
        self._ended: set[int] = set()  # trials whose end this process has logged

    def check(self) -> None:
        """Raise MLflow's error if the store does not answer."""
        self._client.get_experiment(self._experiment)

    def holds(self, record: TrialRecord) -> bool:
        """Return whether the end of a trial was logged, by this process or a former one."""
        run = self._runs.get(record.number)
        return record.number in self._ended or (run is not None and run.info.status == STATUS.get(record.state))

    def log_trial(
        self,
        number: int,
        folder: Path,
        *,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        record: TrialRecord | None,
    ) -> None:
        """Log the reports of a trial since the last call; with its record also its end.

        Args:
            number: of the trial.
            folder: the trial's, with its learning curve and files.
            params: shown as the run's parameters; written when its run is opened, as are the tags.
            tags: of the run, in addition to those that identify it.
            record: of a trial that ended; None while it runs.
        """
        run = self._runs.get(number) or self._open(number, params, tags, record)
        points = read_curve(folder)
        self._log(run, curve_points(points[self._logged.get(number, 0) :]))
        self._logged[number] = len(points)
        if record is not None:
            self._log_end(run, folder, record, int(points[-1]["time_ms"]) if points else run.info.start_time)

    def log_summary(self, result: StudyResult) -> None:
        """Write the run that describes the study as a whole: hypervolume by trials, the front, the definition.

        The hypervolume waits for a fixed reference point and for the trials that still run: MLflow takes no value back.
        """
        run = self._found(f"tags.`{KIND_TAG}` = 'summary'") or self._client.create_run(
            self._experiment, run_name="summary", tags={KIND_TAG: "summary"}
        )
        if result.reference_point is not None and not result.counts()["running"]:
            volumes = result.hypervolume_over_trials()
            self._log(run, [("hypervolume", volume, run.info.start_time, count) for count, volume in volumes])
        self._client.log_dict(run.info.run_id, result.as_json(), "front.json")
        self._client.log_text(run.info.run_id, definition_text(result.study), RESOLVED)
        front = " ".join(str(record.number) for record in result.front())
        self._client.set_tag(run.info.run_id, "vsam_tune.front", front)
        self._client.set_terminated(run.info.run_id)

    def _create(self, name: str, study_id: str, artifacts: str | None, tags: Mapping[str, str]) -> str:
        taken = self._client.get_experiment_by_name(name)
        if taken is not None and taken.tags.get(STUDY_TAG) == study_id and taken.lifecycle_stage == "active":
            return str(taken.experiment_id)  # by the study's other driver, a moment ago
        name = f"{name} {study_id[:8]}" if taken is not None else name
        return str(self._client.create_experiment(name, artifacts, {STUDY_TAG: study_id, **tags}))

    def _search(self, filter_string: str) -> "list[Run]":
        runs: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs([self._experiment], filter_string, max_results=1000, page_token=token)
            runs += page
            token = page.token
            if not token:
                return runs

    def _found(self, filter_string: str) -> "Run | None":
        found = self._search(filter_string)
        return found[0] if found else None

    def _open(
        self, number: int, params: Mapping[str, str], tags: Mapping[str, str], record: TrialRecord | None
    ) -> "Run":
        from mlflow.entities import Param  # noqa: PLC0415 - with mlflow

        # searched for although none is known: a request may have succeeded whose answer was lost
        kind = self._kind
        run = self._found(f"tags.`{kind.tag}` = '{number}'") or self._client.create_run(
            self._experiment,
            start_time=_milliseconds(record.started) if record and record.started else None,
            run_name=kind.title(number, params),
            tags={
                **tags,
                kind.tag: str(number),
                KIND_TAG: kind.name,
                "mlflow.runColor": run_color(number + kind.first_color),
            },
        )
        self._client.log_batch(run.info.run_id, params=[Param(key, value) for key, value in params.items()])
        self._runs[number] = run
        return run

    def _log(self, run: "Run", points: Sequence[Point]) -> None:
        from mlflow.entities import Metric  # noqa: PLC0415 - with mlflow

        for start in range(0, len(points), _BATCH):
            batch = [Metric(*point) for point in points[start : start + _BATCH]]
            self._client.log_batch(run.info.run_id, metrics=batch)

    def _log_end(self, run: "Run", folder: Path, record: TrialRecord, time_ms: int) -> None:
        from mlflow.entities import RunTag  # noqa: PLC0415 - with mlflow

        run_id, trajectory = run.info.run_id, folder / "trajectory.parquet"
        if trajectory.exists():
            self._log(run, trajectory_points(trajectory, time_ms))
        for path in sorted(folder.glob("*")):
            if path.suffix in (".parquet", ".txt"):  # trajectories, log, error
                self._client.log_artifact(run_id, str(path))
        end = {
            "state": record.state,
            "stopped": record.stopped,
            "raced": record.stopped_by_racing,
            "error": record.error,
        }
        tags = [RunTag(f"vsam_tune.{key}", value[-_TAG_CHARACTERS:]) for key, value in end.items() if value]
        self._client.log_batch(run_id, tags=tags)
        ended = record.started and record.started + timedelta(seconds=record.seconds or 0)
        self._client.set_terminated(run_id, STATUS[record.state], _milliseconds(ended) if ended else None)
        self._ended.add(record.number)


def run_params(config: Mapping[str, Any]) -> dict[str, str]:
    """Return a trial's parameters for MLflow: all settings, searched or not, by name.

    Args:
        config: the settings of a trial, as docs/trainables.md lists them.
    """
    task = {key: value for key, value in config["task"].items() if key != "options"}
    task["model"] = " ".join(str(part) for part in config["task"]["model"].values())
    task["task_seed"] = task.pop("seed")
    settings = {key: value for key, value in config["base_optimizer"].items() if key != "optimizer"}
    settings |= {key: value for key, value in config["method"].items() if key != "name"}
    named = {"method": config["method"]["name"], "base_optimizer": config["base_optimizer"]["optimizer"]}
    params = {**task, **named, **settings, **config["params"], "seed": config["seed"]}
    return {key: str(value) for key, value in params.items() if value not in (None, [], {})}


def curve_points(curve: Sequence[Mapping[str, float]]) -> list[Point]:
    """Return a learning curve as MLflow's points, by iteration; without infinities, which MLflow draws as 1.8e308."""
    return [
        (_FORBIDDEN.sub("_", key), value, int(point["time_ms"]), int(position(point)))
        for point in curve
        for key, value in point.items()
        if key not in _NOT_CURVES and math.isfinite(value)
    ]


def trajectory_points(path: Path, time_ms: int) -> list[Point]:
    """Return a trajectory as MLflow's points by iteration, thinned to `THINNED` a column.

    A column keeps the iterations at which it has a number, such as the sampled ones of `l2_psf`;
    `cumulative_samples` counts the sampled iterations.

    Args:
        path: of `trajectory.parquet`.
        time_ms: the time that all points carry.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - on the writer's thread alone

    table = pq.read_table(path)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    iterations, sampled = columns.pop("iteration"), columns.pop("sampled")
    columns["cumulative_samples"] = np.cumsum(sampled).astype(np.float64)
    return [
        (name, float(column[row]), time_ms, int(iterations[row]))
        for name, column in columns.items()
        for row in thinned(np.flatnonzero(np.isfinite(column)))
    ]


def thinned(rows: np.ndarray) -> np.ndarray:
    """Return at most `THINNED` of the rows, first and last among them, evenly spread; (m,) integers as given."""
    if len(rows) <= THINNED:
        return rows
    return rows[np.linspace(0, len(rows) - 1, THINNED).round().astype(np.int64)]


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
