"""Standard errors of a trial's metrics: of an accuracy, and of means over replicates.

For a metric X, `X_error` is one standard error of this run's value, and `X_seed_error` the standard deviation over
other seeds, where a single run shows it; both in the units of X.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

TOTALS = ("epoch", "iteration")  # continue to count from replicate to replicate: the last value covers all
_ERRORS = ("_error", "_seed_error")


def accuracy_error(accuracy: float, num_images: int) -> float:
    """Return one binomial standard error of an accuracy, in percentage points.

    choice: with k of n right, p is taken as (k + 1) / (n + 2), so that the error is positive for k = 0 and k = n.

    Args:
        accuracy: in percent, in [0, 100].
        num_images: n, the images that were classified, >= 1.
    """
    p = (accuracy / 100 * num_images + 1) / (num_images + 2)
    return 100 * math.sqrt(p * (1 - p) / num_images)


def over_replicates(replicates: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the metrics of a trial from those of its replicates.

    choice: the error of a mean is the larger of two estimates, from the spread of the replicates and from the errors of
    each: two or three values may be close to each other by chance.

    Args:
        replicates: metrics of each by name, in order, at least one; `TOTALS` count from the first one's start.

    Returns:
        The metrics of a single replicate as they are. Of several, for each metric the mean over the n replicates in
        which it is finite, NaN if there is none; the last `TOTALS`. With n >= 2 also `X_std`, the sample standard
        deviation, and `X_error`, the larger of X_std / sqrt(n) and the root mean square of X_error and X_seed_error /
        sqrt(n), 0 in a replicate without them; there is no `X_seed_error`, since the spread contains it. With n = 1 the
        errors are that replicate's.
    """
    if len(replicates) == 1:
        return dict(replicates[0])
    names = dict.fromkeys(name for each in replicates for name in each)
    means: dict[str, float] = {name: replicates[-1][name] for name in TOTALS if name in names}
    for name in names:
        if name in TOTALS or name.endswith(_ERRORS):
            continue
        finite = [each for each in replicates if math.isfinite(each.get(name, math.nan))]
        means[name] = fmean(each[name] for each in finite) if finite else math.nan
        if len(finite) == 1:
            means |= {name + error: finite[0][name + error] for error in _ERRORS if name + error in finite[0]}
        elif finite:
            means[f"{name}_std"] = stdev(each[name] for each in finite)
            own = math.sqrt(fmean(sum(each.get(name + error, 0.0) ** 2 for error in _ERRORS) for each in finite))
            means[f"{name}_error"] = max(means[f"{name}_std"], own) / math.sqrt(len(finite))
    return means
