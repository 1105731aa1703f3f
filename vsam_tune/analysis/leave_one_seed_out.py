"""The knee of confirmed means, and its fair estimate, from seeds that took no part in the choice."""

from collections.abc import Mapping, Sequence
from statistics import mean

import numpy as np

from vsam_tune.analysis import pareto
from vsam_tune.analysis.estimates import Estimate
from vsam_tune.analysis.results import Objective


def knee(means: Sequence[Mapping[str, float]], objectives: Sequence[Objective]) -> int:
    """Return the index of the point at the knee of the front of these points.

    Args:
        means: a point each, by objective, in the order of the trials' numbers; one at least.
        objectives: in order.
    """
    losses = np.array([[each.sign * point[each.name] for each in objectives] for point in means])
    front = np.flatnonzero(pareto.front(losses))
    return int(front[pareto.knee(losses[front])])


def fair_estimate(points: Sequence[Mapping[str, Estimate]], objectives: Sequence[Objective]) -> dict[str, float] | None:
    """Return the value of each seed for the point that the other seeds pick, mean over the seeds that all points have.

    Args:
        points: as for `knee`.
        objectives: in order.

    Returns:
        By objective, of those that come from seeds; None below two seeds, or where none of them does.
    """
    seeded = [each.name for each in objectives if any(point[each.name].by_seed for point in points)]
    held = [set(point[name].by_seed) for point in points for name in seeded]
    seeds = sorted(set.intersection(*held)) if held else []
    if len(seeds) < 2:
        return None
    picks = {seed: points[knee([_without(seed, seeds, point) for point in points], objectives)] for seed in seeds}
    return {name: mean(pick[name].by_seed[seed] for seed, pick in picks.items()) for name in seeded}


def _without(seed: int, seeds: Sequence[int], point: Mapping[str, Estimate]) -> dict[str, float]:
    """Return a point's means over the seeds but one; a timing has no seeds and stays."""
    kept = [each for each in seeds if each != seed]
    return {
        name: mean(each.by_seed[other] for other in kept) if each.by_seed else each.mean for name, each in point.items()
    }
