"""AIS over SAM's AIS in the same minutes: medians by kind of iteration, paired by block, with the exact counts.

Each of the trial's iterations is divided by each of SAM's steps in its block. So whatever slows both of them down
cancels, and an iteration that another process interrupted is an outlier on either side. A median over iterations of
several kinds would be biased (at a sampled fraction of 0.1 it gives 2.0 for 1.82), so each kind has its own median, and
these are weighted by how often the kind occurred in the whole run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsam_tune.training.speed.iteration_timer import Block, Clock, Kind

FEWEST_BLOCKS = 8
LARGEST_ERROR = 0.1  # of the ratio, above which blocks disagree
RUN_ERROR = 0.004  # of the ratio, from run to run on an idle machine, besides the error in the blocks: measurement.md
_FEWEST = 3  # iterations of a kind, or pairs of them; a kind with fewer is taken at its ideal cost
_GROUPS = 20  # of blocks, for the jackknife

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class AISvsSAM:
    """The trial's speed over SAM's; NaN where it is unreliable.

    Attributes:
        ratio: AIS over SAM's, by the clock that says how much an iteration costs.
        error: one standard error of the ratio.
        wall: the ratio by the wall clock.
        cpu: the ratio in processor time; NaN on a GPU.
        totals: the ratio of total times by the wall clock, by kind too, without medians.
        plain: time of an iteration with one gradient over SAM's, from timing SAM's passes separately.
        ideal: the ratio if each gradient evaluation cost the same: 1 / ((1 - f) * plain + f).
        unreliable_reason: why there is no ratio; empty where there is one.
    """

    ratio: float
    error: float
    wall: float
    cpu: float
    totals: float
    plain: float
    ideal: float
    unreliable_reason: str

    def metrics(self) -> dict[str, float]:
        """Return the metrics that a trial reports, by name."""
        return {
            "ais_vs_sam": self.ratio,
            "ais_vs_sam_error": self.error,
            "ais_vs_sam_totals": self.totals,
            "ais_vs_sam_wall": self.wall,
            "ais_vs_sam_cpu": self.cpu,
            "ideal_ais_vs_sam": self.ideal,
            "efficiency": self.ratio / self.ideal,
        }


def ais_vs_sam(blocks: Sequence[Block], counts: Mapping[Kind, float], clock: Clock) -> AISvsSAM:
    """Return the ratio of a trial's AIS to SAM's, with its standard error.

    The error is that of a jackknife over groups of blocks, and `RUN_ERROR`.

    Args:
        blocks: of SAM's steps and the trial's iterations.
        counts: of the trial's iterations by kind, or shares of them.
        clock: which seconds say how much an iteration costs, as `IterationTimer.clock`.
    """
    plain = _plain(blocks, clock)
    kinds = list(counts)
    iterations = np.array([counts[kind] for kind in kinds], dtype=np.float64)
    evaluations = np.array([kind.evaluations for kind in kinds])
    ideal_times = plain + (evaluations - 1) * (1 - plain)
    weights = iterations / iterations.sum()
    ideal = float(1 / (weights @ ideal_times))
    pairs = [
        (i, kinds.index(own.kind), own.seconds.wall / sam.seconds.wall, own.seconds.cpu / (sam.seconds.cpu or math.nan))
        for i, block in enumerate(blocks)
        for own in block.trial
        if own.kind in counts
        for sam in block.sam
    ]
    if len(blocks) < FEWEST_BLOCKS:
        return _unreliable(plain, ideal, f"only {len(blocks)} blocks of SAM's steps, of at least {FEWEST_BLOCKS}")
    if not pairs:
        return _unreliable(plain, ideal, "no block of SAM's steps is next to an iteration over a whole batch")
    block, kind, wall, cpu = np.array(pairs, dtype=np.float64).T
    ratios: dict[Clock, Floats] = {"wall": wall, "cpu": cpu}

    def time(by: Clock, chosen: NDArray[np.bool_]) -> float:
        """Return the mean time of the trial's iterations over SAM's."""
        times = ideal_times.copy()
        for i in range(len(kinds)):
            of_kind = ratios[by][chosen & (kind == i)]
            if len(of_kind) >= _FEWEST:
                times[i] = np.median(of_kind)
        return float(weights @ times)

    everything, group = np.ones(len(pairs), dtype=bool), block % min(_GROUPS, len(blocks))
    by_clock = {each: 1 / time(each, everything) for each in ratios}
    ratio = by_clock[clock]
    error = math.hypot(_jackknife([1 / time(clock, group != g) for g in np.unique(group)]), RUN_ERROR * ratio)
    if not error <= LARGEST_ERROR * ratio:
        return _unreliable(plain, ideal, f"the blocks disagree: {ratio:.2f} with a standard error of {error:.2f}")
    return AISvsSAM(
        ratio=ratio,
        error=error,
        wall=by_clock["wall"],
        cpu=by_clock["cpu"],
        totals=1 / _time_by_totals(blocks, kinds, weights, ideal_times),
        plain=plain,
        ideal=ideal,
        unreliable_reason="",
    )


def _unreliable(plain: float, ideal: float, why: str) -> AISvsSAM:
    nan = math.nan
    return AISvsSAM(
        ratio=nan, error=nan, wall=nan, cpu=nan, totals=nan, plain=plain, ideal=ideal, unreliable_reason=why
    )


def _plain(blocks: Sequence[Block], clock: Clock) -> float:
    """Return the median share of SAM's step that SGD takes as well; NaN without steps."""
    times = [(getattr(step.second, clock), getattr(step.seconds, clock)) for block in blocks for step in block.sam]
    return float(np.median([1 - second / whole for second, whole in times])) if times else math.nan


def _time_by_totals(blocks: Sequence[Block], kinds: Sequence[Kind], weights: Floats, ideal_times: Floats) -> float:
    """Return the mean time of the trial's iterations over SAM's from sums, outliers included."""
    of_sam = float(np.mean([step.seconds.wall for block in blocks for step in block.sam]))
    times = ideal_times.copy()
    for i, kind in enumerate(kinds):
        own = [each.seconds.wall for block in blocks for each in block.trial if each.kind == kind]
        if len(own) >= _FEWEST:
            times[i] = np.mean(own) / of_sam
    return float(weights @ times)


def _jackknife(estimates: Sequence[float]) -> float:
    """Return the standard error of an estimate from those that leave out a group each."""
    return math.sqrt((len(estimates) - 1) * float(np.var(estimates)))
