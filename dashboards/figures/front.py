"""Figures of a study: pure functions from `vsam_tune.analysis.results` to plotly. Shapes repeat what colours say."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

import plotly.graph_objects as go

from vsam_tune.analysis.results import Objective, StudyResult, TrialRecord
from vsam_tune.registry.metrics import metric_of

_GREY, _BLUE, _ORANGE = "#9a9a9a", "#0b5394", "#d55e00"  # apart in lightness too


def front_figure(result: StudyResult) -> go.Figure:
    """Draw a study's front among its completed trials, objective 1 upwards, objective 2 to the right.

    With one objective the trials stand by number, with the best value so far. With three, the third one is
    the shade of the front's points. Of more than two objectives a front is no line in this plane: its points
    are not connected.

    Args:
        result: the study so far; it may be empty.

    Returns:
        A figure with one trace for the dominated trials, one for those that may also be optimal, one for
        the front, one for its knee, and, in the legend alone, how many trials it does not show, and why. The
        front and the trials that may be optimal carry bars of one standard error.
    """
    shown = [trial for trial in result.trials if trial.state == "complete" and trial.feasible]
    front, possible = result.front(), result.possibly_optimal()
    numbers = {trial.number for trial in (*front, *possible)}
    figure = go.Figure([
        _dominated_trace(result, [trial for trial in shown if trial.number not in numbers]),
        *_possible_traces(result, possible),
        _front_trace(result, front),
        *_best_so_far_traces(result, shown),
        *_knee_traces(result, front),
        *_not_shown_traces(result),
    ])
    upwards, rightwards = result.objectives[0], _rightwards(result)
    figure.update_layout(
        template="plotly_white",
        title={
            "text": f"{html.escape(result.name)}: {len(front)} of {len(shown)} completed trials on the front",
            "subtitle": {"text": _subtitle(result)},
        },
        xaxis={"title": {"text": _axis_title(rightwards) if rightwards else "trial number"}},
        yaxis={"title": {"text": _axis_title(upwards)}},
        legend={"orientation": "h", "yanchor": "top", "y": -0.16, "x": 0},
        font={"size": 14},
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(exponentformat="none", separatethousands=True)
    figure.update_yaxes(exponentformat="none", separatethousands=True)
    return figure


def _dominated_trace(result: StudyResult, trials: Sequence[TrialRecord]) -> go.Scatter:
    return go.Scatter(
        name=f"dominated ({len(trials)})",
        mode="markers",
        marker={"symbol": "circle-open", "size": 8, "color": _GREY},
        **_points(result, trials),
    )


def _possible_traces(result: StudyResult, possible: Sequence[TrialRecord]) -> list[go.Scatter]:
    """Return the trials that may also be optimal given the measurement noise, where there are any."""
    if not possible:
        return []
    return [
        go.Scatter(
            name=f"may also be optimal ({len(possible)})",
            mode="markers",
            marker={"symbol": "diamond-open", "size": 9, "color": _BLUE},
            **_points(result, possible),
            **_bars(result, possible),
        )
    ]


def _front_trace(result: StudyResult, front: Sequence[TrialRecord]) -> go.Scatter:
    """Return the front's points, with the edge of what they dominate where the plane holds all objectives."""
    rightwards = _rightwards(result)
    if rightwards is not None:
        front = sorted(front, key=lambda trial: (trial.values[rightwards.name], trial.number))
    marker = {"symbol": "diamond", "size": 11, "color": _BLUE}
    if len(result.objectives) == 3:
        third = result.objectives[2]
        marker["color"] = [trial.values[third.name] for trial in front]
        marker |= {
            "colorscale": "Cividis",
            "colorbar": {"title": {"text": _axis_title(third), "side": "right"}},
        }
    # Every straight chord between two points would promise trials that nobody has trained; steps do not.
    steps = "vh" if rightwards is not None and rightwards.direction == "maximize" else "hv"
    return go.Scatter(
        name=f"front ({len(front)})",
        mode="lines+markers" if len(result.objectives) == 2 else "markers",
        marker=marker,
        line={"shape": steps, "width": 2, "color": _BLUE},
        **_points(result, front),
        **_bars(result, front),
    )


