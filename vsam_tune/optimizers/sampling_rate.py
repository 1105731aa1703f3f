"""The controller of vSAM's sampling rate: arXiv 2403.08821, eq. 8 to 15. On the host: no torch, no draws.

It computes p, the probability that an iteration is sampled, from h = ||PSF|| and q = ||g|| of each sampled iteration.
The paper leaves some points open:

- choice: slices (eq. 8) are nearly equal runs of the sorted window, the longer ones first; variances are
  those of the population (divided by n); sigma is defined once the window is full.
- choice: eq. 14 is the autoregressive N <- clip(N * (1 + beta * (v + u)), 1, p_max * K), N = p0 * K at first.
  If p_max * K is below 1, the upper bound wins.
- choice: v and u (eq. 10, 13) are means over the change rates available, at most the last m of each.
- choice: adaptation after iteration t if t + 1 is a multiple of K, t + 1 >= t0, there are two values of sigma
  (m + 1 samples), and the interval had a sample: without one, old factors would compound, so N does not change.
- choice: a change rate is 0, and counted in `guarded`, if its previous value is zero or tiny relative to a scale, or if
  one of the two values is not finite. For u the scale is the largest of the last m ratios, and tiny means 1e-6 times
  the scale. For v it is the mean square of the window, and tiny means (1e-6)**2 times the scale, since sigma is
  quadratic in h: below that, sigma is the rounding of equal values in float32.
- choice: `change="log"` takes log ratios. The mean of relative changes of a stationary noisy sequence is
  positive (Jensen), so with "relative", the paper's form, the rate grows without any signal; with "log" it does not.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vsam_tune.optimizers.arguments import check, check_choice, check_integer, check_number

CHANGES = ("relative", "log")
RELATIVE_GUARD = 1e-6
_CHANGING = (
    "expected",
    "norms",
    "ratios",
    "sigma",
    "sigma_changes",
    "ratio_changes",
    "v",
    "u",
    "guarded",
    "adaptation_start",
)


def slice_variance(window: Sequence[float], num_slices: int) -> float:
    """Return sigma: the mean over slices of the variance within each (eq. 8).

    Args:
        window: (m,) values of h in any order, m >= 2 * num_slices.
        num_slices: s, the number of nearly equal runs that the sorted window is cut into, >= 1.

    Returns:
        sigma >= 0, in units of h squared; not finite if a value is not, or if a square overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        slices = np.array_split(np.sort(np.asarray(window, dtype=np.float64)), num_slices)
        return float(np.mean([np.var(run) for run in slices]))


