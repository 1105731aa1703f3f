"""Estimates from the replicates and timings of a row: a mean, its interval, and the difference of two rows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean

import numpy as np
from scipy import stats

from vsam_tune.analysis import paired_tests
from vsam_tune.analysis.results import TrialRecord, standard_error
from vsam_tune.analysis.row_trials import Replicate

Interval = tuple[float, float]
QUANTILE = float(stats.norm.ppf((1 + paired_tests.CONFIDENCE) / 2))  # 1.96 standard errors


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A quantity of one row.

    Attributes:
        mean: over its seeds; or the timed value.
        interval: at `paired_tests.CONFIDENCE`; None if the spread is unknown.
        error: one standard error as the trials themselves state it; 0 where they state none.
        by_seed: values by replicate; empty for a timing.
    """

    mean: float
    interval: Interval | None
    error: float
    by_seed: Mapping[int, float] = field(default_factory=dict)


def complete_replicates(trials: Iterable[TrialRecord], label: str) -> dict[int, TrialRecord]:
    """Return a row's complete trials by replicate; of several for one replicate the one with the highest number."""
    complete = [(Replicate.from_params(trial.params), trial) for trial in trials if trial.state == "complete"]
    newest = {each.replicate: trial for each, trial in complete if each is not None and each.label == label}
    return dict(sorted(newest.items()))


def over_seeds(records: Mapping[int, TrialRecord], name: str) -> Estimate | None:
    """Return a metric's mean over seeds with its t-interval; None where no replicate has a finite value.

    Args:
        records: complete trials by replicate.
        name: of the metric.
    """
    values = {seed: float(each.metrics.get(name, math.nan)) for seed, each in records.items()}
    values = {seed: value for seed, value in values.items() if math.isfinite(value)}
    if not values:
        return None
    errors = [standard_error(records[seed].metrics, name) for seed in values]
    return Estimate(
        mean=mean(values.values()),
        interval=paired_tests.mean_interval(np.array(list(values.values()))),
        error=math.hypot(*errors) / len(errors),
        by_seed=values,
    )


def timed(metrics: Mapping[str, float], name: str, fractions: Sequence[float]) -> Estimate | None:
    """Return a speed that was measured at the mean sampled fraction of a row; None where it is not finite.

    Its interval is the value's own, of `NAME_error`, and that of the mean fraction together. The speed falls with the
    fraction f as the linear ideal does: 1 / ((1 - f) r + f), where r is the time of a plain iteration in those of SAM.

    Args:
        metrics: of the timing.
        name: `ais` or `ais_vs_sam`.
        fractions: of the row's seeds, each in [0, 1].
    """
    value, ideal = (float(metrics.get(each, math.nan)) for each in (name, "ideal_ais_vs_sam"))
    if not math.isfinite(value):
        return None
    half = QUANTILE * metrics.get(f"{name}_error", 0.0)
    spread = paired_tests.mean_interval(np.array(fractions, dtype=np.float64))
    # the fraction at which it was timed: later seeds may have changed their mean
    fraction = metrics.get("sampled_fraction", mean(fractions) if fractions else math.nan)
    if spread is not None and math.isfinite(ideal) and fraction < 1:
        plain = (1 / ideal - fraction) / (1 - fraction)
        half = math.hypot(half, value * ideal * (1 - plain) * (spread[1] - spread[0]) / 2)
    return Estimate(mean=value, interval=(value - half, value + half), error=half / QUANTILE)


def difference(ours: Estimate, theirs: Estimate) -> Interval:
    """Return the interval of ours less theirs.

    It comes from the seeds that both have, pair by pair. For a single pair, for equal differences and for timings it
    comes from the standard errors that the trials state: counts without any are exact.
    """
    pairs = paired_tests.differences(ours.by_seed, theirs.by_seed)
    interval = paired_tests.mean_interval(pairs)
    if interval is not None:
        return interval
    center = float(pairs.mean()) if len(pairs) else ours.mean - theirs.mean
    half = QUANTILE * math.hypot(ours.error, theirs.error)
    return center - half, center + half


def overlap(one: Interval, other: Interval) -> bool:
    """Return whether two intervals have a point in common."""
    return one[0] <= other[1] and other[0] <= one[1]
