"""Ratios of times from interleaved rounds: medians of ratios paired by round, with bootstrap intervals.

A method with two kinds of iterations, sampled and plain ones, has a median for each kind, weighted by its frequency. So
the interval covers the noise of the timer, but not that of the draws of iterations.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from typing_extensions import override

from benchmarks.ideal import Ideal, Parts

SGD, SAM, EVALUATION, FORWARD = (
    "sgd",
    "sam",
    "evaluation",
    "forward",
)  # keys of the contenders that the others are compared with
CONFIDENCE, RESAMPLES = 0.95, 2000

Floats = NDArray[np.float64]
Strata = Sequence[NDArray[np.int64]]  # (..., n_k) numbers of rounds, an array per kind of iteration


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ratio.

    Attributes:
        value: the estimate.
        low: lower end of its 95 % interval; NaN if a kind of iteration occurred only once.
        high: upper end.
    """

    value: float
    low: float
    high: float

    @override
    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def inverse(self) -> "Estimate":
        """Return the inverse of the ratio."""
        return Estimate(1 / self.value, 1 / self.high, 1 / self.low)


class Ratios:
    """Ratios of times from the same rounds.

    Args:
        seconds: time of one iteration by contender, SGD included: (n,) float64, one per round, in order.
        sampled: whether that iteration took a second gradient: (n,) bool, one per round, in order.
    """

    def __init__(self, seconds: Mapping[str, Floats], sampled: Mapping[str, NDArray[np.bool_]]) -> None:
        self._sampled = sampled
        self._over_sgd = {name: values / seconds[SGD] for name, values in seconds.items()}

    def fraction(self, name: str) -> float:
        """Return the sampled fraction of a contender."""
        return float(self._sampled[name].mean())

    def time(self, name: str) -> Estimate:
        """Return the mean time of an iteration over that of SGD."""
        return self._estimate(name, lambda strata: self._time(name, strata))

    def of_kind(self, name: str, *, sampled: bool) -> float:
        """Return the time of an iteration of one kind over that of SGD; NaN if there is none."""
        chosen = self._over_sgd[name][self._sampled[name] == sampled]
        return float(np.median(chosen)) if chosen.size else math.nan

    def ideal(self, name: str, ideal: Ideal) -> float:
        """Return the ideal time of an iteration over that of SGD, from the times of its parts."""
        return float(ideal(self._parts(name, self._strata(name))))

    def over_ideal(self, name: str, ideal: Ideal) -> Estimate:
        """Return the mean time of an iteration over its ideal."""
        return self._estimate(name, lambda strata: self._time(name, strata) / ideal(self._parts(name, strata)))

    def over(self, name: str, other: str) -> Estimate:
        """Return the mean time of an iteration over that of a contender that samples in the same rounds or never."""
        return self._estimate(name, lambda strata: self._time(name, strata) / self._time(other, strata))

    def _time(self, name: str, strata: Strata) -> Floats:
        num_rounds = sum(rounds.shape[-1] for rounds in strata)
        weighted = [rounds.shape[-1] / num_rounds * self._median(name, rounds) for rounds in strata]
        return np.asarray(np.sum(weighted, axis=0))

    def _parts(self, name: str, strata: Strata) -> Parts:
        rounds = np.concatenate(strata, axis=-1)
        sam, evaluation, forward = (self._median(part, rounds) for part in (SAM, EVALUATION, FORWARD))
        return Parts(fraction=self.fraction(name), sam=sam, evaluation=evaluation, forward=forward)

    def _median(self, name: str, rounds: NDArray[np.int64]) -> Floats:
        return np.asarray(np.median(self._over_sgd[name][rounds], axis=-1))

    def _strata(self, name: str) -> Strata:
        kinds = (self._sampled[name], ~self._sampled[name])
        return [rounds for rounds in map(np.flatnonzero, kinds) if rounds.size]

    def _estimate(self, name: str, statistic: Callable[[Strata], Floats]) -> Estimate:
        """Return a statistic of the rounds; its interval resamples the rounds of each kind, all contenders at once."""
        strata = self._strata(name)
        value = float(statistic(strata))
        if min(map(len, strata)) == 1:
            return Estimate(value, math.nan, math.nan)
        found = stats.bootstrap(
            strata,
            lambda *resampled, axis: statistic(resampled),  # noqa: ARG005 - scipy names the axis, always the last
            method="percentile",
            confidence_level=CONFIDENCE,
            n_resamples=RESAMPLES,
            vectorized=True,
            rng=np.random.default_rng(0),
        ).confidence_interval
        return Estimate(value, float(found.low), float(found.high))
