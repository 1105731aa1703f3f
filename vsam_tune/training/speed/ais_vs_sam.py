"""AIS over SAM's AIS in the same minutes: medians by kind of iteration, paired by block, with the exact counts.

Each own lap is divided by each reference lap of its block, so that what slows both down cancels, and a lap that was cut
off by another process is an outlier on either side. A median over laps of several kinds would be biased (at a sampled
fraction of 0.1 it gives 2.0 for 1.82), so each kind has its own, and they are weighted by how often the kind came in
the whole run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsam_tune.training.speed.iteration_timer import Block, Clock, Kind

FEWEST_BLOCKS = 8
LARGEST_ERROR = 0.1  # of the ratio, above which blocks disagree
RUN_ERROR = 0.004  # of the ratio, from run to run on an idle machine beside what the blocks show: docs/measurement.md
_FEWEST_LAPS = 3  # of a kind, or pairs of them; with fewer it is taken at its ideal cost
_GROUPS = 20  # of blocks, for the jackknife

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class AISvsSAM:
    """What the blocks say; NaN where they are unreliable.

    Attributes:
        ratio: AIS over SAM's, by the clock that tells what an iteration costs.
        error: one standard error of it.
        wall: the ratio on the wall's clock.
        cpu: the ratio in processor time; NaN on a GPU.
        totals: the plain ratio of total times on the wall's clock, by kind as well, without medians.
        plain: time of an iteration with one gradient over SAM's, by timing SAM's passes apart.
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
        """Return what a trial reports of it, by name."""
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

    The error is a jackknife's over groups of blocks, with `RUN_ERROR` beside.

    Args:
        blocks: with laps of both.
        counts: of the trial's iterations by kind, or shares of them.
        clock: that tells what an iteration costs, as `IterationTimer.clock` has it.
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
        for own in block.own
        if own.kind in counts
        for sam in block.reference
    ]
    if len(blocks) < FEWEST_BLOCKS or not pairs:
        what = f"{len(blocks)} blocks of the reference" if pairs else "no iteration over a whole batch beside a block"
        return _unreliable(plain, ideal, f"{what}, too few to say")
    block, kind, wall, cpu = np.array(pairs, dtype=np.float64).T
    ratios: dict[Clock, Floats] = {"wall": wall, "cpu": cpu}

    def time(by: Clock, chosen: NDArray[np.bool_]) -> float:
        """Return the mean time of an own iteration over SAM's."""
        times = ideal_times.copy()
        for i in range(len(kinds)):
            of_kind = ratios[by][chosen & (kind == i)]
            if len(of_kind) >= _FEWEST_LAPS:
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
    """Return the share of a reference step that SGD takes as well, median; NaN without steps."""
    shares = [
        1 - getattr(lap.second, clock) / getattr(lap.seconds, clock) for block in blocks for lap in block.reference
    ]
    return float(np.median(shares)) if shares else math.nan


def _time_by_totals(blocks: Sequence[Block], kinds: Sequence[Kind], weights: Floats, ideal_times: Floats) -> float:
    """Return the mean time of an own iteration over SAM's from sums, whatever was an outlier."""
    of_sam = float(np.mean([lap.seconds.wall for block in blocks for lap in block.reference]))
    times = ideal_times.copy()
    for i, kind in enumerate(kinds):
        own = [lap.seconds.wall for block in blocks for lap in block.own if lap.kind == kind]
        if len(own) >= _FEWEST_LAPS:
            times[i] = np.mean(own) / of_sam
    return float(weights @ times)


def _jackknife(estimates: Sequence[float]) -> float:
    """Return the standard error of an estimate from those that leave out a group each."""
    return math.sqrt((len(estimates) - 1) * float(np.var(estimates)))
