"""The view with which the MLflow UI opens a study: model training, with the columns and charts that people need.

The UI keeps saved views in tags of the MLflow experiment, and opens the one that an address names. Its terms are those
of MLflow 3.17.
"""

import colorsys
import json
from collections.abc import Sequence
from typing import Any

from vsam_tune.analysis.results import Objective
from vsam_tune.registry.metrics import SHOWN

_KEY = "study"  # of the saved view, and its name in the UI's menu of views
_TRAJECTORY = ("l2_psf", "cumulative_samples", "sampling_rate")  # the charts of the trajectory come first
_OWN_COLUMNS = {"attributes.`Run Name`": 115, "runDateAndNestInfo": 130, "duration": 70}  # the UI's: width in pixels
_SECTION = {"uuid": "study", "name": "Model metrics", "display": True, "isReordered": True}  # the UI's only section
_LINE_CHART = {
    "type": "LINE",
    "metricSectionId": _SECTION["uuid"],
    "isGenerated": True,
    "displayPoints": False,
    "scaleType": "linear",
    "xAxisScaleType": "linear",
    "range": {},
    "xAxisKey": "step",
    "useGlobalXaxisKey": True,
    "yAxisKey": "metric",
    "useGlobalLineSmoothing": True,
}
# the norm of the PSF jumps from one sampled iteration to the next: smoothed, over the faint raw line, trials part
_NOISY = {"l2_psf": {"scaleType": "log", "useGlobalLineSmoothing": False, "lineSmoothness": 80}}  # 0 to 100


def study_view(objectives: Sequence[Objective], params: Sequence[str], *, more: Sequence[str] = ()) -> dict[str, str]:
    """Return the tags that set the view of a study's trials.

    Args:
        objectives: in order; the first one sorts the runs.
        params: names of the parameters to show.
        more: names of further metrics to show.
    """
    metrics = dict.fromkeys([*(each.name for each in objectives), *more, *SHOWN])
    return view_tags(list(metrics), params, ascending=objectives[0].direction == "minimize")


def view_tags(metrics: Sequence[str], params: Sequence[str], *, ascending: bool) -> dict[str, str]:
    """Return the tags of an experiment that set its view.

    Args:
        metrics: names of the metrics to show as columns and, after the trajectory, as charts; the first sorts the runs.
        params: names of the parameters to show as columns.
        ascending: whether the smallest value of the first metric comes first.
    """
    columns = [f"{kind}.`{name}`" for kind, names in (("metrics", metrics), ("params", params)) for name in names]
    widths = {column: _width(name) for column, name in zip(columns, [*metrics, *params], strict=True)}
    state = {
        "orderByKey": columns[0],
        "orderByAsc": ascending,
        "selectedColumns": columns,
        "columnOrder": [*_OWN_COLUMNS, *columns],
        "columnWidths": _OWN_COLUMNS | widths,
        "runsHiddenMode": "FIRST_20_RUNS",  # in charts; 10 is the UI's default
        "compareRunCharts": [_chart(name) for name in dict.fromkeys([*_TRAJECTORY, *metrics])],
        "compareRunSections": [_SECTION],
    }
    view = {"name": _KEY, "createdAt": 0, "state": json.dumps(state)}
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{_KEY}": json.dumps(view),
    }


def runs_page(served: str, experiment_id: str, *, charts: bool = False) -> str:
    """Return the address of an experiment's runs in that view.

    Args:
        served: the address of the UI.
        experiment_id: MLflow's.
        charts: the chart view rather than the table.
    """
    mode = "&compareRunsMode=CHART" if charts else ""
    return f"{served}/#/experiments/{experiment_id}/runs?viewStateShareKey={_KEY}{mode}&workflowType=machine_learning"


def run_color(number: int) -> str:
    """Return the colour of a trial in tables and charts, `#rrggbb`; the UI's own choice gives many trials the same."""
    # by the golden ratio, numbers that follow each other lie far apart; those of like hue differ in lightness
    red, green, blue = colorsys.hls_to_rgb(number * 0.618034 % 1, (0.32, 0.45, 0.58)[number % 3], 0.7)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _chart(metric: str) -> dict[str, Any]:
    """Return the chart of a metric by step, in the UI's terms; metrics without one get theirs after these."""
    return {**_LINE_CHART, **_NOISY.get(metric, {}), "uuid": metric, "metricKey": metric, "displayName": metric}


def _width(name: str) -> int:
    """Return the pixels that a column needs for its name."""
    return max(78, 24 + 7 * len(name))
