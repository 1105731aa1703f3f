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

from vsam_tune.analysis.ranking import rank
from vsam_tune.analysis.results import Objective, standard_error
from vsam_tune.study.scheduling.fifo import Fifo
from vsam_tune.study.scheduling.racing import Racing
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.storage.study_storage import StudyStorage


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


def advances(
    rung: Mapping[int, float], number: int, reduction_factor: int, errors: Mapping[int, float] | None = None
) -> bool:
    """Return whether a trial passes a rung: its rank among the m rows there, itself included, is below ceil(m / eta).

    With one objective noise seldom decides: rows that it cannot tell apart are still ordered by their losses, so equal
    errors change nothing. Among unequal ones a row with a large error may pass before a better one with a small error,
    where the best excludes the latter alone.

    Args:
        rung: loss by trial number, of those that had reached the rung; smaller is better, not finite never passes.
        number: of the trial in question; ties go to the lower number.
        reduction_factor: eta; with fewer rows than that every finite one goes on.
        errors: standard error of each loss, >= 0, by trial number; None for none.
    """
    if not math.isfinite(rung[number]):
        return False
    if len(rung) < reduction_factor:
        return True
    numbers_there, losses = list(rung), [[loss] for loss in rung.values()]
    widths = [[errors[other]] for other in rung] if errors else None
    ranks = rank(losses, numbers_there, [True] * len(rung), widths)
    return int(ranks[numbers_there.index(number)]) < math.ceil(len(rung) / reduction_factor)


class Asha(Fifo):
    """Stops a trial at a rung unless it is among the best 1/eta of those that reached it so far.

    Args:
        storage: holds the rungs, also those of former drivers.
        searcher: knows the Optuna trial of Ray's, and is told why one is stopped.
        objective: compared at a rung.
        rungs: epochs, ascending.
        reduction_factor: eta.
        racing: as for `Fifo`.
    """

    def __init__(
        self,
        storage: StudyStorage,
        searcher: OptunaSearcher,
        *,
        objective: Objective,
        rungs: tuple[int, ...],
        reduction_factor: int,
        racing: Racing | None = None,
    ) -> None:
        super().__init__(searcher, racing)
        self._storage, self._objective = storage, objective
        self._rungs, self._reduction_factor = rungs, reduction_factor
        self._recorded = storage.rungs()

    @override
    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        # the rung that it stands on, also where it reports less often, or lost the report to a crash of the driver
        newest = self._searcher.arrivals.newest(trial.trial_id)
        epoch = max((rung for rung in self._rungs if rung <= newest.metrics.get("epoch", 0)), default=None)
        if epoch is None:
            return super().on_trial_result(tune_controller, trial, result)
        optuna_trial = self._searcher.trial(trial.trial_id)
        number, rung = optuna_trial.number, self._recorded.setdefault(epoch, {})
        known = self._objective.name in newest.metrics
        if number not in rung and "unreliable_reason" in newest.report and not known:
            return super().on_trial_result(tune_controller, trial, result)  # too early to say: it is not ranked here
        if number not in rung:
            rung[number] = self._storage.record_rung(optuna_trial, epoch, newest.metrics)
        # a trial that comes by again meets those it met the first time: the decision is the same
        met = {other: row for other, row in rung.items() if row["time"] <= rung[number]["time"]}
        losses = {other: self._loss(row) for other, row in met.items()}
        errors = {other: standard_error(row, self._objective.name) for other, row in met.items()}
        if advances(losses, number, self._reduction_factor, errors):
            return super().on_trial_result(tune_controller, trial, result)
        self._searcher.stop(trial.trial_id, f"trial scheduler at epoch {epoch}")
        return str(TrialScheduler.STOP)

    def _loss(self, values: Mapping[str, float]) -> float:
        return self._objective.sign * values.get(self._objective.name, math.nan)
