"""The decisions at a rung, as pure functions of the rows that are stored there, without Ray and without Optuna.

A rung is an epoch at which trials are compared. `StudyStorage.record_rung` stores a row for each trial that reaches it:
the trial's metrics, and the `time` of the record, in seconds since 1970.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from vsam_tune.analysis.ranking import rank
from vsam_tune.analysis.results import Objective, standard_error

Rung: TypeAlias = Mapping[int, Mapping[str, float]]  # rows by trial number


def rung_epochs(min_epochs: int, reduction_factor: int, max_epochs: int) -> tuple[int, ...]:
    """Return min_epochs * reduction_factor**k for k = 0, 1, ... below max_epochs, in whole numbers.

    It multiplies instead of counting by a logarithm, which loses the top rung at 243 / 3.
    """
    rungs = []
    epoch = min_epochs
    while epoch < max_epochs:
        rungs.append(epoch)
        epoch *= reduction_factor
    return tuple(rungs)


def newest_rung(rungs: Sequence[int], epoch: float) -> int | None:
    """Return the highest rung that a trial has reached after so many epochs; None below the first one.

    A trial may report less often than at each rung, or lose the report of a rung to a crash of the driver.
    """
    return max((rung for rung in rungs if rung <= epoch), default=None)


def rows_met(rung: Rung, number: int) -> Rung:
    """Return the rows that were there when a trial was recorded, its own included.

    A trial that passes a rung once more, after a restart, is therefore compared with the same rows.
    """
    return {other: row for other, row in rung.items() if row["time"] <= rung[number]["time"]}


def advances(
    losses: Mapping[int, float], number: int, reduction_factor: int, errors: Mapping[int, float] | None = None
) -> bool:
    """Return whether a trial passes a rung: its rank among the m rows there, itself included, is below ceil(m / eta).

    With one objective, noise seldom decides: rows that it cannot separate are still ordered by their losses, so equal
    errors change nothing. Among unequal ones, a row with a large error may pass before a better row with a small error
    if the best row excludes only the latter.

    Args:
        losses: by trial number, of the trials that had reached the rung; smaller is better, and a loss that is not
            finite never passes.
        number: of the trial in question; the lower number wins a tie.
        reduction_factor: eta; with fewer rows than that, every finite one passes.
        errors: standard error of each loss, >= 0, by trial number; None for none.
    """
    if not math.isfinite(losses[number]):
        return False
    if len(losses) < reduction_factor:
        return True
    numbers, table = list(losses), [[loss] for loss in losses.values()]
    widths = [[errors[other]] for other in losses] if errors else None
    ranks = rank(table, numbers, [True] * len(losses), widths)
    return int(ranks[numbers.index(number)]) < math.ceil(len(losses) / reduction_factor)


def advances_on(objective: Objective, rung: Rung, number: int, reduction_factor: int) -> bool:
    """Return whether a trial passes a rung on one objective, as `advances` decides it.

    Args:
        objective: to compare; a row without it never passes.
        rung: the rows that count, the trial's own included.
        number: of the trial.
        reduction_factor: eta.
    """
    losses = {other: objective.sign * row.get(objective.name, math.nan) for other, row in rung.items()}
    errors = {other: standard_error(row, objective.name) for other, row in rung.items()}
    return advances(losses, number, reduction_factor, errors)
