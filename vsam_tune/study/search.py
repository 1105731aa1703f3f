"""The Pareto search of a study file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsam_tune.analysis.results import StudyResult
from vsam_tune.errors import InputError, problem
from vsam_tune.study.execution.events import Listener
from vsam_tune.study.execution.preflight import preflight
from vsam_tune.study.execution.runner import Outcome, Runner
from vsam_tune.study.file.differences import common, difference_rules, differing_keys
from vsam_tune.study.file.run_length import check_run_length
from vsam_tune.study.file.study_file import Study
from vsam_tune.study.scheduling.budget import Limit, limits_reached
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.storage.folder import BASELINES, BASELINES_FOLDER
from vsam_tune.study.storage.stored_study import open_stored, stored_definition
from vsam_tune.study.storage.warm_start import with_warm_start
from vsam_tune.study.tracking.mlflow_view import study_view
from vsam_tune.trial import trial_seed


def search_plan(study: Study) -> Plan:
    """Return the plan of a search of the study."""

    def config(params: Mapping[str, Any], number: int) -> dict[str, Any]:
        seed = trial_seed(study.task.seed, "trial", number)
        return {**study.settings(dict(params)), "seed": seed, "final": False}

    warm = (study.warm_start and study.warm_start.points) or ()
    return Plan(
        name=study.name,
        objectives=study.objectives,
        space=study.space,
        fixed=study.values,
        initial=(*study.initial, *(point for point in warm if point not in study.initial)),
        constraints=study.constraints,
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


@dataclass(frozen=True, kw_only=True)
class SearchJob:
    """Search until the study's budget is spent.

    Attributes:
        study: the loaded study file.
        home: the study's folder.
        no_resume: refuse a study that exists.
    """

    study: Study
    home: Path
    no_resume: bool = False
    suffix: str = ""
    folder: str = ""

    def check_against(self, stored: StudyResult | None) -> None:
        """Compare the study with the one that was started under its name, and its task with that of its baselines.

        Raises:
            InputError: if a key differs, or `no_resume` refuses.
        """
        study, baselines = self.study, stored_definition(self.home, BASELINES)
        if stored is not None and self.no_resume:
            fix = "another name:, or --root DIR; nothing is ever deleted"
            raise InputError(problem(study.place("name"), "name", study.name, f"{self.home} exists", fix))
        rules: dict[str, str] = {}
        if baselines is not None:
            rule = f"differs from the trainings in {self.home / BASELINES_FOLDER}"
            keys = differing_keys(common(study.resolved()), common(baselines))
            rules |= difference_rules(rule, keys, study.resolved(), baselines)
        if stored is not None:
            rule = f"differs from the study that was started in {self.home}"
            rules |= difference_rules(rule, study.differences(stored.study), study.resolved(), stored.study)
        if rules:
            fix = "restore the value, or take another name:"
            raise InputError(*(problem(study.place(key), key, None, rule, fix) for key, rule in rules.items()))

    def extent(self, stored: StudyResult | None) -> tuple[int | None, int]:
        """Return the budget of trials, or the points of a smaller grid, and how many trials are complete or pruned."""
        limits = (self.study.budget.trials, search_plan(self.study).num_points)
        return min(
            (limit for limit in limits if limit is not None), default=None
        ), stored.num_finished() if stored else 0

    def plans(self) -> Iterator[Plan]:
        """Yield the one plan."""
        yield search_plan(self.study)

    def warnings(self, facts: Mapping[str, float]) -> list[str]:
        """Return the warnings about initial weights and ranges."""
        return range_warnings(self.study, facts)


def search(
    study: Study,
    *,
    root: Path,
    listeners: Sequence[Listener] = (),
    workers: int | None = None,
    address: str | None = None,
    no_resume: bool = False,
) -> tuple[StudyResult, Outcome]:
    """Search until the study's budget is spent; a study that was interrupted goes on.

    Args:
        study: the loaded study file.
        root: the study's folder is `root / study.name`.
        listeners: are informed of trials as they go.
        workers: trials at a time; None for as many as the cluster holds.
        address: of an existing Ray cluster; None for one on this machine.
        no_resume: refuse a study that exists.

    Returns:
        As `Runner.run`.

    Raises:
        InputError: if the study exists and differs, names a `warm_start` without a front to take over, is being
            searched by another process, or its data are not there.
    """
    home = (root / study.name).absolute()
    study = with_warm_start(study, root)
    job = SearchJob(study=study, home=home, no_resume=no_resume)
    return Runner(home).run(job, listeners=listeners, workers=workers, address=address)


def limits_of(study: Study, *, root: Path) -> list[Limit]:
    """Return the limits that the search of a study has reached; none before its first start."""
    storage = open_stored((root / study.name).absolute())
    return limits_reached(search_plan(study), storage) if storage else []


def ask_trainable(study: Study, *, time_iterations: bool) -> dict[str, float]:
    """Return the answer of the trainable's `check` about a trial at the study's first starting point.

    Raises:
        InputError: if the trainable, the data or the model cannot be had, or do not fit each other.
    """
    return preflight(search_plan(study), time_iterations=time_iterations)


def range_warnings(study: Study, facts: Mapping[str, float]) -> list[str]:
    """Return a line for initial weights that have seen the validation part, and for each range too long for the run.

    Args:
        study: the loaded study file.
        facts: the answer of the trainable's `check`.
    """
    lines = []
    if facts.get("starts_from_final_training"):
        rule = "comes from a final training, which has seen the validation part: val_accuracy and val_loss flatter"
        fix = "judge by vsam-tune baselines or train, which test on other images"
        lines = [problem(study.place("task.initial_checkpoint"), "task.initial_checkpoint", None, rule, fix)]
    return lines + [each.line(study.file, study.overridden) for each in check_run_length(study, study.space, facts)]
