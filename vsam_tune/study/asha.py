"""ASHA, asynchronous successive halving (Li et al. 2020), stopping variant, on one objective.

Ray's `ASHAScheduler` is not used: it loses its rungs with the driver, compares with earlier trials only, and its number
of rungs suffers from rounding. Here rungs are in the study's storage before anything is decided on them.
"""

import math
from collections.abc import Mapping
from typing import Any

from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import TrialScheduler
from typing_extensions import override

from vsam_tune.results import Objective
from vsam_tune.study.fifo import Fifo
from vsam_tune.study.searcher import OptunaSearcher, numbers
from vsam_tune.study.storage import StudyStorage


def rung_epochs(min_epochs: int, reduction_factor: int, max_epochs: int) -> tuple[int, ...]:
    """Return min_epochs * reduction_factor**k for k = 0, 1, ... below max_epochs, in whole numbers.

    Multiplied up rather than counted by a logarithm, which loses the top rung at 243 / 3.
    """
    rungs = []
    epoch = min_epochs
    while epoch < max_epochs:
        rungs.append(epoch)
        epoch *= reduction_factor
    return tuple(rungs)


def goes_on(rung: Mapping[int, float], number: int, reduction_factor: int) -> bool:
    """Return whether a trial passes a rung: its rank among the m rows there, itself included, is below ceil(m / eta).

    Args:
        rung: loss by trial number, of those that had reached the rung; smaller is better, not finite never passes.
        number: of the trial in question; ties go to the lower number.
        reduction_factor: eta; with fewer rows than that every finite one goes on.
    """
    if not math.isfinite(rung[number]):
        return False
    if len(rung) < reduction_factor:
        return True
    rank = sum(math.isfinite(loss) and (loss, other) < (rung[number], number) for other, loss in rung.items())
    return rank < math.ceil(len(rung) / reduction_factor)


class Asha(Fifo):
    """Stops a trial at a rung unless it is among the best 1/eta of those that reached it so far.

    Args:
        storage: holds the rungs, also those of former drivers.
        searcher: knows the Optuna trial of Ray's, and is told why one is stopped.
        objective: compared at a rung.
        rungs: epochs, ascending.
        reduction_factor: eta.
    """

    def __init__(
        self,
        storage: StudyStorage,
        searcher: OptunaSearcher,
        *,
        objective: Objective,
        rungs: tuple[int, ...],
        reduction_factor: int,
    ) -> None:
        super().__init__(searcher)
        self._storage, self._objective = storage, objective
        self._rungs, self._reduction_factor = rungs, reduction_factor
        self._recorded = storage.rungs()

    @override
    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        # the rung that it stands on, also where it reports less often, or lost the report to a crash of the driver
        epoch = max((rung for rung in self._rungs if rung <= result.get("epoch", 0)), default=None)
        if epoch is None:
            return str(TrialScheduler.CONTINUE)
        optuna_trial = self._searcher.trial(trial.trial_id)
        number, rung = optuna_trial.number, self._recorded.setdefault(epoch, {})
        if number not in rung:
            rung[number] = self._storage.record_rung(optuna_trial, epoch, numbers(result))
        # a trial that comes by again meets those it met the first time: the decision is the same
        met = {other: self._loss(row) for other, row in rung.items() if row["time"] <= rung[number]["time"]}
        if goes_on(met, number, self._reduction_factor):
            return str(TrialScheduler.CONTINUE)
        self._searcher.stop(trial.trial_id, f"trial scheduler at epoch {epoch}")
        return str(TrialScheduler.STOP)

    def _loss(self, values: Mapping[str, float]) -> float:
        return self._objective.sign * values.get(self._objective.name, math.nan)
