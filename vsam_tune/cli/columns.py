"""The cells of a table for people: numbers with the digits that mean something, one number of decimals a column."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from vsam_tune.registry.metrics import metric_of

_SIGNIFICANT_DIGITS = 3
_LARGEST_FIXED = 1e12  # from there on a number is written with an exponent: a loss that explodes has 250 digits
_MOST_DECIMALS = 5  # of a column of numbers whose metric is not known; beyond that it is written with exponents


class Spread(NamedTuple):
    """A number with its standard error or deviation.

    Attributes:
        center: a value or a mean; None for not known.
        deviation: in the unit of the center; None for not known.
    """

    center: float | None
    deviation: float | None


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        head: its name.
        cells: one a row.
        numeric: whether it holds numbers and nothing else. The decimal points of such cells are in one line.
    """

    head: str
    cells: tuple[str, ...]
    numeric: bool


def column_of(name: str, values: Sequence[object]) -> Column:
    """Return the cells of a column.

    Args:
        name: of the metric, hyper-parameter or column, which decides the decimals.
        values: one a row; None for an empty cell.
    """
    known = [value for value in values if value is not None]
    spreads = [spread for value in known if (spread := _as_spread(value)) is not None]
    if not known or len(spreads) < len(known):
        return Column(name, tuple(number_text(name, value) for value in values), numeric=False)
    if all(isinstance(value, int) for value in known):
        texts = [str(value) for value in known]
    else:
        texts = _aligned(name, spreads)
    width = max(map(len, texts))
    rest = iter(texts)
    return Column(name, tuple("" if value is None else f"{next(rest):>{width}}" for value in values), numeric=True)


def duration_text(seconds: float) -> str:
    """Return a duration as a person wants to read it: hours and minutes, minutes and seconds, or seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def number_text(name: str, value: object) -> str:
    """Return a value as a person wants to read it, on one line: numbers with the digits that mean something.

    Args:
        name: of the metric, hyper-parameter or column, which decides the decimals.
        value: a number; anything else that a row may hold is shown as it is, None as nothing.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _fixed(value, _decimals(name, [value]))
    if isinstance(value, Spread):
        return spread_text(name, *value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, Mapping):
        return " ".join(f"{key}={number_text(str(key), held)}" for key, held in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(number_text(name, held) for held in value)
    return " ".join(str(value).split())


def spread_text(name: str, center: float | None, deviation: float | None) -> str:
    """Return `CENTER ± DEVIATION` on one line, without the part that is not known.

    A metric that is not listed has as many decimals as the second digit of its deviation.

    Args:
        name: of the metric.
        center: a value or a mean; None for not known.
        deviation: its standard error or deviation; None for not known.
    """
    if center is None and deviation is None:
        return ""
    return _aligned(name, [Spread(center, deviation)])[0].strip()


def _as_spread(value: object) -> Spread | None:
    """Return a number without a deviation as a spread; None for a value that is no number."""
    if isinstance(value, Spread):
        return value
    return Spread(value, None) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _aligned(name: str, spreads: Sequence[Spread]) -> list[str]:
    """Return numbers of one column as texts of one width, with their decimal points in one line."""
    decimals = _decimals_of_spreads(name, spreads)
    centers = ["" if center is None else _fixed(center, decimals) for center, _ in spreads]
    deviations = ["" if deviation is None else _fixed(deviation, decimals) for _, deviation in spreads]
    left, right = max(map(len, centers)), max(map(len, deviations))
    texts = []
    for center, deviation in zip(centers, deviations, strict=True):
        sign = " ± " if center and deviation else "   " if right else ""
        texts.append(f"{center:>{left}}{sign}{deviation:>{right}}")
    return texts


def _decimals_of_spreads(name: str, spreads: Sequence[Spread]) -> int | None:
    centers = [center for center, _ in spreads if center is not None]
    deviations = [each for _, each in spreads if each and math.isfinite(each)]
    if metric_of(name).decimals is not None or not deviations:
        return _decimals(name, [*centers, *deviations])
    return max(0, min(_MOST_DECIMALS, 1 - math.floor(math.log10(min(deviations)))))


def _decimals(name: str, values: Sequence[float]) -> int | None:
    """Return how many decimals all these values are shown with; None for exponents."""
    known = metric_of(name).decimals
    if known is not None:
        return known
    decimals = max((_decimals_needed(value) for value in values), default=0)
    return decimals if decimals <= _MOST_DECIMALS else None


def _decimals_needed(value: float) -> int:
    """Return the decimals of a number that is rounded to its significant digits, without zeros at its end."""
    if not math.isfinite(value) or abs(value) >= 10**_SIGNIFICANT_DIGITS:
        return 0
    digits = _SIGNIFICANT_DIGITS + 2 if 0.99 < value < 1 else _SIGNIFICANT_DIGITS  # a decay of 0.9995 is not 1
    exponent = Decimal(f"{value:.{digits}g}").normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _fixed(value: float, decimals: int | None) -> str:
    if decimals is None or abs(value) >= _LARGEST_FIXED:
        return f"{value:.{_SIGNIFICANT_DIGITS - 1}e}"
    return f"{value:,.{decimals}f}"
