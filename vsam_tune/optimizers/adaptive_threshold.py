"""AE-SAM's rule: Jiang et al. 2023, arXiv 2304.14647. SAM where the squared norm is high relative to recent values.

With x = ||g||^2 of iteration t of T, mu <- delta * mu + (1 - delta) * x, then with this mu sigma2 <- delta * sigma2 +
(1 - delta) * (x - mu)^2, and c = (t/T) * end + (1 - t/T) * start: the iteration is SAM's if x >= mu + c *
sqrt(sigma2). On the host: no torch. Since x is never further from mu, this is always true for c below
-sqrt(1 / (1 - delta)), and never for c above its opposite. The sources leave some points open:

- choice: mu is x and sigma2 is 0 in the first iteration, which is SAM's then.
- choice: without T, c is always halfway between start and end; after T it is `end`.
- choice: an iteration whose x is not finite is not SAM's, and changes neither average.
"""

import math
from dataclasses import dataclass
from typing import Any, Self

from vsam_tune.optimizers.arguments import check, check_integer, check_number


@dataclass(frozen=True, kw_only=True, slots=True)
class Moments:
    """Exponential averages of x.

    Attributes:
        mean: mu.
        variance: sigma2, in units of x squared.
    """

    mean: float
    variance: float

    def updated(self, x: float, decay: float) -> Self:
        """Return the averages after one more x; `decay` is delta, in [0, 1]."""
        mean = x + decay * (self.mean - x)  # exactly x if they are equal, and at a decay of 0
        return type(self)(mean=mean, variance=decay * self.variance + (1 - decay) * (x - mean) ** 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The decision about one iteration.

    Attributes:
        sampled: whether it is SAM's.
        squared_norm: x.
        threshold: x was compared with it; NaN if x is not finite.
        moments: of the iterations up to this one; None before the first.
    """

    sampled: bool
    squared_norm: float
    threshold: float
    moments: Moments | None


def _check_threshold(name: str, value: object, *, other: object) -> None:
    holds = isinstance(value, int | float) and (math.isfinite(value) or value == other)
    check(name, value, "a finite number, or as infinite as the other threshold", holds=holds)


class AdaptiveThreshold:
    """Decides, and keeps the averages of the iterations that succeeded.

    Args:
        decay: delta, the weight of the old averages, in [0, 1].
        threshold_start: c at the start, in standard deviations; infinite only if both are: -inf is always, inf never.
        threshold_end: c at the end.
        num_iterations: T, planned for the whole run, >= 1; None for a c that is always halfway between the two.
    """

    def __init__(
        self, *, decay: float, threshold_start: float, threshold_end: float, num_iterations: int | None
    ) -> None:
        check_number("decay", decay, low=0.0, high=1.0)
        if num_iterations is not None:
            check_integer("num_iterations", num_iterations, low=1)
        _check_threshold("threshold_start", threshold_start, other=threshold_end)
        _check_threshold("threshold_end", threshold_end, other=threshold_start)
        self._decay, self._start, self._end = decay, threshold_start, threshold_end
        self._num_iterations = num_iterations
        self._moments: Moments | None = None

    def decide(self, gradient_norm: float, iteration: int) -> Decision:
        """Decide about an iteration, counted from 0 over the whole run, by its ||g||; the averages do not change."""
        x = gradient_norm * gradient_norm
        if not math.isfinite(x):
            return Decision(sampled=False, squared_norm=x, threshold=math.nan, moments=self._moments)
        moments = (self._moments or Moments(mean=x, variance=0.0)).updated(x, self._decay)
        c = self._standard_deviations(iteration)
        threshold = c if math.isinf(c) else moments.mean + c * math.sqrt(moments.variance)  # inf * 0 is NaN
        return Decision(sampled=x >= threshold, squared_norm=x, threshold=threshold, moments=moments)

    def carried_out(self, decision: Decision) -> None:
        """Update the averages: the iteration of this decision has succeeded."""
        self._moments = decision.moments

    def _standard_deviations(self, iteration: int) -> float:
        if self._start == self._end:
            return self._start
        progress = 0.5 if self._num_iterations is None else min(iteration / self._num_iterations, 1.0)
        return progress * self._end + (1 - progress) * self._start

    def state_dict(self) -> dict[str, Any]:
        """Return the averages, None before the first iteration."""
        moments = self._moments
        return {
            "mean": None if moments is None else moments.mean,
            "variance": None if moments is None else moments.variance,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the averages from the state; it may have other entries."""
        mean, variance = state["mean"], state["variance"]
        self._moments = None if mean is None else Moments(mean=mean, variance=variance)
