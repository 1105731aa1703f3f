"""A search without Ray: the searcher is called as Ray calls it, by keyword, one suggestion at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.toy_study import in_memory, toy_plan
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.storage.study_storage import StudyStorage

RAYS_OWN = {"training_iteration": 4, "time_total_s": 1.0, "pid": 7, "trial_id": "a", "done": True, "config/x": 0.5}
LAST = {"epoch": 4, "iteration": 40, "loss": 1.25, "cost": 2.5, **RAYS_OWN}
METRICS = {"epoch": 4, "iteration": 40, "loss": 1.25, "cost": 2.5}
STAMPS = {"device": "here", "study_hash": "abc"}


def searcher_of(
    plan: Plan, storage: StudyStorage, *, workers: int = 4, clock: Callable[[], float] = lambda: 0.0
) -> OptunaSearcher:
    return OptunaSearcher(storage, plan, folder=Path("/study"), workers=workers, stamps=STAMPS, clock=clock)


def end_with(searcher: OptunaSearcher, trial_id: str, last: dict[str, Any]) -> None:
    """Let a trial report this, and end, as Ray does it."""
    searcher.arrivals(trial_id, dict(last))
    searcher.on_trial_complete(trial_id=trial_id, result=last)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Toy:
    """A search without Ray."""

    folder: Path
    sections: dict[str, Any] = field(default_factory=dict)
    workers: int = 4

    def __post_init__(self) -> None:
        self.plan = toy_plan(self.folder, **self.sections)
        self.storage = in_memory(self.plan)
        self.clock = Clock()
        self.restart()

    def restart(self) -> None:
        """Forget everything but the storage, as a killed driver does."""
        self.searcher = searcher_of(self.plan, self.storage, workers=self.workers, clock=self.clock)

    def end(self, trial_id: str, **last: Any) -> None:
        self.end_with(trial_id, {**LAST, **last})

    def end_with(self, trial_id: str, last: dict[str, Any]) -> None:
        """Let a trial report this, and end."""
        end_with(self.searcher, trial_id, last)
