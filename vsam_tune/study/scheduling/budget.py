"""Whether a plan has trials left to run, and which limits of its budget are reached."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vsam_tune.analysis import pareto
from vsam_tune.study.file.grid import grid_point
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.storage.study_storage import StudyStorage

_LEAST_GAIN = 0.01  # of the hypervolume, by the trials of `patience`
_HOUR = 3600.0

Losses = Sequence[float] | None  # of a trial that has ended; None if it cannot join the front


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of a search that is reached.

    Attributes:
        name: its key under `budget:`, or `grid`.
        reason: what has been spent, as a clause.
        larger: the setting of the command line with which the study goes on, as far as this limit is concerned; None
            if there is none.
    """

    name: str
    reason: str
    larger: str | None


def budget_spent(plan: Plan, storage: StudyStorage) -> bool:
    """Return whether nothing is left to do: the budget is spent, and no trial was left behind."""
    if storage.unfinished(plan.fixed_trials):
        return False
    if plan.fixed_trials is not None:
        return not storage.num_waiting(plan.fixed_trials)
    return bool(limits_reached(plan, storage))


def grid_exhausted(plan: Plan, storage: StudyStorage) -> bool:
    """Return whether a trial has started at every point of the grid that a plan tries; one that failed counts."""
    num_points = plan.num_points
    if num_points is None:
        return False
    started = [record.params for record in storage.records() if record.state != "waiting"]
    return len({grid_point(plan.space, params) for params in started}) >= num_points


def limits_reached(plan: Plan, storage: StudyStorage) -> list[Limit]:
    """Return the limits of a search that are reached, by trials that have ended."""
    budget, limits = plan.budget, []
    if grid_exhausted(plan, storage):
        limits.append(Limit("grid", "every point of the grid was tried", None))
    if budget.trials is not None and storage.num_trials("complete", "pruned") >= budget.trials:
        limits.append(Limit("trials", f"all {budget.trials} trials have ended", "--trials N"))
    if budget.epochs is not None and (epochs := sum(each.epochs for each in storage.records())) >= budget.epochs:
        limits.append(Limit("epochs", f"{epochs:,} of {budget.epochs:,} epochs are trained", "budget.epochs=N"))
    if budget.seconds is not None and storage.seconds() >= budget.seconds:
        reason = f"{storage.seconds():,.0f} of {budget.seconds:,g} seconds are over"
        limits.append(Limit("seconds", reason, "budget.seconds=N"))
    if budget.gpu_hours is not None and gpu_hours_spent(budget.gpu_hours, storage, 0.0):
        reason = f"{storage.gpu_seconds() / _HOUR:,.2f} of {budget.gpu_hours:,g} GPU hours are used"
        limits.append(Limit("gpu_hours", reason, "budget.gpu_hours=N"))
    if budget.patience is not None and (limit := _patience_reached(budget.patience, storage)):
        limits.append(limit)
    return limits


def gpu_hours_spent(hours: float, storage: StudyStorage, gpu_seconds: float) -> bool:
    """Return whether the trials have used so many hours of GPUs.

    Args:
        hours: the limit.
        storage: has those of the trials that have ended.
        gpu_seconds: of the trials that run.
    """
    return storage.gpu_seconds() + gpu_seconds >= hours * _HOUR


def out_of_patience(patience: int, storage: StudyStorage) -> bool:
    """Return whether the last trials that ended, `patience` of them, raised the hypervolume by too little."""
    raised = gain(storage.losses_by_end(), patience, storage.reference_losses())
    return raised is not None and raised < _LEAST_GAIN


def gain(losses: Sequence[Losses], patience: int, corner: ArrayLike | None) -> float | None:
    """Return by what part the last trials that ended raised the hypervolume.

    Args:
        losses: of the complete and pruned trials, (k,) finite each, in the order in which they ended.
        patience: how many are the last trials.
        corner: the reference point, (k,); None for the one that these trials have.

    Returns:
        0.003 for 0.3 %; infinity if there was no volume before; None if no more than `patience` trials have ended.
    """
    before = len(losses) - patience
    if before < 1:
        return None
    complete = np.array([each for each in losses if each is not None], dtype=np.float64)
    if len(complete) == 0:
        return 0.0
    reference_point = pareto.reference_point(complete) if corner is None else corner
    num_before = sum(each is not None for each in losses[:before])
    now, then = (pareto.hypervolume(complete[:count], reference_point) for count in (len(complete), num_before))
    return now / then - 1 if then > 0 else float("inf" if now > 0 else 0.0)


def _patience_reached(patience: int, storage: StudyStorage) -> Limit | None:
    losses, corner = storage.losses_by_end(), storage.reference_losses()

    def goes_on(larger: int) -> bool:
        raised = gain(losses, larger, corner)
        return raised is None or raised >= _LEAST_GAIN

    if goes_on(patience):
        return None
    raised = gain(losses, patience, corner) or 0.0
    reason = f"the last {patience} raised the hypervolume by {100 * raised:.1f} %"
    more = range(patience + 1, len(losses) + 1)
    return Limit("patience", reason, f"budget.patience={more[bisect_left(more, 1, key=goes_on)]}")
