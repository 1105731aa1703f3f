"""The Pareto search of a study file."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from search_spaces.schema import IntDimension
from vsam_tune.analysis.results import StudyResult
from vsam_tune.errors import InputError, problem
from vsam_tune.study.execution.events import Listener
from vsam_tune.study.execution.oversubscription import oversubscription_warnings
from vsam_tune.study.execution.preflight import preflight
from vsam_tune.study.execution.runner import Run, budget_spent
from vsam_tune.study.file.differences import common, differing_keys
from vsam_tune.study.file.study_file import Study
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.storage.study_storage import BASELINES, BASELINES_FOLDER, find_result
from vsam_tune.study.tracking.mlflow_view import study_view
from vsam_tune.trial import trial_seed

logger = logging.getLogger(__name__)

Outcome = Literal["finished before", "finished", "interrupted"]


def search_plan(study: Study) -> Plan:
    """Return what a search of the study runs."""

    def config(params: Mapping[str, Any], number: int) -> dict[str, Any]:
        seed = trial_seed(study.task.seed, "trial", number)
        return {**study.settings(dict(params)), "seed": seed, "final": False}

    return Plan(
        name=study.name,
        objectives=study.objectives,
        space=study.space,
        fixed=study.values,
        initial=study.initial,
        budget=study.budget,
        epochs=study.epochs,
        resources=study.resources,
        sampler=study.sampler,
        trial_scheduler=study.trial_scheduler,
        replication=study.replication,
        tracking_uri=study.tracking.uri,
        view=study_view(study.objectives, list(study.space)),
        trainable=study.trainable,
        config=config,
        resolved=study.resolved(),
    )


def search(
    study: Study,
    *,
    root: Path,
    listeners: Sequence[Listener] = (),
    workers: int | None = None,
    address: str | None = None,
    fresh: bool = False,
) -> tuple[StudyResult, Outcome]:
    """Search until the study's budget is spent; a study that was interrupted goes on.

    Args:
        study: the loaded study file.
        root: the study's folder is `root / study.name`.
        listeners: hear of trials as they go.
        workers: trials side by side; None for as many as the cluster holds.
        address: of an existing Ray cluster; None for one on this machine.
        fresh: refuse a study that exists.

    Returns:
        The study as it stands; and whether nothing was left to do, or the budget is spent now, or is not because the
        search was interrupted or too many trials failed.

    Raises:
        InputError: if the study exists and differs, is being searched by another process, or its data are not there.
    """
    with Run(search_plan(study), root / study.name) as run:
        _agree(study, run, fresh=fresh)
        storage = run.open_storage() if run.former() else None
        if storage and budget_spent(run.plan, storage):
            return run.catch_up(storage), "finished before"
        # asked before a first start stores anything: what is mended in the file then differs from nothing
        facts = ask_trainable(study, time_iterations=False)
        for line in warnings(study, facts) + oversubscription_warnings(
            study.resources, workers=workers, address=address
        ):
            logger.warning("%s", line)
        storage = storage or run.open_storage()
        result = run.execute(storage, listeners=listeners, workers=workers, address=address)
        return result, "finished" if budget_spent(run.plan, storage) else "interrupted"


def ask_trainable(study: Study, *, time_iterations: bool) -> dict[str, float]:
    """Return what the trainable's `check` says of a trial at the study's first starting point.

    Raises:
        InputError: if the trainable, the data or the model cannot be had, or do not fit each other.
    """
    return preflight(search_plan(study), time_iterations=time_iterations)


def _agree(study: Study, run: Run, *, fresh: bool) -> None:
    """Hold the study against the one that was started under its name, and its task against that of its baselines."""
    former, baselines = run.former(), find_result(run.folder, BASELINES)
    if former is not None and fresh:
        fix = "another name:, or --root DIR; nothing is ever deleted"
        raise InputError(problem(study.file, "name", study.name, f"{run.folder} exists", fix))
    rules: dict[str, str] = {}
    if baselines is not None:
        rule = f"differs from what was trained in {run.folder / BASELINES_FOLDER}"
        rules |= dict.fromkeys(differing_keys(common(study.resolved()), common(baselines.study)), rule)
    if former is not None:
        rules |= dict.fromkeys(study.differences(former), f"differs from the study that was started in {run.folder}")
    if rules:
        fix = "what it was, or another name:"
        raise InputError(*(problem(study.file, key, None, rule, fix) for key, rule in rules.items()))


def warnings(study: Study, facts: Mapping[str, float]) -> list[str]:
    """Return a line for initial weights that know the validation part, and for each range that ends after the run.

    Args:
        study: the loaded study file.
        facts: what the trainable's `check` said.
    """
    lines = []
    if facts.get("starts_from_final_training"):
        rule = "comes from a final training, which has seen the validation part: val_accuracy and val_loss flatter"
        fix = "judge by vsam-tune baselines or train, which test on other images"
        lines = [problem(study.file, "task.initial_checkpoint", None, rule, fix)]
    if "iterations_per_epoch" not in facts:
        return lines
    iterations = int(facts["iterations_per_epoch"]) * study.epochs
    rule = f"a trial has {iterations} iterations: above that it never takes effect"
    return lines + [
        problem(study.file, f"space.{name}.high", dimension.high, rule, f"at most {iterations}")
        for name in ("warmup_iterations", "interval")
        if isinstance(dimension := study.space.get(name), IntDimension) and dimension.high > iterations
    ]
