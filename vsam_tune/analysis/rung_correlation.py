"""How much the order of the trials at a rung says about their order at the end."""

import math
from collections.abc import Iterable, Sequence
from typing import TypedDict

from vsam_tune.analysis.rank_correlation import kendall_tau
from vsam_tune.analysis.results import StudyResult, TrialRecord

WEAK = 0.5  # `front` names a rung with a smaller tau
FEWEST = 5  # choice: not with fewer trials: no tau of four differs from 0 at 5 %


class RungCorrelation(TypedDict):
    """One rung.

    Attributes:
        epoch: of the rung.
        tau: Kendall's tau-b between the values at the rung and at the end, by objective name; None where it is not
            defined.
        trials: how many trials have both values, by objective name.
    """

    epoch: int
    tau: dict[str, float | None]
    trials: dict[str, int]


def rung_correlations(result: StudyResult) -> list[RungCorrelation]:
    """Return the rungs of a study by epoch; none where its trial scheduler compares no trials.

    Only trials that are complete and feasible have an end. Where a rung stops trials, they are those that ranked well
    at the rung, and their order says less than that of all trials would.

    Args:
        result: of a study.
    """
    complete = [trial for trial in result.trials if trial.may_join_front]
    names = [each.name for each in result.objectives]
    return [
        rung_correlation(complete, epoch, names)
        for epoch in sorted({epoch for trial in result.trials for epoch in trial.rungs})
    ]


def rung_correlation(complete: Sequence[TrialRecord], epoch: int, names: Iterable[str]) -> RungCorrelation:
    """Return one rung.

    Args:
        complete: complete trials, with their rungs.
        epoch: of the rung.
        names: of the objectives.
    """
    rung = RungCorrelation(epoch=epoch, tau={}, trials={})
    for name in names:
        pairs = [(trial.rungs.get(epoch, {}).get(name, math.nan), trial.values[name]) for trial in complete]
        pairs = [pair for pair in pairs if math.isfinite(pair[0])]
        rung["tau"][name] = kendall_tau([then for then, _ in pairs], [end for _, end in pairs])
        rung["trials"][name] = len(pairs)
    return rung
