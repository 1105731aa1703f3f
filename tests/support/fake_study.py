"""A study that never ran: what a search leaves in a folder, for tests of whoever reads it."""

import functools
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from vsam_tune.analysis.results import Objective, StudyResult, TrialRecord
from vsam_tune.study.storage.folder import RESOLVED, trial_folder
from vsam_tune.study.storage.learning_curve import append_point
from vsam_tune.study.tracking.mlflow_store import MlflowStore

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
BEGIN_MS = int(BEGIN.timestamp() * 1000)
OBJECTIVES = (Objective("val_accuracy", "maximize"), Objective("ais", "maximize"))
PARAMS = {"beta": 0.13, "kappa": 0.8, "num_slices": 4}


def config(params: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return a trial's settings, as `Plan.config` does."""
    return {
        "task": {
            "data": "digits",
            "model": {"name": "cnn", "width": 32},
            "epochs": 4,
            "seed": 7,
            "augmentation": [],
            "subset": None,
            "options": {"unseen": 1},
        },
        "base_optimizer": {"optimizer": "torch.optim:SGD", "lr": 0.1, "momentum": 0.9},
        "method": {"name": "vsam", "rho": 0.4, **params},
        "seed": 1000 + number,
    }


def settings(number: int) -> dict[str, Any]:
    """Return what Ray's trial holds of a fake trial: its settings and its parameters."""
    return {**config(PARAMS, number), "params": PARAMS}


def record(number: int, state: str = "complete", **fields: Any) -> TrialRecord:
    values = {"val_accuracy": 90.0 + number, "ais": 5000.0 - 100 * number} if state == "complete" else {}
    plain = {"params": PARAMS, "values": values, "metrics": values, "started": BEGIN, "seconds": 60.0}
    return TrialRecord(number=number, state=state, **{**plain, **fields})


def result(records: Sequence[TrialRecord], reference_point: dict[str, float] | None = None) -> StudyResult:
    return StudyResult(
        name="made",
        objectives=OBJECTIVES,
        trials=tuple(records),
        reference_point=reference_point,
        study={"name": "made"},
    )


def report(folder: Path, number: int, *, epochs: Sequence[int] = range(1, 5), **metrics: float) -> None:
    """Write down what a trial reports after each of the epochs, of 10 iterations and of one second."""
    where = folder / trial_folder(number)
    where.mkdir(parents=True, exist_ok=True)
    for epoch in epochs:
        point = {"epoch": epoch, "iteration": 10 * epoch, "val_accuracy": 80.0 + epoch, **metrics}
        append_point(where, {**point, "time_ms": BEGIN_MS + 1000 * epoch})


def write_trajectory(path: Path, iterations: int = 40) -> dict[str, np.ndarray]:
    """Write a trajectory of which every fourth iteration is sampled; return its columns."""
    rows = np.arange(iterations)
    sampled = rows % 4 == 0
    columns = {
        "iteration": rows,
        "sampled": sampled,
        "l2_psf": np.where(sampled, 0.5 + rows / iterations, np.nan),
        "l2_sgd": 1.0 / (1 + rows),
        "sampling_rate": np.full(iterations, 0.25),
        "sigma": np.full(iterations, np.nan),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return columns


def write_fake_trial(folder: Path, number: int) -> None:
    """Leave what a trial that ended leaves: learning curve and trajectory."""
    report(folder, number)
    write_trajectory(folder / trial_folder(number) / "trajectory.parquet")


def study_folder(path: Path) -> Path:
    """Return a study's folder with its resolved file and an MLflow store without experiments."""
    path.mkdir(parents=True, exist_ok=True)
    (path / RESOLVED).write_text(yaml.safe_dump({"name": "made"}))
    (path / "mlflow.db").write_bytes(empty_store())
    return path


@functools.cache
def empty_store() -> bytes:
    """Return an MLflow database that has its tables: making them takes seconds, which no test needs twice."""
    with tempfile.TemporaryDirectory() as folder:
        MlflowStore(f"sqlite:///{folder}/mlflow.db", "first", "0", artifacts=Path(folder).as_uri(), tags={})
        return Path(folder, "mlflow.db").read_bytes()


def seconds_later(seconds: float) -> int:
    return int((BEGIN + timedelta(seconds=seconds)).timestamp() * 1000)
