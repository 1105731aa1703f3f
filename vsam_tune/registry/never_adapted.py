"""A sampling rate that never adapts: before a run, from its settings, and after it, from its metrics. No torch here."""

from collections.abc import Container

NEVER_ADAPTED = "the sampling rate never adapted"
NEVER_ADAPTED_FIX = "fewer warmup_iterations, or a smaller interval"

_FRACTION = 0.015  # of the run: the authors' 1,173 of 78,200 iterations are SAM's
_INTERVAL = 50  # the authors'
_ADAPTATIONS = 20  # at least, in a run that is short for the authors' interval


def rate_never_adapted(metrics: Container[str]) -> bool:
    """Return whether a trial with these metrics had a rate that was to adapt, and no iteration with an adapted one."""
    return "guarded" in metrics and "adaptation_start" not in metrics


def first_adaptation(warmup_iterations: int, interval: int) -> int:
    """Return the first iteration that an adapted N decides on: the first to begin an interval after two samples."""
    if warmup_iterations >= 2:
        return warmup_iterations + interval - 1
    return 2 * interval  # an interval adds one sample


def fitted_warmup(num_iterations: int, interval: int) -> int:
    """Return a warm-up for a run: the authors' 1.5 % of it, or more where that would not fill the window."""
    return max(interval + 1, round(_FRACTION * num_iterations))


def fitted(num_iterations: int, num_slices: int) -> dict[str, int] | None:
    """Return values of `warmup_iterations` and `interval` with which the rate adapts.

    choice: the interval is the authors' 50, or less where the run would have fewer than 20 of them, and has two values
    a slice. The warm-up is the authors' 1.5 % of the run, or more where it would not fill the window.

    Args:
        num_iterations: of the run.
        num_slices: s.

    Returns:
        The two values; None if the run is too short for any.
    """
    interval = max(2 * num_slices, min(_INTERVAL, num_iterations // _ADAPTATIONS))
    warmup = fitted_warmup(num_iterations, interval)
    fits = first_adaptation(warmup, interval) < num_iterations
    return {"warmup_iterations": warmup, "interval": interval} if fits else None