def mean_square(window: Sequence[float]) -> float:
    """Return the mean of the squares of h, the scale of sigma; not finite if a value is not or overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.mean(np.square(np.asarray(window, dtype=np.float64))))


def change_rate(previous: float, current: float, *, smallest: float, change: str) -> float | None:
    """Return the change of a value relative to its previous value (eq. 9, 12).

    Args:
        previous: value at the sampled iteration before, >= 0 where it is finite.
        current: value at this one, >= 0 where it is finite.
        smallest: a previous value at or below it counts as zero, >= 0.
        change: "relative" for (current - previous) / previous, "log" for log(current / previous).

    Returns:
        The change rate, finite; None where it is undefined: the caller takes it as 0 and counts it.
    """
    if not (math.isfinite(previous) and math.isfinite(current) and previous > smallest):
        return None
    if change == "relative":
        rate = (current - previous) / previous
    elif current > smallest:
        rate = math.log(current) - math.log(previous)
    else:
        return None
    return rate if math.isfinite(rate) else None


def next_expected(expected: float, *, beta: float, change: float, ceiling: float) -> float:
    """Return N of the next interval (eq. 14): N * (1 + beta * change), at least 1 and at most the ceiling.

    Args:
        expected: N, samples expected in an interval.
        beta: how strongly change rates change N, >= 0.
        change: v + u.
        ceiling: p_max * K; it applies even if it is below 1.
    """
    return min(max(expected * (1 + beta * change), 1.0), ceiling)


@dataclass(kw_only=True, slots=True)
class SamplingRate:
    """The rate, with the values that it is computed from; only `end_interval` changes them.

    Attributes:
        beta: how strongly change rates change the rate.
        num_slices: s, slices of the sorted window.
        warmup_iterations: t0, iterations before the rate adapts.
        window: m, samples remembered.
        interval: K, iterations between two adaptations.
        initial_rate: p0, in [0, max_rate].
        max_rate: p_max, in (0, 1].
        change: "relative" or "log".
        expected: N, samples expected in an interval.
        norms: the last m values of h, newest last.
        ratios: the last m values of r = h / q (eq. 11); NaN where q is zero or not finite.
        sigma: the newest value of eq. 8; NaN until the window is full.
        sigma_changes: the last m v_t (eq. 9).
        ratio_changes: the last m u_t (eq. 12).
        v: mean of `sigma_changes` at the last interval with a sample (eq. 10); NaN before there are any.
        u: mean of `ratio_changes` then (eq. 13); NaN before there are any.
        guarded: undefined change rates so far, taken as 0.
        adaptation_start: first iteration that is drawn with an adapted rate; None before the first adaptation.
    """

    beta: float
    num_slices: int
    warmup_iterations: int
    window: int
    interval: int
    initial_rate: float
    max_rate: float
    change: str
    expected: float = field(init=False)
    norms: deque[float] = field(init=False)
    ratios: deque[float] = field(init=False)
    sigma: float = math.nan
    sigma_changes: deque[float] = field(init=False)
    ratio_changes: deque[float] = field(init=False)
    v: float = math.nan
    u: float = math.nan
    guarded: int = 0
    adaptation_start: int | None = None

    def __post_init__(self) -> None:
        self._check()
        self.expected = self.initial_rate * self.interval
        self.norms, self.ratios = deque(maxlen=self.window), deque(maxlen=self.window)
        self.sigma_changes, self.ratio_changes = deque(maxlen=self.window), deque(maxlen=self.window)

    def _check(self) -> None:
        check_number("beta", self.beta, low=0.0)
        check_integer("num_slices", self.num_slices, low=1)
        check_integer("warmup_iterations", self.warmup_iterations, low=0)
        check_integer("interval", self.interval, low=1)
        check_integer("window", self.window, low=2)
        rule = f"at least 2 * num_slices = {2 * self.num_slices}"
        check("window", self.window, rule, holds=self.window >= 2 * self.num_slices)
        check_number("max_rate", self.max_rate, low=0.0, high=1.0)
        check("max_rate", self.max_rate, "greater than 0", holds=self.max_rate > 0)
        check_number("initial_rate", self.initial_rate, low=0.0, high=1.0)
        rule = f"at most max_rate = {self.max_rate}"
        check("initial_rate", self.initial_rate, rule, holds=self.initial_rate <= self.max_rate)
        check_choice("change", self.change, CHANGES)

    @property
    def rate(self) -> float:
        """The probability p = N / K that an iteration is sampled (eq. 15), in [0, p_max]."""
        if self.adaptation_start is None:
            return self.initial_rate
        return min(self.expected / self.interval, self.max_rate)

    @property
    def most_samples(self) -> int:
        """How many samples an interval may hold, at least 1."""
        return max(1, math.floor(self.max_rate * self.interval + 1e-9))

    def end_interval(self, samples: Sequence[tuple[float, float]], *, iterations: int) -> None:
        """Add the samples of an interval that has ended, and adapt the rate.

        Args:
            samples: (h, q) of its sampled iterations, in order.
            iterations: finished iterations, t + 1; a multiple of K.
        """
        for h, q in samples:
            self._take_in(h, q)
        if not samples:
            return
        if self.ratio_changes:
            self.u = float(np.mean(self.ratio_changes))
        if not self.sigma_changes:
            return
        self.v = float(np.mean(self.sigma_changes))
        if iterations < self.warmup_iterations:
            return
        ceiling = self.max_rate * self.interval
        self.expected = next_expected(self.expected, beta=self.beta, change=self.v + self.u, ceiling=ceiling)
        if self.adaptation_start is None:
            self.adaptation_start = iterations

    def _take_in(self, h: float, q: float) -> None:
        had_sigma, before = len(self.norms) == self.window, self.sigma
        self.norms.append(h)
        self.ratios.append(h / q if q > 0 and math.isfinite(q) else math.nan)
        if len(self.ratios) > 1:
            largest = max(filter(math.isfinite, self.ratios), default=0.0)
            u = change_rate(self.ratios[-2], self.ratios[-1], smallest=RELATIVE_GUARD * largest, change=self.change)
            self.ratio_changes.append(self._guarded(u))
        if len(self.norms) == self.window:
            self.sigma = slice_variance(self.norms, self.num_slices)
        if had_sigma:
            smallest = RELATIVE_GUARD**2 * mean_square(self.norms)
            v = change_rate(before, self.sigma, smallest=smallest, change=self.change)
            self.sigma_changes.append(self._guarded(v))

    def _guarded(self, rate: float | None) -> float:
        if rate is None:
            self.guarded += 1
            return 0.0
        return rate

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes, as Python numbers and lists of them."""
        return {
            name: list(value) if isinstance(value, deque) else value
            for name, value in ((name, getattr(self, name)) for name in _CHANGING)
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; a missing key is a KeyError."""
        for name, value in {name: state[name] for name in _CHANGING}.items():
            setattr(self, name, deque(value, maxlen=self.window) if isinstance(value, list) else value)
