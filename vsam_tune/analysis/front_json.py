"""The object that `front --format json` prints, and MLflow's `front.json`."""

from typing import Any

from vsam_tune.analysis.hypervolume_over import hypervolume_over
from vsam_tune.analysis.results import Noise, StudyResult, TrialRecord
from vsam_tune.analysis.rung_correlation import rung_correlations
from vsam_tune.analysis.search_cost import search_cost


def front_json(result: StudyResult, noise: Noise = "aware") -> dict[str, Any]:
    """Return the object; other tools rely on its keys.

    Args:
        result: of a study.
        noise: `ignore` for no possible trials.
    """
    return {
        "study": result.name,
        "objectives": [each.definition() for each in result.objectives],
        "trials": result.counts(),
        "hypervolume": result.hypervolume(),
        "reference_point": result.effective_reference_point(),
        "points": [_point(trial) for trial in result.front()],
        "knee": result.knee(),
        "noise": noise,
        "possible": [_point(trial) for trial in result.possibly_optimal()] if noise == "aware" else [],
        "hypervolume_over": hypervolume_over(result),
        "cost": search_cost(result.trials),
        "rungs": rung_correlations(result),
    }


def _point(trial: TrialRecord) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "params": trial.params,
        "values": trial.values,
        "errors": trial.errors,
        "metrics": trial.metrics,
    }
