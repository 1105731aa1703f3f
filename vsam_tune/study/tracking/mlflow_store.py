"""A study in MLflow: one experiment, with a run for each trial and baseline at top level, and one summary run.

The runs are at top level because the UI's table and charts omit nested runs until their parent is expanded. Tags
identify experiment and runs. Points carry the time of their report, and MLflow keeps one of equal points, so logging a
trial again is harmless.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsam_tune.analysis.front_json import front_json
from vsam_tune.analysis.hypervolume_over import hypervolume_over
from vsam_tune.analysis.results import StudyResult, TrialRecord
from vsam_tune.study.storage.folder import RESOLVED
from vsam_tune.study.storage.learning_curve import read_curve
from vsam_tune.study.storage.stored_study import definition_text
from vsam_tune.study.tracking.logged_runs import FRONT, KIND_TAG, POINTS_TAG, STATUS, LoggedRuns, trial_files
from vsam_tune.study.tracking.mlflow_client import create_once, find_experiment, open_client
from vsam_tune.study.tracking.mlflow_names import mlflow_names
from vsam_tune.study.tracking.mlflow_view import run_color
from vsam_tune.study.tracking.points import Point, curve_points, trajectory_points
from vsam_tune.study.tracking.run_kind import TRIAL, RunKind
from vsam_tune.study.tracking.sql_store import STUDY_TAG, correct_locations, count_points, is_sql

if TYPE_CHECKING:
    from mlflow.entities import Run

# MLflow's limits
_METRICS, _PARAMS = 1000, 100  # a call
_PARAM_CHARACTERS, _TAG_CHARACTERS = 6000, 8000


class IncompleteRunError(Exception):
    """Points of a run are missing although they were logged."""


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
        self._client, self._uri, self._kind = open_client(uri), uri, kind
        found = find_experiment(self._client, study_id)
        self._experiment = found or self._create(name, study_id, artifacts, tags)
        if found and artifacts is not None:
            correct_locations(uri, found, artifacts)
        if found and kind.guest:
            for key, value in tags.items():
                self._client.set_experiment_tag(found, key, value)
        self._found = LoggedRuns(self._client, uri, self._experiment, kind)
        self._runs: dict[int, Run] = {}  # that this process has opened
        self._logged: dict[int, int] = {}  # points of a trial's curve that this process has logged
        self._in_doubt: set[int] = set()  # trials of which a request has failed: it may have arrived
        self._ended: set[int] = set()  # trials whose end this process has logged

    def check(self) -> None:
        """Raise MLflow's error if the store does not answer."""
        self._client.get_experiment(self._experiment)

    def holds(self, record: TrialRecord, folder: Path) -> bool:
        """Return whether all of a trial that ended was logged, by this process or a former one.

        Args:
            record: of the trial.
            folder: the trial's.
        """
        return record.number in self._ended or self._found.hold(record, folder)

    def log_trial(
        self,
        number: int,
        folder: Path,
        *,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        record: TrialRecord | None,
        started: datetime | None = None,
    ) -> None:
        """Log the reports of a trial since the last call; with its record also its end.

        Args:
            number: of the trial.
            folder: the trial's, with its learning curve and files.
            params: shown as the run's parameters; written when its run is opened, as are the tags.
            tags: of the run, in addition to those that identify it.
            record: of a trial that ended; None while it runs.
            started: when a trial without a record started; None for now.
        """
        if number in self._in_doubt:  # its run may be one of two now
            self._runs.pop(number, None)
            self._logged.pop(number, None)
        try:
            run = self._runs.get(number) or self._open(number, params, tags, record.started if record else started)
            curve = read_curve(folder)
            self._log(run, curve_points(curve, since=self._logged.get(number, 0)))
            self._logged[number] = len(curve)
            if record is not None:
                self._log_end(run, folder, record, curve)
        except Exception:
            self._in_doubt.add(number)
            raise

    def log_summary(self, result: StudyResult) -> None:
        """Write the run that describes the study as a whole: hypervolume by trials, the front, the definition.

        The hypervolume waits for a fixed reference point and for the trials that still run: MLflow takes no value back.
        """
        times = [(each.started, timedelta(seconds=each.seconds or 0)) for each in result.trials if each.started]
        run = self._found_or_created(
            f"tags.`{KIND_TAG}` = 'summary'",
            start_time=min((_milliseconds(started) for started, _ in times), default=None),
            run_name="summary",
            tags={KIND_TAG: "summary"},
        )
        if result.reference_point is not None and not result.counts()["running"]:
            volumes = [(each["hypervolume"], each["trials"]) for each in hypervolume_over(result)]
            self._log(run, [("hypervolume", volume, run.info.start_time, count) for volume, count in volumes])
        self._client.log_dict(run.info.run_id, front_json(result), FRONT)
        self._client.log_text(run.info.run_id, definition_text(result.study), RESOLVED)
        front = " ".join(str(record.number) for record in result.front())
        self._client.set_tag(run.info.run_id, "vsam_tune.front", front[:_TAG_CHARACTERS])
        ended = max((_milliseconds(started + lasted) for started, lasted in times), default=None)
        self._client.set_terminated(run.info.run_id, end_time=ended)

    def _create(self, name: str, study_id: str, artifacts: str | None, tags: Mapping[str, str]) -> str:
        taken = self._client.get_experiment_by_name(name)
        if taken is not None and taken.tags.get(STUDY_TAG) == study_id and taken.lifecycle_stage == "active":
            return str(taken.experiment_id)  # by the study's other driver, a moment ago
        name = f"{name} {study_id[:8]}" if taken is not None else name
        return create_once(
            lambda: str(self._client.create_experiment(name, artifacts, {STUDY_TAG: study_id, **tags})),
            lambda: find_experiment(self._client, study_id),
        )

    def _open(self, number: int, params: Mapping[str, str], tags: Mapping[str, str], started: datetime | None) -> "Run":
        from mlflow.entities import Param  # noqa: PLC0415 - with mlflow

        kind = self._kind
        run = self._found_or_created(
            f"tags.`{kind.tag}` = '{number}'",
            start_time=_milliseconds(started) if started else None,
            run_name=kind.title(number, params),
            tags={
                **tags,
                kind.tag: str(number),
                KIND_TAG: kind.name,
                "mlflow.runColor": run_color(number + kind.first_color),
            },
        )
        names = mlflow_names(list(params))
        missing = {names[key]: value[:_PARAM_CHARACTERS] for key, value in params.items()}
        missing = {key: value for key, value in missing.items() if key not in run.data.params}  # it changes none
        entries = [Param(key, value) for key, value in missing.items()]
        for start in range(0, len(entries), _PARAMS):
            self._client.log_batch(run.info.run_id, params=entries[start : start + _PARAMS])
        self._runs[number] = run
        return run

    def _found_or_created(self, filter_string: str, **run: Any) -> "Run":  # noqa: ANN401 - arguments of `create_run`
        """Return the one run that a filter finds, or a new one; runs that were created twice become one."""

        def find() -> "Run | None":
            runs = list(self._found.search(filter_string))
            for double in runs[1:]:
                self._client.delete_run(double.info.run_id)
            return runs[0] if runs else None

        return find() or create_once(lambda: self._client.create_run(self._experiment, **run), find)

    def _log(self, run: "Run", points: Sequence[Point]) -> None:
        from mlflow.entities import Metric  # noqa: PLC0415 - with mlflow

        for start in range(0, len(points), _METRICS):
            batch = [Metric(*point) for point in points[start : start + _METRICS]]
            self._client.log_batch(run.info.run_id, metrics=batch)

    def _log_end(self, run: "Run", folder: Path, record: TrialRecord, curve: Sequence[Mapping[str, float]]) -> None:
        from mlflow.entities import RunTag  # noqa: PLC0415 - with mlflow

        run_id, trajectory = run.info.run_id, folder / "trajectory.parquet"
        points = curve_points(curve)
        if trajectory.exists():
            added = trajectory_points(trajectory, int(curve[-1]["time_ms"]) if curve else run.info.start_time)
            self._log(run, added)
            points += added
        for path in trial_files(folder):
            self._client.log_artifact(run_id, str(path))
        self._ensure_all_points(run, record.number, points)
        end = {
            "state": record.state,
            "stopped": record.stopped,
            "infeasible": record.infeasible,
            "raced": record.stopped_by_racing,
            "error": record.error,
        }
        tags = [RunTag(f"vsam_tune.{key}", value[-_TAG_CHARACTERS:]) for key, value in end.items() if value]
        self._client.log_batch(run_id, tags=[*tags, RunTag(POINTS_TAG, str(len(set(points))))])
        ended = record.started and record.started + timedelta(seconds=record.seconds or 0)
        self._client.set_terminated(run_id, STATUS[record.state], _milliseconds(ended) if ended else None)
        self._ended.add(record.number)

    def _ensure_all_points(self, run: "Run", number: int, points: Sequence[Point]) -> None:
        """Count the points of a run, and log them again if some are missing.

        A server is asked only where a request has failed: there, counting takes a request for each metric.

        Raises:
            IncompleteRunError: if some are still missing.
        """
        wanted = len(set(points))
        if not is_sql(self._uri) and number not in self._in_doubt:
            return
        if self._num_points(run, points) < wanted:
            self._log(run, points)
            if (there := self._num_points(run, points)) < wanted:
                raise IncompleteRunError(f"{wanted - there} of {wanted} points of {run.info.run_name} are missing")

    def _num_points(self, run: "Run", points: Sequence[Point]) -> int:
        if is_sql(self._uri):
            return count_points(self._uri, int(self._experiment)).get(run.info.run_id, 0)
        keys = dict.fromkeys(key for key, *_ in points)
        return sum(len(self._client.get_metric_history(run.info.run_id, key)) for key in keys)


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


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
