"""The values that a trial which did not reach its end would probably have had there, for the sampler alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vsam_tune.analysis.results import Objective
from vsam_tune.study.scheduling.rungs import Row

_FEWEST = 4  # trials that a mean change is taken over


@dataclass(frozen=True, slots=True)
class Finished:
    """A complete trial.

    Attributes:
        rungs: its rows by epoch.
        values: its objectives, in order; finite.
    """

    rungs: Mapping[int, Row]
    values: Sequence[float]


def imputed_ends(
    stopped: Mapping[int, Mapping[int, Row]], finished: Sequence[Finished], objectives: Sequence[Objective]
) -> dict[int, list[float]]:
    """Return the imputed values of trials at their end.

    They are the values at the trial's last rung, plus the mean change from that rung to the end over the finished
    trials that have the rung. No value is better than the best finished one of its objective.

    Args:
        stopped: the rows by epoch of each trial, by number.
        finished: by number, so that a restart adds in the same order.
        objectives: in order.

    Returns:
        The objectives in order, finite, by number. A trial is missing if its last row lacks an objective, or if fewer
        than 4 finished trials have its last rung.
    """
    changes = {
        epoch: _mean_change(epoch, finished, objectives)
        for epoch in {max(rungs) for rungs in stopped.values() if rungs}
    }
    best = [min((each.sign * one.values[i] for one in finished), default=0.0) for i, each in enumerate(objectives)]
    ends = {}
    for number, rungs in stopped.items():
        epoch = max(rungs, default=None)
        change = changes.get(epoch) if epoch is not None else None
        if epoch is None or change is None or not _has_all(rungs[epoch], objectives):
            continue
        losses = [each.sign * rungs[epoch][each.name] + by for each, by in zip(objectives, change, strict=True)]
        if all(map(math.isfinite, losses)):
            ends[number] = [
                each.sign * max(loss, bound) for each, loss, bound in zip(objectives, losses, best, strict=True)
            ]
    return ends


def _mean_change(epoch: int, finished: Sequence[Finished], objectives: Sequence[Objective]) -> list[float] | None:
    """Return how much the loss of each objective changes from a rung to the end; None if too few trials show it."""
    shown = [one for one in finished if _has_all(one.rungs.get(epoch, {}), objectives)]
    if len(shown) < _FEWEST:
        return None
    return [
        sum(each.sign * (one.values[i] - one.rungs[epoch][each.name]) for one in shown) / len(shown)
        for i, each in enumerate(objectives)
    ]


def _has_all(row: Row, objectives: Sequence[Objective]) -> bool:
    return all(each.name in row for each in objectives)
