"""The searcher, called as Ray calls it: by keyword, one suggestion at a time, told of each trial's end."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces.schema import CategoricalDimension, FloatDimension, IntDimension
from tests.support.toy_study import X, in_memory, on_disk, toy_plan
from tests.support.without_ray import LAST, METRICS, RAYS_OWN, STAMPS, Toy, end_with, searcher_of
from vsam_tune.study.scheduling.searcher import OptunaSearcher, suggest_params
from vsam_tune.trial import trial_seed

BESIDE_SAM = {
    "objectives": [{"name": "loss", "direction": "minimize"}, {"name": "ais_vs_sam", "direction": "maximize"}]
}

# How a trial ends


def test_a_trial_that_ended_by_itself_is_complete_with_its_objectives_in_order(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.searcher.suggest("a")
    toy.end("a")
    record = toy.storage.record(0)
    assert (record.state, record.values, record.feasible) == ("complete", {"loss": 1.25, "cost": 2.5}, True)
    assert record.metrics == METRICS
    assert toy.storage._study.trials[0].values == [1.25, 2.5]


def test_a_stopped_trial_is_pruned_and_never_complete(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.searcher.suggest("a")
    toy.searcher.stop("a", "trial scheduler at epoch 1")
    toy.end("a", epoch=1)
    record = toy.storage.record(0)
    assert (record.state, record.values, record.feasible) == ("pruned", {}, True)
    assert (record.stopped, record.epochs, record.metrics["loss"]) == ("trial scheduler at epoch 1", 1, 1.25)


def test_a_trial_that_diverged_is_pruned_and_infeasible(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.searcher.suggest("a")
    toy.end_with("a", {"epoch": 2, "diverged": 20, **RAYS_OWN})
    record = toy.storage.record(0)
    assert (record.state, record.values, record.feasible) == ("pruned", {}, False)
    assert record.stopped == "diverged at iteration 20"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_objective_that_is_not_finite_is_pruned_and_infeasible(value: float, tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.searcher.suggest("a")
    toy.end("a", cost=value)
    record = toy.storage.record(0)
    assert (record.state, record.values, record.feasible) == ("pruned", {}, False)
    assert record.stopped == "no finite cost was reported"


def test_an_objective_that_is_missing_is_pruned_and_infeasible(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.searcher.suggest("a")
    toy.end_with("a", {"epoch": 4, **RAYS_OWN})
    assert toy.storage.record(0).stopped == "no finite loss, cost was reported"
    assert not toy.storage.record(0).feasible


WITHHELD = "3 blocks, of 8 at least"


def test_a_trial_whose_speed_is_withheld_is_pruned_for_the_reason_and_feasible(tmp_path: Path) -> None:
    toy = Toy(tmp_path, BESIDE_SAM)
    toy.searcher.suggest("a")
    toy.end("a", ais_vs_sam=math.nan, unreliable_reason=WITHHELD)
    record = toy.storage.record(0)
    assert (record.state, record.values, record.feasible) == ("pruned", {}, True)
    assert record.stopped == f"no finite ais_vs_sam was reported: {WITHHELD}"
    assert record.metrics == METRICS


@pytest.mark.parametrize("last", [{"loss": math.nan, "unreliable_reason": WITHHELD}, {"unreliable_reason": ""}, {}])
def test_what_is_ill_for_another_reason_is_infeasible_still(last: dict[str, Any], tmp_path: Path) -> None:
    toy = Toy(tmp_path, BESIDE_SAM)
    toy.searcher.suggest("a")
    toy.end("a", ais_vs_sam=math.nan, **last)
    assert (toy.storage.record(0).state, toy.storage.record(0).feasible) == ("pruned", False)


def test_a_trial_whose_speed_is_withheld_is_complete_where_nobody_asks_for_it(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.searcher.suggest("a")
    toy.end("a", ais_vs_sam=math.nan, unreliable_reason=WITHHELD)
    record = toy.storage.record(0)
    assert (record.state, record.metrics) == ("complete", METRICS)
    json.dumps(record.metrics, allow_nan=False)


def test_a_trial_that_crashed_has_failed_whatever_it_had_reported(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.searcher.suggest("a")
    toy.searcher.arrivals("a", dict(LAST))
    toy.searcher.note_error("a", "first")
    toy.searcher.note_error("a", "Traceback\nValueError: so")
    toy.searcher.on_trial_complete(trial_id="a", error=True)
    record = toy.storage.record(0)
    assert (record.state, record.values, record.epochs) == ("fail", {}, 4)
    assert record.error == "Traceback\nValueError: so"


@pytest.mark.parametrize("noted", [True, False])
def test_a_worker_that_is_gone_is_said_to_be(noted: bool, tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.searcher.suggest("a")
    if noted:
        toy.searcher.note_error("a", "")
    toy.searcher.on_trial_complete(trial_id="a", error=True)
    assert toy.storage.record(0).error == "the worker died without a word: killed, or out of memory"


def test_what_the_worker_left_goes_before_what_ray_says(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path)
    storage = in_memory(plan)
    searcher = OptunaSearcher(storage, plan, folder=tmp_path, workers=1, stamps={})
    searcher.suggest("a")
    (tmp_path / "trials" / "00000").mkdir(parents=True)
    (tmp_path / "trials" / "00000" / "error.txt").write_text("Traceback\nMemoryError: there\n")
    assert searcher.note_error("a", "what Ray says") == "Traceback\nMemoryError: there"
    searcher.on_trial_complete(trial_id="a", error=True)
    assert storage.record(0).error == "Traceback\nMemoryError: there"


def test_a_trial_that_ends_without_a_result_is_judged_by_its_last_one(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.searcher.suggest("a")
    toy.searcher.arrivals("a", dict(LAST))
    toy.searcher.on_trial_complete(trial_id="a")
    assert toy.storage.record(0).values == {"loss": 1.25, "cost": 2.5}
    toy.searcher.suggest("b")
    toy.searcher.on_trial_complete(trial_id="b")
    assert toy.storage.record(1).state == "pruned"


def test_the_end_of_a_trial_of_someone_else_changes_nothing(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.end("nobody")
    assert toy.storage.records() == []


@pytest.mark.parametrize("kind", ["tpe", "nsga2", "random"])
def test_the_sampler_goes_on_after_trials_without_values(kind: str, tmp_path: Path) -> None:
    few = {"tpe": {"startup_trials": 3}, "nsga2": {"population_size": 2}, "random": {}}[kind]
    toy = Toy(tmp_path, {"sampler": {"kind": kind, **few}, "budget": {"trials": 30}})
    for number in range(20):
        trial_id = str(number)
        x = toy.searcher.suggest(trial_id)["params"]["x"]
        match number % 4:
            case 0:
                toy.end(trial_id, loss=math.nan)
            case 1:
                toy.searcher.on_trial_complete(trial_id=trial_id, error=True)
            case 2:
                toy.searcher.stop(trial_id, "trial scheduler at epoch 1")
                toy.end(trial_id)
            case 3:
                toy.end(trial_id, loss=(x - 1) ** 2, cost=(x + 1) ** 2)
    assert toy.storage.result().counts() == {"complete": 5, "pruned": 10, "fail": 5, "running": 0, "waiting": 0}


# What is suggested


def test_a_suggestion_is_all_that_a_worker_needs(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"task": {"epochs": 3, "seed": 5}, "resources": {"cpus": 2, "gpus": 0.5}})
    toy.searcher.suggest("a")
    config = toy.searcher.suggest("b")
    assert isinstance(config, dict)
    assert (config["number"], config["folder"]) == (1, "/study/trials/00001")
    assert (config["cpus"], config["gpus"], config["final"]) == (2.0, 0.5, False)
    assert (config["test"], config["replicates"]) == (False, 1)
    assert (config["task"]["epochs"], config["method"]["name"]) == (3, "toy")
    assert config["params"] == {"x": config["method"]["x"]}
    record = toy.storage.record(1)
    assert (record.state, record.params, record.seed) == ("running", config["params"], config["seed"])
    assert record.ray_trial_id == "b"
    assert {**STAMPS, "ray_trial_ids": ["b"]}.items() <= toy.storage._study.trials[1].user_attrs.items()


def test_the_seed_of_a_trial_follows_from_the_seed_of_the_task_and_its_number(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"task": {"seed": 5}})
    seeds = [toy.searcher.suggest(trial_id)["seed"] for trial_id in "abc"]
    assert seeds == [trial_seed(5, "trial", number) for number in range(3)]
    assert len(set(seeds)) == 3


def test_starting_points_come_first_and_what_they_leave_out_is_drawn(tmp_path: Path) -> None:
    space = {"x": X, "y": {"type": "int", "low": 1, "high": 9}}
    toy = Toy(tmp_path, {"space": space, "initial": [{"x": 0.5, "y": 3}, {"x": -0.25}]})
    first, second, third = (toy.searcher.suggest(trial_id)["params"] for trial_id in "abc")
    assert first == {"x": 0.5, "y": 3}
    assert second["x"] == -0.25
    assert 1 <= second["y"] <= 9
    assert -1.5 <= third["x"] <= 1.5


SPACE = {
    "kind": CategoricalDimension(type="categorical", choices=("a", "b")),
    "depth": IntDimension(type="int", low=1, high=5, when={"kind": ("a",)}),
    "width": FloatDimension(type="float", low=0.25, high=1.0, step=0.25, when={"depth": (1, 2)}),
    "shade": FloatDimension(type="float", low=1e-4, high=1.0, log=True, when={"fixed": (True,)}),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31 - 1), fixed=st.booleans(), kind=st.sampled_from(["tpe", "random", "nsga2"]))
def test_a_parameter_exists_just_where_its_condition_holds(seed: int, fixed: bool, kind: str, tmp_path: Path) -> None:
    storage = in_memory(toy_plan(tmp_path, sampler={"kind": kind, "seed": seed}))
    for _ in range(5):
        params = suggest_params(storage.ask(), SPACE, {"fixed": fixed})
        assert ("depth" in params) == (params["kind"] == "a")
        assert ("width" in params) == (params.get("depth") in (1, 2))
        assert ("shade" in params) == fixed
        assert all(SPACE[name].contains(value) for name, value in params.items())
    assert [list(record.params) for record in storage.records()][-1] == list(params)


@pytest.mark.parametrize("kind", ["tpe", "random", "nsga2"])
def test_the_same_seed_draws_the_same_and_seed_0_is_a_seed(kind: str, tmp_path: Path) -> None:
    def drawn(seed: int) -> list[float]:
        toy = Toy(tmp_path, {"sampler": {"kind": kind, "seed": seed}})
        return [toy.searcher.suggest(trial_id)["params"]["x"] for trial_id in "abcd"]

    assert drawn(0) == drawn(0)
    assert drawn(7) == drawn(7)
    assert not set(drawn(0)) & set(drawn(7))


@pytest.mark.parametrize("kind", ["tpe", "random", "nsga2"])
def test_a_restarted_driver_does_not_draw_the_same_again(kind: str, tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, sampler={"kind": kind}, budget={"trials": 12})
    drawn = []
    for start in range(3):
        searcher = searcher_of(plan, on_disk(plan, tmp_path))
        for number in range(4):
            drawn.append(searcher.suggest(f"{start}-{number}")["params"]["x"])
            end_with(searcher, f"{start}-{number}", LAST)
    assert len(set(drawn)) == 12
