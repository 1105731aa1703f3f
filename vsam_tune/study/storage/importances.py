"""The importance of each searched hyper-parameter for each objective, by Optuna's PED-ANOVA."""

import warnings
from collections.abc import Sequence
from typing import TypedDict

from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, TrialState

from vsam_tune.analysis.results import Objective

FEWEST_TRIALS = 20
_BEST = 0.1  # of the trials, as Optuna has it
_FEWEST_BEST = 5  # of the trials; Optuna recommends as many


class Importances(TypedDict):
    """What moved each objective.

    Attributes:
        trials: complete trials that they come from.
        best: the part of these trials that counts as good in an objective; None for too few trials.
        objectives: by objective name, then by parameter name, the largest first: shares of 1 in all. They are all 0
            where the good trials have the parameters of all trials. Empty for too few trials.
    """

    trials: int
    best: float | None
    objectives: dict[str, dict[str, float]]


def parameter_importances(study: OptunaStudy, objectives: Sequence[Objective]) -> Importances:
    """Return how much each parameter decides whether a trial is among the best in an objective.

    PED-ANOVA (Watanabe et al. 2023) compares the parameters of the best trials with those of all complete trials. A
    conditional parameter counts by the trials that have it (Optuna's conditional PED-ANOVA).

    choice: the best are the best tenth, but at least five trials, and fewer than 20 trials have no importances: five of
    them would be more than a quarter.

    Args:
        study: Optuna's, of a search.
        objectives: in its order.
    """
    count = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    if count < FEWEST_TRIALS:
        return Importances(trials=count, best=None, objectives={})
    best = max(_BEST, _FEWEST_BEST / count)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=best)
    found = {each.name: _importances(study, evaluator, index, each.sign) for index, each in enumerate(objectives)}
    return Importances(trials=count, best=best, objectives=found)


def _importances(
    study: OptunaStudy, evaluator: PedAnovaImportanceEvaluator, index: int, sign: float
) -> dict[str, float]:
    def loss(trial: FrozenTrial) -> float:
        return sign * float(trial.values[index])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a small target is good, and that a condition holds in few trials
        found = get_param_importances(study, evaluator=evaluator, target=loss, normalize=False)
    total = sum(found.values())
    shares = {name: value / total if total else 0.0 for name, value in found.items()}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
