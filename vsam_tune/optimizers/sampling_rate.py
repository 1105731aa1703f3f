"""vSAM's controller: which iterations are sampled, and how often. No torch here.

Source: arXiv 2403.08821, eq. 8 to 15, in the form that its authors ran (github.com/ajiaaa/vSAM; docs/vsam.md lists
what the paper leaves open and the program settles). h = ||PSF|| and q = ||g|| of each sampled iteration come in.

The program does not handle these cases, and this project chose:

- choice: v and u are means over the changes that exist. Before the first change, N stays.
- choice: a change rate counts as 0, and `guarded` counts it, where its previous value is zero, not finite or tiny. A
  ratio is tiny below 1e-6 times the largest of the last K ratios. A sigma is tiny below 1e-12 times the mean square of
  its window: such a sigma is the rounding of equal values in float32.
- choice: without a warm-up the first interval begins at iteration 0 and holds one sample.
- choice: a run of a slice holds two values at least, since one value has no variance.
- choice: `change="log"` takes log ratios. Relative changes of a stationary noisy sequence have a positive mean
  (Jensen's inequality), so with "relative", the paper's form, N grows without any signal; with "log" it does not.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vsam_tune.optimizers.arguments import check, check_choice, check_integer, check_number

CHANGES = ("relative", "log")
RELATIVE_GUARD = 1e-6
_ROUNDING = 1e-9  # 50 * 0.8 is 40
_CHANGING = (
    "expected",
    "count",
    "interval_start",
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
        window: (K,) values of h in any order, K >= 2 * num_slices.
        num_slices: s. The sorted window is cut into s runs of K // s values each; a remainder at the top is left out.

    Returns:
        sigma >= 0, in units of h squared, from variances that divide by n - 1. NaN if a value is not finite; not finite
        if a square overflows.
    """
    run = len(window) // num_slices
    if not all(map(math.isfinite, window)):
        return math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        runs = np.sort(np.asarray(window, dtype=np.float64))[: run * num_slices].reshape(num_slices, run)
        return float(np.mean(np.var(runs, axis=1, ddof=1)))


def mean_square(window: Sequence[float]) -> float:
    """Return the mean of the squares of h, the scale of sigma; not finite if a value is not or overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.mean(np.square(np.asarray(window, dtype=np.float64))))


def change_rate(previous: float, current: float, *, smallest: float, change: str) -> float | None:
    """Return how much a value changed, relative to the value before (eq. 9, 12).

    Args:
        previous: value at the sample before, >= 0 where it is finite.
        current: value at this sample, >= 0 where it is finite.
        smallest: a previous value at or below it counts as zero, >= 0.
        change: "relative" for (current - previous) / previous, "log" for log(current / previous).

    Returns:
        The change rate, finite; None where it is not defined.
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


def mean_change(changes: Sequence[float]) -> float:
    """Return the mean of change rates, clipped to [-1, 1] (eq. 10, 13); 0 for none."""
    return min(max(float(np.mean(changes)), -1.0), 1.0) if changes else 0.0


def next_expected(expected: float, *, beta: float, u: float, v: float, most: int) -> float:
    """Return N of the next interval: N * (1 + beta * u + beta * v), clipped to [1, most] (eq. 14, 15).

    Args:
        expected: N, the expected number of samples an interval.
        beta: how strongly the change rates move N, >= 0.
        u: mean change rate of h / q, in [-1, 1].
        v: mean change rate of sigma, in [-1, 1].
        most: floor(p_max * K), >= 1.
    """
    return min(max(expected * (1 + beta * u + beta * v), 1.0), float(most))


