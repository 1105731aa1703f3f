"""Whether a plan has trials left to run."""

from vsam_tune.study.file.grid import grid_point
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.storage.study_storage import StudyStorage


def budget_spent(plan: Plan, storage: StudyStorage) -> bool:
    """Return whether nothing is left to do: the budget is spent, and no trial was left behind."""
    if storage.unfinished(plan.fixed_trials):
        return False
    if plan.fixed_trials is not None:
        return not storage.num_waiting(plan.fixed_trials)
    budget = plan.budget
    return (
        grid_exhausted(plan, storage)
        or (budget.trials is not None and storage.num_trials("complete", "pruned") >= budget.trials)
        or (budget.epochs is not None and sum(record.epochs for record in storage.records()) >= budget.epochs)
        or (budget.seconds is not None and storage.seconds() >= budget.seconds)
    )


def grid_exhausted(plan: Plan, storage: StudyStorage) -> bool:
    """Return whether a trial has started at every point of the grid that a plan tries; one that failed counts."""
    num_points = plan.num_points
    if num_points is None:
        return False
    started = [record.params for record in storage.records() if record.state != "waiting"]
    return len({grid_point(plan.space, params) for params in started}) >= num_points
