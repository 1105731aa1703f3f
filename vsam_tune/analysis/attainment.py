"""Attainment surfaces: what the fronts of repeated studies reach in the best, the median and the worst case."""

import math
from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

from vsam_tune.analysis import pareto

LEVELS = {"best": 0.0, "median": 50.0, "worst": 100.0}  # percent of the repeats that reach a surface, at least one
_MOST_OBJECTIVES = 3  # that moocore's algorithms know


def attainment_surfaces(repeats: Sequence[NDArray[np.float64]]) -> dict[str, NDArray[np.float64]] | None:
    """Return the points of the attainment surfaces (Fonseca et al. 2011, `moocore.eaf`).

    A repeat attains a point if one of its rows is at least as good in every objective. A surface holds the points that
    no other point dominates among those that so many repeats attain: at least one of them, half of them, and all.

    Args:
        repeats: of each repeat the losses of its trials, (n_i, k) float64, n_i >= 1; smaller is better.

    Returns:
        By name of the level, (m, k) float64, the best in objective 1 first; None for more than three objectives.
    """
    num_objectives = repeats[0].shape[1]
    if num_objectives > _MOST_OBJECTIVES:
        return None
    if num_objectives == 1:  # not in moocore: each repeat attains what is no better than its best
        best = np.sort([losses.min() for losses in repeats])
        needed = {name: max(1, math.ceil(len(best) * level / 100)) for name, level in LEVELS.items()}
        return {name: best[[count - 1]].reshape(1, 1) for name, count in needed.items()}
    fronts = [losses[pareto.front(losses)] for losses in repeats]
    sets = np.repeat(np.arange(len(fronts)), [len(front) for front in fronts])
    points = moocore.eaf(np.concatenate(fronts), sets, percentiles=list(LEVELS.values()))
    points = points[np.lexsort(points.T[::-1])]
    return {name: points[points[:, -1] == level, :-1] for name, level in LEVELS.items()}
