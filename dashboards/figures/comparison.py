"""The figure of a comparison of baselines: test accuracy against what a training takes, a point a method."""

import html
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.labels import place_labels
from vsam_tune.analysis.comparison import ComparedRow, Comparison
from vsam_tune.registry.metrics import METRICS

_BLUE, _ORANGE, _GREY = "#0b5394", "#d55e00", "#9a9a9a"  # apart in lightness too
_PANEL = (425.0, 500.0)  # width and height of one of the two in the PNG, in pixels: what names are placed for
_CHARACTER, _LINE = 7.0, 15.0  # of a name in pixels, at size 12
_MARGIN = 0.1  # of the range of an axis, on either side
_SAM_LINE = {"type": "line", "line": {"dash": "dot", "width": 1, "color": _ORANGE}, "layer": "between"}

Span = tuple[float, float]  # lower and upper end of an axis


class _Point(NamedTuple):
    """One method in one panel.

    Attributes:
        row: of the comparison.
        x: what a training takes.
        x_std: its standard deviation, None where it is not known.
        y: the test accuracy in percent.
        is_sam: whether it is the reference of the comparison.
    """

    row: ComparedRow
    x: float
    x_std: float | None
    y: float
    is_sam: bool


def comparison_figure(comparison: Comparison) -> go.Figure:
    """Draw test accuracy against seconds, and against gradient evaluations times epochs.

    Bars are standard deviations over seeds. Dotted lines run through SAM: what is above and to the left of them is
    better and cheaper.

    Args:
        comparison: the table; a method without a complete replicate is named below the title alone.

    Returns:
        A figure with two panels that share the axis of the accuracy, and in each a trace with a point a method.
    """
    rows = [(row, row.test_accuracy_mean) for row in comparison.rows if row.test_accuracy_mean is not None]
    sam = comparison.sam
    seconds = [
        _Point(row, row.seconds, row.seconds_std, y, row.method == sam) for row, y in rows if row.seconds is not None
    ]
    passes = [_Point(row, x, None, y, row.method == sam) for row, y in rows if (x := _passes(row)) is not None]
    heights = _span([(y, row.test_accuracy_std) for row, y in rows])
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.03)
    for column, points in enumerate((seconds, passes), start=1):
        _draw_panel(figure, column, points, heights)
    figure.update_xaxes(title_text="seconds of training, median", col=1)
    figure.update_xaxes(title_text="gradient evaluations an iteration, times epochs", col=2)
    figure.update_yaxes(title_text=METRICS["test_accuracy"].axis_title, col=1)
    figure.update_layout(
        template="plotly_white",
        title={
            "text": f"{html.escape(comparison.study)}: what {len(rows)} methods reach, and what they take",
            "subtitle": {"text": _subtitle(comparison)},
        },
        showlegend=False,
        font={"size": 14},
        hoverlabel={"align": "left"},
    )
    return figure


def _draw_panel(figure: go.Figure, column: int, points: Sequence[_Point], heights: Span) -> None:
    """Add the points of one panel with their names, and the lines through SAM."""
    place: dict[str, Any] = {"row": 1, "col": column}
    widths = _span([(point.x, point.x_std) for point in points])
    figure.add_trace(_trace(points), **place)
    pixels = [(_pixel(point.x, widths, _PANEL[0]), _pixel(point.y, heights, _PANEL[1])) for point in points]
    offsets = place_labels(pixels, [_CHARACTER * len(point.row.method) for point in points], _LINE, _PANEL)
    for point, offset in zip(points, offsets, strict=True):
        figure.add_annotation(_name(point, offset), **place)
        if point.is_sam:
            figure.add_shape(x0=point.x, x1=point.x, y0=heights[0], y1=heights[1], **_SAM_LINE, **place)
            figure.add_shape(x0=widths[0], x1=widths[1], y0=point.y, y1=point.y, **_SAM_LINE, **place)
    figure.update_xaxes(range=widths, separatethousands=True, exponentformat="none", **place)
    figure.update_yaxes(range=heights, exponentformat="none", **place)


def _trace(points: Sequence[_Point]) -> go.Scatter:
    bar = {"type": "data", "color": _GREY, "thickness": 1, "width": 3}
    return go.Scatter(
        x=[point.x for point in points],
        y=[point.y for point in points],
        error_x={**bar, "array": [point.x_std for point in points]},
        error_y={**bar, "array": [point.row.test_accuracy_std for point in points]},
        mode="markers",
        marker={
            "size": 9,
            "color": [_ORANGE if point.is_sam else _BLUE for point in points],
            "symbol": [_symbol(point) for point in points],
        },
        hovertext=[_hover_text(point) for point in points],
        hoverinfo="text",
    )


def _name(point: _Point, offset: tuple[float, float]) -> dict[str, Any]:
    """Return a point's name as an annotation: with a line to it, where it is further off than a line of text."""
    right, up = offset
    text: dict[str, Any] = {"x": point.x, "y": point.y, "text": html.escape(point.row.method), "font": {"size": 12}}
    text |= {"xanchor": "center", "yanchor": "middle"}
    if abs(up) < _LINE:
        return {**text, "showarrow": False, "xshift": right, "yshift": up}
    line = {"showarrow": True, "arrowhead": 0, "arrowwidth": 0.7, "arrowcolor": _GREY, "standoff": 4, "borderpad": 0}
    return {**text, **line, "ax": right, "ay": -up}


def _symbol(point: _Point) -> str:
    """Return the shape of a point: SAM's, that of a picked configuration, or any other's."""
    if point.is_sam:
        return "square"
    return "circle" if point.row.trial is None else "diamond"


def _passes(row: ComparedRow) -> float | None:
    """Return how often a training goes over its images, forward and backward."""
    if row.gradient_evaluations is None or row.epochs is None:
        return None
    return row.gradient_evaluations * row.epochs


def _span(values: Sequence[tuple[float, float | None]]) -> Span:
    """Return the axis that holds all values with their deviations, and some room around."""
    known = [(value, std or 0.0) for value, std in values]
    if not known:
        return 0.0, 1.0
    low, high = min(value - std for value, std in known), max(value + std for value, std in known)
    room = _MARGIN * (high - low) or 1.0
    return low - room, high + room


def _pixel(value: float, span: Span, length: float) -> float:
    return length * (value - span[0]) / (span[1] - span[0])


def _hover_text(point: _Point) -> str:
    """Return the method's numbers, one a line of HTML."""
    row = point.row
    std = "" if row.test_accuracy_std is None else f" ± {row.test_accuracy_std:.2f}"
    lines = [f"<b>{html.escape(row.method)}</b>", f"test accuracy: {point.y:.2f}{std} %, {row.seeds} seeds"]
    if row.ais is not None:
        percent = "" if row.percent_of_sam is None else f", {row.percent_of_sam:.0f} % of SAM's"
        lines.append(f"AIS: {row.ais:,.0f} images/s{percent}")
    if row.gradient_evaluations is not None:
        lines.append(f"gradient evaluations an iteration: {row.gradient_evaluations:.3g}")
    return "<br>".join(lines)


def _subtitle(comparison: Comparison) -> str:
    seeds = sorted({row.seeds for row in comparison.rows if row.seeds})
    counts = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0] if seeds else 0)
    missing = [html.escape(row.method) for row in comparison.rows if not row.seeds]
    absent = f"; nothing complete: {', '.join(missing)}" if missing else ""
    return f"mean and standard deviation over {counts} seeds; dotted: SAM; better and cheaper is up and left{absent}"
