"""Baselines that never trained: what `vsam-tune baselines` leaves, for tests of whoever reads it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState

from vsam_tune.analysis.results import Objective, StudyResult, TrialRecord
from vsam_tune.study.storage.folder import BASELINES, DATABASE

OBJECTIVES = (Objective("test_accuracy", "maximize"), Objective("ais", "maximize"))
TASK = {"data": "digits", "model": {"name": "cnn", "width": 32}, "epochs": 40, "batch_size": 64}
CIFAR = {"data": "cifar10", "model": {"name": "resnet18"}, "epochs": 200, "batch_size": 128}
COST = {"sgd": (0.0, 1.0), "sam": (1.0, 2.0), "sam_5": (0.2, 1.2)}  # sampled fraction, gradient evaluations


def metrics(label: str, accuracy: float, ais: float = 1000.0, **others: float) -> dict[str, float]:
    """Return what a replicate of 40 epochs of 18 iterations reported last."""
    fraction, evaluations = COST.get(label, (0.25, 1.25))
    return {
        "test_accuracy": accuracy,
        "ais": ais,
        "sampled_fraction": fraction,
        "gradient_evaluations": evaluations,
        "forward_passes": 0.0,
        "epoch": 40.0,
        "iteration": 720.0,
        "train_seconds": 44_000.0 / ais,
        **others,
    }


def replicate(number: int, label: str, replicate: int, state: str = "complete", **changes: Any) -> TrialRecord:
    """Return one trial; its metrics are those of `metrics` with the changes."""
    reported = metrics(label, **{"accuracy": 90.0, **changes})
    return TrialRecord(
        number=number,
        state=state,
        params={"label": label, "replicate": replicate},
        values={each.name: reported[each.name] for each in OBJECTIVES} if state == "complete" else {},
        metrics=reported if state == "complete" else {},
    )


def result_of(trials: Sequence[TrialRecord], task: Mapping[str, Any] = TASK, **rows: Mapping[str, Any]) -> StudyResult:
    """Return the baselines of these trials.

    Args:
        trials: in any order.
        task: of the study.
        rows: entries of methods by label, where they differ from a method at its defaults.
    """
    labels = dict.fromkeys(trial.params["label"] for trial in trials)
    plain = {label: {"method": {"name": label}, "base_optimizer": {"name": "sgd"}, "trial": None} for label in labels}
    objectives = [{"name": each.name, "direction": each.direction} for each in OBJECTIVES]
    return StudyResult(
        name="mine",
        objectives=OBJECTIVES,
        trials=tuple(trials),
        reference_point=None,
        study={"objectives": objectives, "task": dict(task), "rows": {**plain, **rows}},
    )


def baselines(accuracies: Mapping[str, Sequence[float]], task: Mapping[str, Any] = TASK, **rows: Any) -> StudyResult:
    """Return baselines with these test accuracies by label and replicate."""
    pairs = [(label, i, value) for label, values in accuracies.items() for i, value in enumerate(values)]
    trials = [replicate(number, label, i, accuracy=value) for number, (label, i, value) in enumerate(pairs)]
    return result_of(trials, task, **rows)


def store(result: StudyResult, root: Path) -> None:
    """Write baselines where `vsam-tune baselines` does: into the file of the study, under a name of their own."""
    folder = root / result.name
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / DATABASE}",
        study_name=result.name + BASELINES,
        directions=[each.direction for each in result.objectives],
    )
    study.set_user_attr("study", result.study)
    ranges = {"label": CategoricalDistribution(list(result.study["rows"])), "replicate": IntDistribution(0, 9999)}
    for record in result.trials:
        trial = optuna.trial.create_trial(
            state=TrialState[record.state.upper()],
            params=record.params,
            distributions=ranges,
            values=list(record.values.values()) or None,
            user_attrs={"metrics": record.metrics},
        )
        study.add_trial(trial)
