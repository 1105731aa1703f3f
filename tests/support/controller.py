"""Ray's controller, as far as a searcher and a trial scheduler know of it."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import TrialScheduler

from vsam_tune.study.scheduling.fifo import Fifo
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.storage.study_storage import StudyStorage

CONTINUE, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP


class Controller:
    """Searcher and trial scheduler over a storage, called as Ray's controller calls them.

    Args:
        plan: of the study.
        storage: of the study.
        scheduler: makes the trial scheduler, given the searcher.
    """

    def __init__(self, plan: Plan, storage: StudyStorage, scheduler: Callable[[OptunaSearcher], Fifo]) -> None:
        self.storage = storage
        self.searcher = OptunaSearcher(storage, plan, folder=Path("/study"), workers=99, stamps={}, clock=lambda: 0.0)
        self.scheduler = scheduler(self.searcher)
        self._ray_ids: dict[int, str] = {}

    def start(self) -> int:
        """Return the number of the next trial."""
        trial_id = f"{id(self)}-{len(self._ray_ids)}"
        config: Any = self.searcher.suggest(trial_id)
        self._ray_ids[config["number"]] = trial_id
        return int(config["number"])

    def hand_over(self, number: int, result: dict[str, Any]) -> str:
        """Return what becomes of a trial that has reported."""
        trial: Any = SimpleNamespace(trial_id=self._ray_ids[number])
        self.searcher.arrivals(trial.trial_id, result)
        decision = STOP if result["done"] else self.scheduler.on_trial_result(None, trial, result)
        if decision == STOP:
            self.searcher.on_trial_complete(trial_id=trial.trial_id, result=result)
        return decision
