"""Rows as text for stdout: a table for people, Markdown and LaTeX for their pages, JSON and CSV for programs."""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from vsam_tune.cli.columns import Column, column_of

if TYPE_CHECKING:
    from rich.table import Table

Format = Literal["table", "json", "csv", "markdown", "latex"]
FORMATS: tuple[Format, ...] = ("table", "json", "csv", "markdown", "latex")

_PAGE_WIDTH = 100  # of a table: a wider one gets heads of several lines
_GAP = 2  # characters between columns
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


def _columns(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Column]:
    return [column_of(name, [row.get(name) for row in rows]) for name in names]


def _table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    from rich.table import Table

    columns = _columns(rows, names)
    widths = [max((len(cell) for cell in column.cells), default=0) for column in columns]
    heads = [[column.head] for column in columns]
    widest = [max(width, len(head[0])) for width, head in zip(widths, heads, strict=True)]
    if sum(widest) + _GAP * (len(widest) - 1) > _PAGE_WIDTH:
        heads = [_folded(column.head, width) for column, width in zip(columns, widths, strict=True)]
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    padded = [_padded(column, head) for column, head in zip(columns, heads, strict=True)]
    for head, _ in padded:
        table.add_column(head, vertical="bottom")
    return _drawn(table, [cells for _, cells in padded])


def _folded(head: str, width: int) -> list[str]:
    """Return a head in lines of at most this width, where its words allow it; they end at underscores."""
    lines = [""]
    for word in re.findall(r"[^_]*_|[^_]+$", head):
        if lines[-1] and len(lines[-1] + word) > width:
            lines.append("")
        lines[-1] += word
    return lines


def _padded(column: Column, head: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the head and the cells of a column; numbers and their heads end at the same place."""
    if not column.numeric:
        return "\n".join(head), column.cells
    width = max(map(len, (*head, *column.cells)))
    return "\n".join(f"{line:>{width}}" for line in head), [f"{cell:>{width}}" for cell in column.cells]


def _markdown(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    from rich import box
    from rich.table import Table

    columns = _columns(rows, names)
    table = Table(box=box.MARKDOWN)
    for column in columns:
        table.add_column(column.head, justify="right" if column.numeric else "left")
    drawn = _drawn(table, [[cell.strip().replace("|", "\\|") for cell in column.cells] for column in columns])
    return drawn.strip("\n")  # rich leaves room for edges that the box does not have


def _latex(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    import pandas as pd

    columns = _columns(rows, names)
    alignment = "".join("r" if column.numeric else "l" for column in columns)
    cells = list(zip(*([cell.strip() for cell in column.cells] for column in columns), strict=True))
    frame = pd.DataFrame(cells, columns=list(names), dtype=object)
    text = frame.to_latex(index=False, escape=True, column_format=alignment).rstrip("\n")
    return re.sub(r"(?<!\w)-(?=\d)", "$-$", text.replace("±", r"$\pm$"))  # signs, set as mathematics sets them


def _drawn(table: "Table", columns: Iterable[Sequence[str]]) -> str:
    """Return a table with these columns of cells as text."""
    from rich.console import Console

    for row in zip(*columns, strict=True):
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
