"""A study's folder with a real SQLite store of MLflow, and MLflow's own client to look into it."""

from pathlib import Path
from typing import Any, Self

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from tests.support.fake_study import record, settings, study_folder
from vsam_tune.analysis.results import TrialRecord
from vsam_tune.study.storage.folder import trial_folder
from vsam_tune.study.tracking.mlflow_client import find_experiment
from vsam_tune.study.tracking.mlflow_store import MlflowStore, run_params
from vsam_tune.study.tracking.tracking_state import default_uri


def forget_places() -> None:
    """Forget where MLflow found artifacts of runs before: a driver of another process does not know it."""
    _artifact_repos_cache.clear()


class MlflowFolder:
    """A folder with its store, and MLflow's client on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = study_folder(folder)
        self.client = MlflowClient(tracking_uri=default_uri(folder))

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Return a study's folder as it is."""
        place = cls.__new__(cls)
        place.folder, place.client = folder, MlflowClient(tracking_uri=default_uri(folder))
        return place

    def open(self, name: str = "made", study_id: str = "id-of-made") -> MlflowStore:
        artifacts = (self.folder / "artifacts").as_uri()
        return MlflowStore(default_uri(self.folder), name, study_id, artifacts=artifacts, tags={"a": "b"})

    def log(self, store: MlflowStore, number: int, state: str | None = "complete", **fields: Any) -> None:
        ended = record(number, state, **fields) if state else None
        params = run_params(settings(number))
        where = self.folder / trial_folder(number)
        store.log_trial(number, where, params=params, tags={"vsam_tune.device": "a desk"}, record=ended)

    def holds(self, store: MlflowStore, ended: TrialRecord) -> bool:
        return store.holds(ended, self.folder / trial_folder(ended.number))

    def runs(self, study_id: str = "id-of-made") -> dict[str, Run]:
        experiment = find_experiment(self.client, study_id)
        runs = self.client.search_runs([experiment], max_results=1000)
        assert len({run.info.run_name for run in runs}) == len(runs)
        return {run.info.run_name: run for run in runs}

    def history(self, run: Run, key: str) -> list[tuple[int, float]]:
        return sorted((each.step, each.value) for each in self.client.get_metric_history(run.info.run_id, key))

    def artifacts(self, run: Run) -> list[str]:
        return sorted(each.path for each in self.client.list_artifacts(run.info.run_id))
