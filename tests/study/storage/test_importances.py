"""Which parameter moved which objective: Optuna's PED-ANOVA, for each objective in its direction."""

import optuna
import pytest
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from vsam_tune.analysis.results import Objective
from vsam_tune.study.storage.importances import Importances, parameter_importances

NAMES = (Objective("speed", "maximize"), Objective("error", "minimize"))


def importances(num_trials: int, objectives: tuple[Objective, ...] = NAMES) -> Importances:
    """Return those of a study whose speed depends on x and whose error on y; z belongs to half of the trials."""
    directions = [each.direction for each in objectives]
    study = optuna.create_study(directions=directions, sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(num_trials):
        trial = study.ask()
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        if trial.suggest_categorical("kind", ["a", "b"]) == "a":
            trial.suggest_float("z", 0, 1)
        if number % 10 == 9:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, [each.sign * value for each, value in zip(objectives, (-x, y), strict=True)])
    return parameter_importances(study, objectives)


def test_each_objective_names_the_parameter_that_it_depends_on() -> None:
    found = importances(100)
    assert (found["trials"], found["best"]) == (90, 0.1)
    assert list(found["objectives"]) == ["speed", "error"]
    speed, error = found["objectives"].values()
    assert set(speed) == set(error) == {"x", "y", "z", "kind"}
    assert next(iter(speed)) == "x"
    assert next(iter(error)) == "y"
    assert speed["x"] > 0.7
    assert error["y"] > 0.7
    assert sum(speed.values()) == pytest.approx(1.0)
    assert list(speed.values()) == sorted(speed.values(), reverse=True)


def test_the_direction_of_an_objective_is_only_a_sign() -> None:
    mirrored = tuple(Objective(each.name, "minimize" if each.direction == "maximize" else "maximize") for each in NAMES)
    assert importances(100, mirrored) == importances(100)


def test_few_trials_have_none_and_at_least_five_count_as_good() -> None:
    assert importances(21) == {"trials": 19, "best": None, "objectives": {}}
    found = importances(22)
    assert (found["trials"], found["best"]) == (20, 0.25)
    assert found["objectives"].keys() == {"speed", "error"}


def test_one_objective_of_fifty_trials_is_what_optuna_prints() -> None:
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 1, 9) / 20, n_trials=50)
    expected = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    found = parameter_importances(study, [Objective("sum", "maximize")])["objectives"]["sum"]
    assert found == pytest.approx(expected)


def test_an_objective_that_is_constant_has_no_important_parameter() -> None:
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(lambda trial: 1.0 + 0 * trial.suggest_float("x", 0, 1), n_trials=20)
    assert parameter_importances(study, [Objective("constant", "minimize")])["objectives"] == {"constant": {"x": 0.0}}