@dataclass(kw_only=True, slots=True)
class SamplingRate:
    """N, the expected number of samples an interval, and the decision which iterations are sampled.

    For each iteration t, in this order: `begin_interval(t)` where `begins_interval(t)`, after `record` has got the
    samples so far; `is_sampled(t)`; `count_sample()` if it was sampled.

    Attributes:
        beta: how strongly the change rates move N.
        num_slices: s, slices of the sorted window.
        warmup_iterations: t0, the first iterations, which are all sampled.
        interval: K, iterations between two adaptations, and samples remembered.
        max_rate: p_max, in (0, 1].
        change: "relative" or "log".
        expected: N, 1 at first.
        count: samples in the current interval.
        interval_start: the iteration that the current interval began with; -1 before the first interval.
        norms: the last K values of h, newest last.
        ratios: the last K values of h / q (eq. 11); NaN where q is zero or not finite.
        sigma: the newest value of eq. 8; NaN until K samples were recorded.
        sigma_changes: the last K - 1 change rates of sigma (eq. 9).
        ratio_changes: the last K - 1 change rates of h / q (eq. 12).
        v: eq. 10 at the last adaptation; NaN before it.
        u: eq. 13 at the last adaptation; NaN before it.
        guarded: how many change rates counted as 0.
        adaptation_start: the first iteration that an adapted N decided on; None before it.
    """

    beta: float
    num_slices: int
    warmup_iterations: int
    interval: int
    max_rate: float
    change: str
    expected: float = field(init=False, default=1.0)
    count: int = field(init=False)
    interval_start: int = field(init=False, default=-1)
    norms: deque[float] = field(init=False)
    ratios: deque[float] = field(init=False)
    sigma: float = field(init=False, default=math.nan)
    sigma_changes: deque[float] = field(init=False)
    ratio_changes: deque[float] = field(init=False)
    v: float = field(init=False, default=math.nan)
    u: float = field(init=False, default=math.nan)
    guarded: int = field(init=False, default=0)
    adaptation_start: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        check_number("beta", self.beta, low=0.0)
        check_integer("num_slices", self.num_slices, low=1)
        check_integer("warmup_iterations", self.warmup_iterations, low=0)
        check_integer("interval", self.interval, low=1)
        check_number("max_rate", self.max_rate, low=0.0, high=1.0)
        check("max_rate", self.max_rate, "greater than 0", holds=self.max_rate > 0)
        rule = f"at least 2 * num_slices = {2 * self.num_slices}"
        check("interval", self.interval, rule, holds=self.interval >= 2 * self.num_slices)
        check_choice("change", self.change, CHANGES)
        self.count = 1 if self.warmup_iterations else 0  # the last warm-up iteration belongs to the first interval
        self.norms, self.ratios = deque(maxlen=self.interval), deque(maxlen=self.interval)
        self.sigma_changes, self.ratio_changes = deque(maxlen=self.interval - 1), deque(maxlen=self.interval - 1)

    @property
    def most_samples(self) -> int:
        """floor(p_max * K), the most samples an interval; 1 at least."""
        return max(1, math.floor(self.max_rate * self.interval + _ROUNDING))

    @property
    def samples_per_interval(self) -> int:
        """floor(N), the samples of each interval after the first adaptation."""
        return math.floor(self.expected + _ROUNDING)

    def rate(self, iteration: int) -> float:
        """Return p of an iteration, in [0, 1]: N / K (eq. 15), or 1 during the warm-up."""
        return 1.0 if iteration < self.warmup_iterations else self.expected / self.interval

    def _position(self, iteration: int) -> int:
        """Return how far an iteration after the warm-up lies in its interval, from 0 to K - 1."""
        return (iteration - max(self.warmup_iterations - 1, 0)) % self.interval

    def begins_interval(self, iteration: int) -> bool:
        """Return whether an interval begins with this iteration, and has not begun yet."""
        after_warmup = iteration >= self.warmup_iterations
        return after_warmup and self._position(iteration) == 0 and iteration != self.interval_start

    def begin_interval(self, iteration: int) -> None:
        """Adapt N to the recorded samples, and start to count (eq. 10, 13 to 15)."""
        self.interval_start, self.count = iteration, 0
        if not (self.ratio_changes or self.sigma_changes):
            return
        self.v, self.u = mean_change(self.sigma_changes), mean_change(self.ratio_changes)
        self.expected = next_expected(self.expected, beta=self.beta, u=self.u, v=self.v, most=self.most_samples)
        if self.adaptation_start is None:
            self.adaptation_start = iteration

    def is_sampled(self, iteration: int, uniform: Callable[[int], float]) -> bool:
        """Return whether an iteration is sampled: all of the warm-up, then exactly floor(N) of each interval.

        Args:
            iteration: t, from 0.
            uniform: t -> u in [0, 1); called only where u decides.
        """
        if iteration < self.warmup_iterations:
            return True
        missing = self.samples_per_interval - self.count
        if missing > 0 and uniform(iteration) >= 1 - self.expected / self.interval:
            return True
        return self.interval - self._position(iteration) <= missing  # the end of an interval takes what is missing

    def count_sample(self, iteration: int) -> None:
        """Count a sample; those of the warm-up do not count."""
        if iteration >= self.warmup_iterations:
            self.count += 1

    def record(self, samples: Sequence[tuple[float, float]]) -> None:
        """Remember (h, q) of sampled iterations, oldest first (eq. 8, 9, 11, 12)."""
        for h, q in samples:
            self._record(h, q)

    def _record(self, h: float, q: float) -> None:
        ratio = h / q if q > 0 and math.isfinite(q) else math.nan
        previous = self.ratios[-1] if self.ratios else None
        self.ratios.append(ratio)
        if previous is not None:
            largest = max(filter(math.isfinite, self.ratios), default=0.0)
            self._append(self.ratio_changes, previous, ratio, smallest=RELATIVE_GUARD * largest)
        had_sigma, before = len(self.norms) == self.interval, self.sigma
        self.norms.append(h)
        if len(self.norms) < self.interval:
            return
        self.sigma = slice_variance(self.norms, self.num_slices)
        if had_sigma:
            smallest = RELATIVE_GUARD**2 * mean_square(self.norms)
            self._append(self.sigma_changes, before, self.sigma, smallest=smallest)

    def _append(self, changes: deque[float], previous: float, current: float, *, smallest: float) -> None:
        rate = change_rate(previous, current, smallest=smallest, change=self.change)
        self.guarded += rate is None
        changes.append(0.0 if rate is None else rate)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes, as Python numbers and lists of them."""
        return {
            name: list(value) if isinstance(value, deque) else value
            for name, value in ((name, getattr(self, name)) for name in _CHANGING)
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; a missing key is a KeyError."""
        for name, value in {name: state[name] for name in _CHANGING}.items():
            now = getattr(self, name)
            setattr(self, name, deque(value, maxlen=now.maxlen) if isinstance(now, deque) else value)