def _best_so_far_traces(result: StudyResult, shown: Sequence[TrialRecord]) -> list[go.Scatter]:
    """Return the best value by trial number, where there is one objective."""
    if len(result.objectives) != 1 or not shown:
        return []
    name = result.objectives[0].name
    better = max if result.objectives[0].direction == "maximize" else min
    values = [trial.values[name] for trial in shown]
    return [
        go.Scatter(
            name="best so far",
            mode="lines",
            x=[trial.number for trial in shown],
            y=[better(values[: count + 1]) for count in range(len(values))],
            line={"shape": "hv", "width": 2, "color": _BLUE, "dash": "dot"},
            hoverinfo="skip",
        )
    ]


def _knee_traces(result: StudyResult, front: Sequence[TrialRecord]) -> list[go.Scatter]:
    """Return the ring around the knee, where there is a trade-off to have one."""
    knee = [trial for trial in front if trial.number == result.knee()]
    if len(result.objectives) < 2 or not knee:
        return []
    return [
        go.Scatter(
            name=f"knee: trial {knee[0].number}",
            mode="markers+text",
            marker={"symbol": "circle-open", "size": 22, "color": _ORANGE, "line": {"width": 3}},
            text=["knee"],
            textposition="top right",
            **_points(result, knee),
        )
    ]


def _not_shown_traces(result: StudyResult) -> list[go.Scatter]:
    """Return a legend entry that counts the trials without a point in the figure, by why they have none."""
    counts = result.counts()
    infeasible = sum(trial.state == "complete" and not trial.feasible for trial in result.trials)
    reasons = {
        "pruned": counts["pruned"],
        "infeasible": infeasible,
        "failed": counts["fail"],
        "running": counts["running"],
        "waiting": counts["waiting"],
    }
    listed = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    if not listed:
        return []
    marker = {"symbol": "x-thin-open", "color": _GREY}
    return [go.Scatter(name=f"not shown: {listed}", x=[None], y=[None], mode="markers", marker=marker)]


def _points(result: StudyResult, trials: Iterable[TrialRecord]) -> dict[str, list[float] | list[str] | str]:
    """Return where trials stand, and what hovering over them says, as arguments of a trace."""
    rightwards = _rightwards(result)
    held = list(trials)
    return {
        "x": [trial.values[rightwards.name] if rightwards else trial.number for trial in held],
        "y": [trial.values[result.objectives[0].name] for trial in held],
        "hovertext": [_hover_text(result, trial) for trial in held],
        "hoverinfo": "text",
    }


def _bars(result: StudyResult, trials: Sequence[TrialRecord]) -> dict[str, dict[str, Any]]:
    """Return bars of one standard error, as arguments of a trace; a value without an error has none."""
    upwards, rightwards = result.objectives[0], _rightwards(result)
    axes = {"error_y": upwards} | ({"error_x": rightwards} if rightwards else {})
    bar = {"type": "data", "color": _GREY, "thickness": 1, "width": 3}
    return {
        axis: {**bar, "array": [trial.errors[each.name] or None for trial in trials]} for axis, each in axes.items()
    }


def _hover_text(result: StudyResult, trial: TrialRecord) -> str:
    """Return the trial's number, objectives and hyper-parameters, one a line of HTML."""
    lines = [f"<b>trial {trial.number}</b>"]
    for each in result.objectives:
        error = trial.errors[each.name]
        spread = f" ± {_digits(error)}" if error else ""
        lines.append(f"{_title(each.name)}: {_digits(trial.values[each.name])}{spread}")
    for name, value in trial.params.items():
        shown = f"{value:.3g}" if isinstance(value, float) else html.escape(str(value))
        lines.append(f"{html.escape(name)} = {shown}")
    return "<br>".join(lines)


def _rightwards(result: StudyResult) -> Objective | None:
    """Return objective 2; None where the trials' numbers take its axis."""
    return result.objectives[1] if len(result.objectives) > 1 else None


def _axis_title(objective: Objective) -> str:
    better = "more" if objective.direction == "maximize" else "less"
    return f"{_title(objective.name)}, {better} is better"


def _title(name: str) -> str:
    return html.escape(metric_of(name).axis_title, quote=False)


def _subtitle(result: StudyResult) -> str:
    """Return the hypervolume and its corner, without which it means nothing, and what bars are."""
    corner = result.effective_reference_point()
    if corner is None:
        return "no trial has completed yet"
    at = ", ".join(f"{html.escape(name)} {_digits(value)}" for name, value in corner.items())
    kind = "" if result.reference_point is not None else "provisional "
    bars = "; bars: one standard error" if any(any(trial.errors.values()) for trial in result.front()) else ""
    return f"hypervolume {_digits(result.hypervolume())} from the {kind}reference point {at}{bars}"


def _digits(value: float) -> str:
    """Return a number with four digits, or all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
