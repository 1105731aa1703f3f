"""Checks of constructor arguments; a failure is a ValueError that names argument, value and rule."""

import math
from collections.abc import Collection


def _bounds(low: float, high: float | None) -> str:
    return f">= {low}" if high is None else f"in [{low}, {high}]"


def check(name: str, value: object, rule: str, *, holds: bool) -> None:
    """Raise unless the rule holds; `rule` follows the words "must be".

    Raises:
        ValueError: if the rule does not hold.
    """
    if not holds:
        raise ValueError(f"the value of {name} is {value!r}, but must be {rule}")


def check_number(name: str, value: object, *, low: float, high: float | None = None) -> None:
    """Check a real number: finite and within its bounds, bounds included."""
    top = math.inf if high is None else high
    holds = isinstance(value, int | float) and low <= value <= top and math.isfinite(value)
    check(name, value, f"a number {_bounds(low, high)}", holds=holds)


def check_integer(name: str, value: object, *, low: int) -> None:
    """Check an integer: not below its bound."""
    check(name, value, f"an integer {_bounds(low, None)}", holds=isinstance(value, int) and value >= low)


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Check a word: one of the choices."""
    check(name, value, f"one of {', '.join(choices)}", holds=value in choices)
