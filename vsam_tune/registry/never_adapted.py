"""A sampling rate that never adapted: how its metrics show it, and the remark about it. No torch here."""

from collections.abc import Container

NEVER_ADAPTED = "the sampling rate never adapted"
NEVER_ADAPTED_FIX = "fewer warmup_iterations, or a smaller interval"


def rate_never_adapted(metrics: Container[str]) -> bool:
    """Return whether a trial with these metrics had a rate that was to adapt, and no iteration with an adapted one."""
    return "guarded" in metrics and "adaptation_start" not in metrics
