"""How the MLflow UI opens a study: as model training, with the columns that people come for.

Both are tags of the MLflow experiment. The UI reads its shared views from tags, compressed or as plain JSON, when the
address names one (seen in MLflow 3.17). Its chart view needs nothing: it draws every metric by step.
"""

import json
from collections.abc import Sequence

_KEY = "study"  # of the shared view


def view_tags(metrics: Sequence[str], params: Sequence[str]) -> dict[str, str]:
    """Return the tags of an experiment that set its view.

    Args:
        metrics: names of the metrics to show as columns; runs are sorted by the first, best of many first.
        params: names of the parameters to show as columns.
    """
    columns = [*(f"metrics.`{name}`" for name in metrics), *(f"params.`{name}`" for name in params)]
    state = {"orderByKey": columns[0], "orderByAsc": False, "selectedColumns": columns}
    return {"mlflow.experimentKind": "custom_model_development", f"mlflow.sharedViewState.{_KEY}": json.dumps(state)}


def runs_page(served: str, experiment_id: str, *, charts: bool = False) -> str:
    """Return the address of an experiment's runs in that view.

    Args:
        served: the address of the UI.
        experiment_id: MLflow's.
        charts: the chart view rather than the table.
    """
    mode = "&compareRunsMode=CHART" if charts else ""
    return f"{served}/#/experiments/{experiment_id}/runs?viewStateShareKey={_KEY}{mode}"
