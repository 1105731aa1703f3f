"""Ray's controller, as far as a searcher and a trial scheduler know of it."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import TrialScheduler

from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.scheduling.trial_scheduler import StudyScheduler
from vsam_tune.study.storage.study_storage import StudyStorage

CONTINUE, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP


class Controller:
    """Searcher and trial scheduler over a storage, called as Ray's controller calls them.

    Args:
        plan: of the study.
        storage: of the study.
        scheduler: makes the trial scheduler, given the searcher.
    """

    def __init__(
        self, plan: Plan, storage: StudyStorage, scheduler: Callable[[OptunaSearcher], StudyScheduler]
    ) -> None:
        self.storage = storage
        self.searcher = OptunaSearcher(storage, plan, folder=Path("/study"), workers=99, stamps={}, clock=lambda: 0.0)
        self.scheduler = scheduler(self.searcher)
        self._ray_ids: dict[int, str] = {}
        self._count = count()

    def start(self) -> Any:
        """Return the number of the next trial; None where the searcher suggests none."""
        trial_id = f"{id(self)}-{next(self._count)}"
        config: Any = self.searcher.suggest(trial_id)
        if not isinstance(config, dict):
            return None
        self._ray_ids[config["number"]] = trial_id
        return config["number"]

    def hand_over(self, number: int, result: dict[str, Any]) -> str:
        """Return what becomes of a trial that has reported."""
        decision = STOP if result["done"] else self.decide(number, result)
        if decision == STOP:
            self.searcher.arrivals(self._ray_ids[number], dict(result))
            self.searcher.on_trial_complete(trial_id=self._ray_ids[number], result=result)
        return decision

    def decide(self, number: int, result: dict[str, Any]) -> str:
        """Return what the trial scheduler says to a report, and do nothing about it."""
        self.searcher.arrivals(self._ray_ids[number], dict(result))
        return self.scheduler.on_trial_result(None, self.ray_trial(number), result)

    def ray_trial(self, number: int, **fields: Any) -> Any:
        return SimpleNamespace(trial_id=self._ray_ids[number], config={"number": number}, **fields)
