"""Whether a plan has trials left to run."""

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
        (budget.trials is not None and storage.num_trials("complete", "pruned") >= budget.trials)
        or (budget.epochs is not None and sum(record.epochs for record in storage.records()) >= budget.epochs)
        or (budget.seconds is not None and storage.seconds() >= budget.seconds)
    )
