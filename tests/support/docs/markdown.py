"""Markdown for the generated parts of docs."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table with its head in the first line."""
    return "".join(_row(cells) for cells in (head, ["---"] * len(head), *rows))


def code(*lines: str) -> str:
    """Return lines in code type, one below the other in a cell of a table."""
    return "<br>".join(_span(line) for line in lines if line.strip())


def _row(cells: Sequence[object]) -> str:
    shown = [str(cell).replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(shown)} |\n"


def _span(line: str) -> str:
    return f"`` {line} ``" if "`" in line else f"`{line}`"
