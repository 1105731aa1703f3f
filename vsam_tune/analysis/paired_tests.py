"""Comparisons of methods by paired seeds: differences, t-intervals, signed-rank tests under Holm's correction."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

SIGNIFICANCE = 0.05
CONFIDENCE = 0.95
_DIGITS = 9  # accuracies are counts over images, in percent: differences that are equal must tie, to the last bit


def differences(ours: Mapping[int, float], theirs: Mapping[int, float]) -> NDArray[np.float64]:
    """Return ours less theirs, for each replicate that both have.

    Args:
        ours: a metric by replicate.
        theirs: the same metric of another method.

    Returns:
        (n,) float64 by replicate, rounded to 9 decimal places.
    """
    common = sorted(ours.keys() & theirs.keys())
    return np.array([round(ours[each] - theirs[each], _DIGITS) for each in common], dtype=np.float64)


def mean_interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the two-sided t-interval of the mean at `CONFIDENCE`.

    Args:
        values: (n,) float64, finite, independent of each other.

    Returns:
        (low, high); None where the values have no spread to judge the mean by: fewer than two, or all equal.
    """
    if len(values) < 2 or np.ptp(values) == 0:
        return None
    low, high = stats.t.interval(CONFIDENCE, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    return float(low), float(high)


def signed_rank_p(values: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test that the values lie evenly around 0.

    Zeros are left out, equal sizes share their ranks. Exact up to 50 values, with zeros or ties up to 13;
    above that from the normal approximation (`scipy.stats.wilcoxon`).

    Args:
        values: (n,) float64, finite.

    Returns:
        In (0, 1]; 1 where all are 0.
    """
    return float(stats.wilcoxon(values).pvalue) if np.any(values) else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979): max over the smaller ones of (m - rank) * p, at most 1.

    scipy has no such correction (`false_discovery_control` is of another error), and statsmodels is not needed
    for anything else here.

    Args:
        p_values: m of them, each in [0, 1].

    Returns:
        In the order of the arguments, none below its uncorrected value.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.arange(len(p_values), 0, -1) * np.asarray(p_values, dtype=np.float64)[order]
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected.tolist()


def can_reject(pairs: int, comparisons: int) -> bool:
    """Return whether the smallest signed-rank p-value of so many pairs survives the correction: 2^(1-n) m <= 0.05."""
    return 2.0 ** (1 - pairs) * comparisons <= SIGNIFICANCE


def pairs_needed(comparisons: int) -> int:
    """Return the fewest pairs for which `can_reject` holds."""
    return math.ceil(1 + math.log2(comparisons / SIGNIFICANCE))


def corrected_p_values(samples: Sequence[NDArray[np.float64]]) -> list[float | None]:
    """Return Holm-corrected signed-rank p-values of several comparisons, where they could reject at all.

    Args:
        samples: (n_i,) float64 differences of each comparison. A comparison that has too few to reject still counts
            among those that are corrected for.

    Returns:
        One each; None where there are too few differences.
    """
    tested = [can_reject(len(each), len(samples)) for each in samples]
    raw = [signed_rank_p(each) if can else 1.0 for each, can in zip(samples, tested, strict=True)]
    return [p if can else None for p, can in zip(holm(raw), tested, strict=True)]
