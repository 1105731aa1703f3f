"""Settings that count iterations: in a file also `{epochs: n}`, or `{fraction: x}` of the run. No torch here.

In a search space, such a setting may have a range of real numbers, which are fractions of the run.
"""

from collections.abc import Mapping
from typing import Any

UNITS = {"epochs": "{epochs: NUMBER >= 0}", "fraction": "{fraction: NUMBER from 0 to 1}"}


def with_unit(value: Any) -> Any:  # noqa: ANN401 - any value of a file
    """Return a value of such a setting as a file gives it: a searched fraction as `{fraction: x}`."""
    return {"fraction": value} if isinstance(value, float) else value


def iterations_of(value: int | Mapping[str, float], *, iterations_per_epoch: int, num_iterations: int) -> int:
    """Return the iterations that a setting stands for, rounded to a whole number.

    Args:
        value: a number of iterations, or a mapping of one of the UNITS to a number.
        iterations_per_epoch: of the training.
        num_iterations: of the whole run.
    """
    if isinstance(value, int):
        return value
    ((unit, number),) = value.items()
    return round(number * (num_iterations if unit == "fraction" else iterations_per_epoch))
