"""The runs of a study in MLflow, as the store has them: which trials they hold, and whether they hold all of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse
from urllib.request import url2pathname

from vsam_tune.analysis.results import StudyResult, TrialRecord
from vsam_tune.study.storage.folder import RESOLVED, trial_folder
from vsam_tune.study.tracking.mlflow_client import find_experiment, open_client
from vsam_tune.study.tracking.run_kind import RunKind
from vsam_tune.study.tracking.sql_store import artifact_root, count_points, is_sql, logged_studies

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

KIND_TAG = "vsam_tune.kind"
POINTS_TAG = "vsam_tune.points"  # how many points a run has, once they were counted; written when its trial has ended
STATUS = {"complete": "FINISHED", "pruned": "KILLED", "fail": "FAILED"}  # MLflow's word for a trial's end
FRONT = "front.json"  # an artifact of the summary
_PAGE = 1000  # runs, MLflow's limit


class LoggedRuns:
    """The runs of one kind in a study's experiment, at the moment at which they were read.

    Args:
        client: of the store.
        uri: of the store.
        experiment: MLflow's id.
        kind: of the runs.
    """

    def __init__(self, client: "MlflowClient", uri: str, experiment: str, kind: RunKind) -> None:
        self._client, self._experiment, self._kind = client, experiment, kind
        self._local = is_sql(uri)  # its artifacts are files, and its points can be counted
        self._counts = count_points(uri, int(experiment)) if self._local else None
        self._runs: dict[int, list[Run]] = {}
        for run in self.search(f"tags.`{KIND_TAG}` = '{kind.name}'"):
            if (number := run.data.tags.get(kind.tag, "")).isdecimal():
                self._runs.setdefault(int(number), []).append(run)

    def search(self, filter_string: str) -> "Iterator[Run]":
        """Yield the runs of the experiment that a filter finds, the oldest first."""
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                filter_string,
                max_results=_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def hold(self, record: TrialRecord, folder: Path) -> bool:
        """Return whether all of a trial that ended is there, once.

        Args:
            record: of the trial.
            folder: of the trial's files.
        """
        runs = self._runs.get(record.number, [])
        if len(runs) != 1 or runs[0].info.status != STATUS.get(record.state):
            return False
        points = runs[0].data.tags.get(POINTS_TAG, "")
        if not points.isdecimal():  # of a former version, which did not count
            return False
        if self._counts is not None and self._counts.get(runs[0].info.run_id, 0) < int(points):
            return False
        return self._has_artifacts(runs[0], {path.name: path.stat().st_size for path in trial_files(folder)})

    def hold_summary(self) -> bool:
        """Return whether the summary is there, once."""
        runs = list(self.search(f"tags.`{KIND_TAG}` = 'summary'"))
        return len(runs) == 1 and self._has_artifacts(runs[0], dict.fromkeys((FRONT, RESOLVED)))

    def _has_artifacts(self, run: "Run", sizes: Mapping[str, int | None]) -> bool:
        """Return whether files are among a run's artifacts, with these bytes if known; a server is not asked."""
        if not self._local:
            return True
        place = Path(url2pathname(urlparse(run.info.artifact_uri).path))
        there = {path.name: path.stat().st_size for path in place.glob("*")}
        return all(name in there and size in (None, there[name]) for name, size in sizes.items())


def trial_files(folder: Path) -> list[Path]:
    """Return the files of a trial that become artifacts: trajectories, log, error."""
    return [path for path in sorted(folder.glob("*")) if path.suffix in (".parquet", ".txt")]


def holds_all(uri: str, study_id: str, home: Path, folder: Path, result: StudyResult, kind: RunKind) -> bool:
    """Return whether a store holds all trials of a study that ended, and its summary; nothing is written.

    Args:
        uri: the tracking URI.
        study_id: the tag of the study's experiment.
        home: the study's folder, where the artifacts are unless a server keeps them.
        folder: of the trials' files.
        result: with all trials.
        kind: of their runs.

    Raises:
        mlflow.exceptions.MlflowException: if the store cannot be read.
    """
    if is_sql(uri):  # MLflow's client would create the tables that are missing
        places = [study.artifacts for study in logged_studies(uri) if study.study_id == study_id]
        if places != [artifact_root(home)]:
            return False
    client = open_client(uri)
    experiment = find_experiment(client, study_id)
    if experiment is None:
        return False
    runs = LoggedRuns(client, uri, experiment, kind)
    ended = [record for record in result.trials if record.state in STATUS]
    whole = all(runs.hold(record, folder / trial_folder(record.number)) for record in ended)
    return whole and (kind.guest or runs.hold_summary())
