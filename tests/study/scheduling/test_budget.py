import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.toy_study import in_memory, toy_plan
from vsam_tune.study.scheduling.budget import Losses, budget_spent, gain, limits_reached

METRICS = {"epoch": 4.0}


def test_a_budget_of_trials_counts_those_that_are_complete_or_pruned(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, budget={"trials": 2})
    storage = in_memory(plan)
    complete, pruned, failed, running = (storage.ask() for _ in range(4))
    storage.complete(complete, [1.0, 2.0], METRICS)
    storage.fail(failed, "so", METRICS)
    assert not budget_spent(plan, storage)
    storage.prune(pruned, "trial scheduler at epoch 1", METRICS, diverged=False)
    assert not budget_spent(plan, storage)  # one was left behind
    storage.fail(running, "so", METRICS)
    assert budget_spent(plan, storage)


def test_a_budget_of_epochs_counts_those_of_all_trials(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, budget={"trials": None, "epochs": 8})
    storage = in_memory(plan)
    storage.complete(storage.ask(), [1.0, 2.0], METRICS)
    assert not budget_spent(plan, storage)
    storage.fail(storage.ask(), "so", METRICS)
    assert budget_spent(plan, storage)


def test_a_budget_of_seconds_counts_those_of_all_starts(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, budget={"trials": None, "seconds": 60})
    storage = in_memory(plan)
    storage.add_seconds(59)
    assert not budget_spent(plan, storage)
    storage.add_seconds(1)
    assert budget_spent(plan, storage)


def test_whichever_limit_is_reached_first_ends_a_budget(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, budget={"trials": 9, "epochs": 90, "seconds": 60})
    storage = in_memory(plan)
    assert not budget_spent(plan, storage)
    storage.add_seconds(60)
    assert budget_spent(plan, storage)


def test_a_list_of_replicates_ends_with_the_last_of_them(tmp_path: Path) -> None:
    plan = replace(toy_plan(tmp_path, budget={"trials": 1}), fixed_trials=[{"x": 0.5}, {"x": 1.0}])
    storage = in_memory(plan)
    storage.complete(storage.ask(), [1.0, 2.0], METRICS)
    assert not budget_spent(plan, storage)
    storage.complete(storage.ask(), [1.0, 2.0], METRICS)
    assert budget_spent(plan, storage)


def test_gpu_hours_are_those_of_all_starts(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, budget={"trials": None, "gpu_hours": 2}, resources={"gpus": 1})
    storage = in_memory(plan)
    storage.add_gpu_seconds(2 * 3600 - 1)
    assert not budget_spent(plan, storage)
    storage.add_gpu_seconds(1)
    assert budget_spent(plan, storage)
    (limit,) = limits_reached(plan, storage)
    assert (limit.reason, limit.larger) == ("2.00 of 2 GPU hours are used", "budget.gpu_hours=N")


def test_patience_ends_a_search_whose_last_trials_raised_the_hypervolume_by_too_little(tmp_path: Path) -> None:
    """From the corner (2, 2): 1, then 1.005 of it in two steps, then 4."""
    plan = toy_plan(tmp_path, budget={"trials": None, "patience": 2}, reference_point={"loss": 2, "cost": 2})
    storage = in_memory(plan)
    for values in ([1.0, 1.0], [0.998, 1.0]):
        storage.complete(storage.ask(), values, METRICS)
        assert not budget_spent(plan, storage)
    storage.prune(storage.ask(), "trial scheduler at epoch 1", METRICS, diverged=False)
    assert budget_spent(plan, storage)
    (limit,) = limits_reached(plan, storage)
    assert limit.reason == "the last 2 raised the hypervolume by 0.2 %"
    storage.complete(storage.ask(), [0.0, 0.0], METRICS)
    assert not budget_spent(plan, storage)


