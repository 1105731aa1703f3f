from dataclasses import replace
from pathlib import Path

from tests.support.toy_study import in_memory, toy_plan
from vsam_tune.study.scheduling.budget import budget_spent

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
