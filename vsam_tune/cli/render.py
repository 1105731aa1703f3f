"""What a command lists, as a table for people, their pages and papers, JSON or CSV for programs: text for stdout."""

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from vsam_tune.registry.metrics import metric_of

if TYPE_CHECKING:
    from rich.table import Table

Format = Literal["table", "json", "csv", "markdown", "latex"]
FORMATS: tuple[Format, ...] = ("table", "json", "csv", "markdown", "latex")

_SIGNIFICANT_DIGITS = 3
_TABLE_WIDTH = 10_000  # wider than any row: the terminal wraps, nothing is cut


def render_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    format: Format,  # noqa: A002 - named like the option
) -> str:
    """Return rows as text, without a newline at the end.

    Args:
        rows: by column name; a name that is missing is an empty cell.
        columns: what is shown, in this order. JSON holds every key of the rows.
        format: `table`, `markdown` and `latex` (a tabular of the package booktabs) round for reading, in lines of
            any length, without colours. `csv` and `json` keep full precision; JSON has null for a number that is
            not finite.

    Returns:
        The text. Without rows JSON is an empty list, any other format its head.
    """
    if format == "json":
        return render_json([dict(row) for row in rows])
    if format == "csv":
        return _csv(rows, columns)
    if format == "latex":
        return _latex(rows, columns)
    return _markdown(rows, columns) if format == "markdown" else _table(rows, columns)


def render_json(value: object) -> str:
    """Return a value as indented JSON that every parser reads: null for nan and inf."""
    return json.dumps(_finite(value), indent=2, allow_nan=False, default=_as_text)


def number_text(name: str, value: object) -> str:
    """Return a value as a person wants to read it, on one line: numbers with the digits that mean something.

    Args:
        name: of the metric, hyper-parameter or column, which decides the digits.
        value: a number; anything else that a row may hold is shown as it is, None as nothing.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _rounded(name, value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, Mapping):
        return " ".join(f"{key}={number_text(str(key), held)}" for key, held in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(number_text(name, held) for held in value)
    return " ".join(str(value).split())


def spread_text(name: str, center: float | None, deviation: float | None) -> str:
    """Return `CENTER ± DEVIATION` on one line, to the second digit of the deviation; without what is not known.

    Args:
        name: of the metric, which decides the digits where it has a number of them.
        center: a value or a mean; None for not known.
        deviation: its standard error or standard deviation.
    """
    if not center or not deviation or not math.isfinite(deviation) or _decimals(name, center) is not None:
        return " ± ".join(number_text(name, value) for value in (center, deviation) if value is not None)
    decimals = max(0, 1 - math.floor(math.log10(deviation)))
    return f"{center:,.{decimals}f} ± {deviation:,.{decimals}f}"


def _decimals(name: str, value: float) -> int | None:
    """Return how many decimals a metric always has; None where it has as many as its value needs."""
    decimals = metric_of(name).decimals
    return 0 if decimals is None and abs(value) >= 10**_SIGNIFICANT_DIGITS else decimals


def _rounded(name: str, value: float) -> str:
    decimals = _decimals(name, value)
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    if 0.99 < value < 1:  # what is left to 1 means something: a decay of 0.9995
        return f"{value:.{_SIGNIFICANT_DIGITS + 2}g}"
    return f"{value:.{_SIGNIFICANT_DIGITS}g}"


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    return _drawn(table, columns, _right_aligned(rows, columns), _cells(rows, columns))


def _markdown(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    from rich import box
    from rich.table import Table

    cells = [[cell.replace("|", "\\|") for cell in row] for row in _cells(rows, columns)]
    drawn = _drawn(Table(box=box.MARKDOWN), columns, _right_aligned(rows, columns), cells)
    return drawn.strip("\n")  # rich leaves room for edges that the box does not have


def _latex(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    import pandas as pd

    alignment = "".join("r" if right else "l" for right in _right_aligned(rows, columns))
    frame = pd.DataFrame(_cells(rows, columns), columns=list(columns), dtype=object)
    text = frame.to_latex(index=False, escape=True, column_format=alignment).rstrip("\n")
    return re.sub(r"(?<!\w)-(?=\d)", "$-$", text.replace("±", r"$\pm$"))  # signs, set as mathematics sets them


def _cells(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[list[str]]:
    return [[number_text(column, row.get(column)) for column in columns] for row in rows]


def _right_aligned(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[bool]:
    """Return for each column whether it holds numbers, and nothing else."""
    held = [[row[column] for row in rows if row.get(column) is not None] for column in columns]
    return [
        bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        for values in held
    ]


def _drawn(table: "Table", columns: Sequence[str], right: Sequence[bool], cells: Sequence[Sequence[str]]) -> str:
    from rich.console import Console

    for column, numeric in zip(columns, right, strict=True):
        table.add_column(column, justify="right" if numeric else "left")
    for row in cells:
        table.add_row(*row)
    text = io.StringIO()
    # Everything is said here: what is printed must not depend on the terminal, FORCE_COLOR or COLUMNS.
    console = Console(file=text, width=_TABLE_WIDTH, color_system=None, force_terminal=False, markup=False, emoji=False)
    console.print(table, highlight=False)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue().removesuffix("\n")


def _csv_cell(value: object) -> object:
    """Return a value as the csv module should write it: floats with all digits, JSON for what is nested."""
    if isinstance(value, bool | list | tuple | Mapping):
        return json.dumps(_finite(value), allow_nan=False, default=_as_text)
    return _as_text(value) if isinstance(value, datetime) else value


def _finite(value: object) -> object:
    """Return a copy with None for every float that JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(held) for held in value]
    return value


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