def test_the_proposed_patience_is_the_smallest_that_is_not_exhausted(tmp_path: Path) -> None:
    point = {"loss": 2, "cost": 2}
    storage = in_memory(toy_plan(tmp_path, reference_point=point))
    for values in ([1.0, 1.0], [0.5, 1.0], [0.5, 1.0], [0.5, 1.0], [0.5, 1.0]):
        storage.complete(storage.ask(), values, METRICS)
    for patience in (1, 2, 3):
        plan = toy_plan(tmp_path, budget={"patience": patience}, reference_point=point)
        (limit,) = limits_reached(plan, storage)
        assert limit.larger == "budget.patience=4"
    larger = toy_plan(tmp_path, budget={"patience": 4}, reference_point=point)
    assert not budget_spent(larger, storage)


@pytest.mark.parametrize(
    ("losses", "patience", "raised"),
    [
        ([], 1, None),
        ([[1.0, 1.0]], 1, None),
        ([[1.0, 1.0], [1.0, 1.0]], 1, 0.0),
        ([[1.0, 1.0], [0.0, 0.0]], 1, 3.0),
        ([[1.0, 1.0], None, None], 2, 0.0),
        ([None, None, None], 2, 0.0),
        ([None, [1.0, 1.0]], 1, math.inf),
        ([[3.0, 3.0], [1.0, 1.0]], 1, math.inf),
        ([[3.0, 3.0], [4.0, 4.0]], 1, 0.0),
    ],
)
def test_a_gain_is_a_part_of_the_hypervolume_before(losses: list[Losses], patience: int, raised: float | None) -> None:
    assert gain(losses, patience, [2.0, 2.0]) == raised


def test_without_a_reference_point_both_volumes_have_that_of_all_trials() -> None:
    losses: list[Losses] = [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]  # from (1.1, 1.1): 0.21 before, 1.21 after
    assert gain(losses, 1, None) == pytest.approx(1.21 / 0.21 - 1)


values = st.floats(-10, 10).map(lambda value: round(value, 3))
histories = st.lists(st.none() | st.lists(values, min_size=2, max_size=2), max_size=12)


@given(history=histories, patience=st.integers(1, 12))
def test_a_gain_is_never_negative_and_grows_with_patience(history: list[Losses], patience: int) -> None:
    corner = [5.0, 5.0]
    raised, more = (gain(history, each, corner) for each in (patience, patience + 1))
    if raised is None:
        assert more is None
    else:
        assert raised >= -1e-12
        assert more is None or more >= raised - 1e-12


def test_losses_come_in_the_order_in_which_trials_ended(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, objectives=[{"name": "loss", "direction": "minimize"}, "ais"])
    storage = in_memory(plan)
    first, second, third, failed, _ = (storage.ask() for _ in range(5))
    storage.complete(third, [3.0, 30.0], METRICS)
    storage.prune(first, "trial scheduler at epoch 1", METRICS, diverged=False)
    storage.fail(failed, "so", METRICS)
    storage.complete(second, [2.0, 20.0], METRICS)
    infeasible = storage.ask()
    infeasible.set_constraint("loss", 0.5)
    storage.complete(infeasible, [1.0, 10.0], METRICS)
    assert storage.losses_by_end() == [[3.0, -30.0], None, [2.0, -20.0], None]
    assert storage.reference_losses() is None
    storage.fix_reference_point({"loss": 4.0, "ais": 10.0})
    assert storage.reference_losses() == [4.0, -10.0]


def test_an_exhausted_grid_is_a_limit_that_no_setting_enlarges(tmp_path: Path) -> None:
    space = {"x": {"type": "categorical", "choices": [1, 2]}}
    plan = toy_plan(tmp_path, sampler={"kind": "grid"}, space=space, budget={"trials": 9})
    storage = in_memory(plan)
    for x in (1, 2):
        assert limits_reached(plan, storage) == []
        trial = storage.ask()
        trial.suggest_categorical("x", [1, 2])
        storage.complete(trial, [1.0, float(x)], METRICS)
    (limit,) = limits_reached(plan, storage)
    assert (limit.name, limit.larger) == ("grid", None)
