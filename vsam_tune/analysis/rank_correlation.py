"""Whether two measurements put things into the same order."""

import math
from collections.abc import Sequence


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Kendall's tau-b: 1 for the same order, -1 for the reverse.

    Args:
        first: n finite numbers.
        second: n finite numbers, in the same order of things.

    Returns:
        In [-1, 1]; None for fewer than two, or where all of one measurement are equal.
    """
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    from scipy.stats import kendalltau  # noqa: PLC0415 - half a second, which studies without rungs do not need

    tau = float(kendalltau(first, second).statistic)
    return None if math.isnan(tau) else tau
