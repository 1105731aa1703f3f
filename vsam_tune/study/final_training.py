"""Final training: one configuration, several seeds, on the whole training set; tested once, at the end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vsam_tune.analysis.results import Objective, StudyResult
from vsam_tune.errors import InputError, problem
from vsam_tune.study.execution.events import Listener
from vsam_tune.study.execution.runner import Run
from vsam_tune.study.file.differences import all_differing_keys
from vsam_tune.study.file.sections import Resources
from vsam_tune.study.file.study_file import Export
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.tracking.mlflow_view import study_view
from vsam_tune.trial import trial_seed

_OBJECTIVES = (Objective("test_accuracy", "maximize"), Objective("ais", "maximize"))


def final_plan(export: Export, name: str, *, seeds: int, resources: Resources, tracking_uri: str | None = None) -> Plan:
    """Return what the final training runs: the configuration under the replicates 0 .. seeds - 1.

    Args:
        export: the configuration, as `front --export` writes it or a user.
        name: of the training, and of its folder.
        seeds: number of replicates.
        resources: of one replicate.
        tracking_uri: of MLflow; None for a file in the folder.
    """

    def config(params: Mapping[str, Any], _: int) -> dict[str, Any]:
        seed = trial_seed(export.task.seed, "final", params["replicate"])
        return {**export.settings(), "seed": seed, "final": True}

    resolved = {"objectives": [{"name": each.name, "direction": each.direction} for each in _OBJECTIVES]}
    resolved |= export.resolved()
    return Plan(
        name=name,
        objectives=_OBJECTIVES,
        fixed_trials=[{"replicate": replicate} for replicate in range(seeds)],
        epochs=export.epochs,
        resources=resources,
        tracking_uri=tracking_uri,
        view=study_view(_OBJECTIVES, ["replicate"]),
        keep_checkpoints=True,
        trainable=export.trainable,
        config=config,
        resolved=resolved,
    )


def train(
    plan: Plan,
    folder: Path,
    *,
    listeners: Sequence[Listener] = (),
    workers: int | None = None,
    address: str | None = None,
) -> StudyResult:
    """Train the replicates that are not done yet.

    Args:
        plan: as `final_plan` returned it.
        folder: holds storage, checkpoints and tracking.
        listeners: hear of replicates as they go.
        workers: replicates side by side.
        address: of an existing Ray cluster; None for one on this machine.

    Returns:
        All replicates as they stand; those that failed are among them.

    Raises:
        InputError: if the folder holds another configuration, or the data are not there.
    """
    with Run(plan, folder) as run:
        former = run.former()
        if former is not None and (keys := all_differing_keys(plan.resolved, former)):
            rule, fix = (
                "differs from the configuration that is trained there",
                "another --out DIR; nothing is ever deleted",
            )
            raise InputError(*(problem(folder, key, None, rule, fix) for key in keys))
        return run.finish(started=former is not None, listeners=listeners, workers=workers, address=address)
