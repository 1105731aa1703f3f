"""The trial scheduler and the sampler that a study file asks for, by the `kind` of its section."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.samplers import BaseSampler

from search_spaces.schema import Dimension
from vsam_tune.analysis.results import Objective
from vsam_tune.study.file import sections
from vsam_tune.study.file.feasibility import Constraint
from vsam_tune.study.scheduling.asha import Asha, PromotionAsha
from vsam_tune.study.scheduling.fifo import Fifo
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.scheduling.racing import Racing
from vsam_tune.study.scheduling.rungs import Comparison, rungs_of
from vsam_tune.study.scheduling.sampler import grid, nsga2, random_search, sobol, tpe
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.scheduling.trial_scheduler import StudyScheduler
from vsam_tune.study.storage.study_storage import StudyStorage


def build_trial_scheduler(plan: Plan, storage: StudyStorage, searcher: OptunaSearcher) -> StudyScheduler:
    """Return the trial scheduler of a plan."""
    section = plan.trial_scheduler
    racing = Racing(storage) if plan.replication.racing else None
    return TRIAL_SCHEDULERS[section.kind](section, plan, storage, searcher, racing)


def build_sampler(section: sections.Sampler, *, space: Mapping[str, Dimension], trials_so_far: int) -> BaseSampler:
    """Return the sampler.

    Args:
        section: its kind, seed and settings.
        space: by parameter name.
        trials_so_far: added to the seed, so that a restarted driver does not draw the same numbers again.
    """
    return SAMPLERS[section.kind](section, section.seed + trials_so_far, space)


def _fifo(_: object, __: Plan, storage: StudyStorage, searcher: OptunaSearcher, racing: Racing | None) -> Fifo:
    return Fifo(storage, searcher, racing=racing)


def _on_rungs(
    section: sections.Asha | sections.MoAsha,
    plan: Plan,
    storage: StudyStorage,
    searcher: OptunaSearcher,
    racing: Racing | None,
) -> Asha:
    variant = PromotionAsha if section.variant == "promotion" else Asha
    return variant(
        storage,
        searcher,
        comparison=comparison_of(section, plan.objectives, plan.constraints),
        rungs=rungs_of(section, plan.epochs),
        guard=None if section.guard == "off" else section.guard,
        seed=plan.sampler.seed,
        racing=racing,
    )


def comparison_of(
    section: sections.Asha | sections.MoAsha, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()
) -> Comparison:
    """Return how a trial scheduler compares the trials of a study with these objectives and constraints."""
    metrics = [section.metric] if isinstance(section, sections.Asha) else [each.name for each in objectives]
    return Comparison(
        objectives=tuple(each for each in objectives if each.name in metrics),
        reduction_factor=section.reduction_factor,
        min_rung_size=section.min_rung_size or section.reduction_factor,
        constraints=tuple(constraints),
        noise=section.noise,
        ais_horizon=section.ais_horizon,
    )


# (section of the study file, plan, storage, searcher, racing) -> trial scheduler
TRIAL_SCHEDULERS: dict[str, Callable[[Any, Plan, StudyStorage, OptunaSearcher, Racing | None], StudyScheduler]] = {
    "fifo": _fifo,
    "asha": _on_rungs,
    "mo_asha": _on_rungs,
}

# (section of the study file, seed, space) -> sampler
SAMPLERS: dict[str, Callable[[Any, int, Mapping[str, Dimension]], BaseSampler]] = {
    "tpe": tpe,
    "random": random_search,
    "nsga2": nsga2,
    "sobol": sobol,
    "grid": grid,
}
