"""ASHA, asynchronous successive halving (Li et al. 2020), stopping variant, on one objective.

Ray's `ASHAScheduler` is not used: it loses its rungs with the driver, compares with earlier trials only, and rounding
may lose its top rung.
"""

from collections.abc import Sequence

from typing_extensions import override

from vsam_tune.analysis.results import Objective
from vsam_tune.study.scheduling.arrivals import Arrival
from vsam_tune.study.scheduling.racing import Racing
from vsam_tune.study.scheduling.rungs import Rung, advances_on
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.scheduling.trial_scheduler import StudyScheduler
from vsam_tune.study.storage.study_storage import StudyStorage


class Asha(StudyScheduler):
    """Stops a trial at a rung unless it is among the best 1/eta of those that have reached it so far.

    Args:
        storage: as for `StudyScheduler`.
        searcher: as for `StudyScheduler`.
        objective: to compare at a rung.
        reduction_factor: eta.
        rungs: epochs, ascending.
        racing: as for `StudyScheduler`.
    """

    def __init__(
        self,
        storage: StudyStorage,
        searcher: OptunaSearcher,
        *,
        objective: Objective,
        reduction_factor: int,
        rungs: Sequence[int],
        racing: Racing | None = None,
    ) -> None:
        super().__init__(storage, searcher, rungs=rungs, racing=racing)
        self._objective, self._reduction_factor = objective, reduction_factor

    @override
    def is_comparable(self, arrival: Arrival) -> bool:
        """Return whether the objective is there, or is missing for no good reason."""
        return self._objective.name in arrival.metrics or "unreliable_reason" not in arrival.report

    @override
    def lacking(self, arrival: Arrival) -> str:
        return "" if self._objective.name in arrival.metrics else self._objective.name

    @override
    def advances(self, rung: Rung, number: int) -> bool:
        return advances_on(self._objective, rung, number, self._reduction_factor)
