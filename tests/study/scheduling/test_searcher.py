"""The searcher, called as Ray calls it: by keyword, one suggestion at a time, with a call at each trial's end."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.support.toy_study import in_memory, toy_plan
from tests.support.without_ray import LAST, METRICS, RAYS_OWN, STAMPS, Toy
from vsam_tune.study.scheduling.failures import Consequence, Failure
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.trial import trial_seed

BESIDE_SAM = {
    "objectives": [{"name": "loss", "direction": "minimize"}, {"name": "ais_vs_sam", "direction": "maximize"}]
}

NO_RETRIES = {"resources": {"retries": 0}}

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
    toy = Toy(tmp_path, NO_RETRIES)
    toy.searcher.suggest("a")
    toy.searcher.arrivals("a", dict(LAST))
    toy.searcher.note_failure("a", Failure("Traceback\nValueError: so"))
    toy.searcher.on_trial_complete(trial_id="a", error=True)
    record = toy.storage.record(0)
    assert (record.state, record.values, record.epochs) == ("fail", {}, 4)
    assert record.error == "Traceback\nValueError: so"


@pytest.mark.parametrize("noted", [True, False])
def test_a_worker_that_is_gone_is_said_to_be(noted: bool, tmp_path: Path) -> None:
    toy = Toy(tmp_path, NO_RETRIES)
    toy.searcher.suggest("a")
    if noted:
        toy.searcher.note_failure("a", Failure(""))
    toy.searcher.on_trial_complete(trial_id="a", error=True)
    assert toy.storage.record(0).error == (
        "the worker process died without an error message: it was killed, or ran out of memory"
    )


def test_what_the_worker_left_goes_before_what_ray_says(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, **NO_RETRIES)
    storage = in_memory(plan)
    searcher = OptunaSearcher(storage, plan, folder=tmp_path, workers=1, stamps={})
    searcher.suggest("a")
    (tmp_path / "trials" / "00000").mkdir(parents=True)
    (tmp_path / "trials" / "00000" / "error.txt").write_text("Traceback\nMemoryError: there\n")
    assert searcher.note_failure("a", Failure("what Ray says")).text == "Traceback\nMemoryError: there"
    searcher.on_trial_complete(trial_id="a", error=True)
    assert storage.record(0).error == "Traceback\nMemoryError: there"


def test_a_trial_that_failed_starts_again_as_often_as_the_retries_allow(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"resources": {"retries": 2}, "budget": {"trials": 1}})
    toy.searcher.suggest("a")
    toy.searcher.arrivals("a", dict(LAST))
    for former, now in (("a", "b"), ("b", "c")):
        toy.searcher.note_failure(former, Failure("first"))
        toy.searcher.on_trial_complete(trial_id=former, error=True)
        assert (toy.storage.record(0).state, toy.searcher.failures) == ("running", 0)
        config = toy.searcher.suggest(now)
        assert isinstance(config, dict)
        assert config["number"] == 0
        assert toy.searcher.suggest("other") is None
    toy.searcher.note_failure("c", Failure("last"))
    toy.searcher.on_trial_complete(trial_id="c", error=True)
    record = toy.storage.record(0)
    assert (record.state, record.error, record.resumed, toy.searcher.failures) == ("fail", "last", 0, 1)
    assert record.metrics == METRICS  # the newest report, though it came before the first failure
    assert toy.searcher.suggest("d") is not None


def test_a_trial_whose_setup_failed_does_not_start_again(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"resources": {"retries": 2}})
    toy.searcher.suggest("a")
    toy.searcher.note_failure("a", Failure("ValueError: so", Consequence.FAIL))
    toy.searcher.on_trial_complete(trial_id="a", error=True)
    assert (toy.storage.record(0).state, toy.storage.record(0).error) == ("fail", "ValueError: so")


def test_a_trial_that_needs_a_new_worker_has_not_failed(tmp_path: Path) -> None:
    toy = Toy(tmp_path, NO_RETRIES)
    toy.searcher.suggest("a")
    for former, now in (("a", "b"), ("b", "c")):
        toy.searcher.note_failure(former, Failure("reset_config returned False", Consequence.NEW_WORKER))
        toy.searcher.on_trial_complete(trial_id=former, error=True)
        assert toy.searcher.suggest(now) is not None
    toy.end("c")
    assert (toy.storage.record(0).state, toy.searcher.failures) == ("complete", 0)


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


# Budgets of GPU hours and of patience


def test_gpu_hours_count_the_trials_that_run_and_every_attempt(tmp_path: Path) -> None:
    budget = {"budget": {"trials": None, "gpu_hours": 1}, "resources": {"gpus": 0.5, "retries": 1}}
    toy = Toy(tmp_path, budget, workers=1)
    toy.searcher.suggest("a")
    toy.clock.now += 3600
    toy.searcher.note_failure("a", Failure("so"))
    toy.searcher.on_trial_complete(trial_id="a", error=True)
    assert toy.storage.gpu_seconds() == 1800
    assert isinstance(toy.searcher.suggest("b"), dict)  # its second attempt
    toy.clock.now += 3000
    toy.end("b")
    assert toy.storage.gpu_seconds() == 3300
    toy.restart()  # the time of the driver that is gone is stored
    toy.clock.now += 9999  # no trial runs
    assert isinstance(toy.searcher.suggest("c"), dict)
    toy.clock.now += 600
    toy.end("c")
    assert toy.searcher.suggest("d") == OptunaSearcher.FINISHED


def test_gpu_hours_of_running_trials_keep_others_from_starting(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"budget": {"trials": None, "gpu_hours": 1}, "resources": {"gpus": 1}}, workers=3)
    toy.searcher.suggest("a")
    toy.searcher.suggest("b")
    toy.clock.now += 1799
    assert toy.searcher.suggest("c") is not None
    toy.clock.now += 1
    toy.end("c")
    assert toy.searcher.suggest("d") is None
    toy.searcher.note_interruption()
    assert toy.storage.gpu_seconds() == 3601


def test_without_gpus_nothing_is_counted(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.searcher.suggest("a")
    toy.clock.now += 10
    toy.end("a")
    assert toy.storage.gpu_seconds() == 0


def test_patience_waits_for_the_trials_that_run_and_goes_on_if_they_raise_the_hypervolume(tmp_path: Path) -> None:
    sections = {"budget": {"trials": None, "patience": 2}, "reference_point": {"loss": 2, "cost": 3}}
    toy = Toy(tmp_path, sections, workers=2)
    toy.searcher.suggest("a")
    toy.searcher.suggest("b")
    for ends, starts in (("a", "c"), ("c", "d")):
        toy.end(ends)
        assert isinstance(toy.searcher.suggest(starts), dict)
    toy.end("d")
    assert [toy.searcher.suggest("e") for _ in range(3)] == [None] * 3  # two trials raised nothing, and one runs
    toy.end("b", loss=0.5)
    assert isinstance(toy.searcher.suggest("e"), dict)
    toy.end("e")
    assert isinstance(toy.searcher.suggest("f"), dict)
    toy.end("f")
    assert toy.searcher.suggest("g") == OptunaSearcher.FINISHED
    toy.restart()
    assert toy.searcher.suggest("h") == OptunaSearcher.FINISHED


def test_out_of_patience_no_trial_is_promoted(tmp_path: Path) -> None:
    sections = {"budget": {"trials": None, "patience": 1}, "reference_point": {"loss": 2, "cost": 3}}
    toy = Toy(tmp_path, sections, workers=1)
    toy.searcher.ask_for_promotions(lambda _: 0)
    toy.searcher.suggest("a")
    toy.searcher.pause("a", 1)
    toy.end("a", epoch=1)
    for trial_id in ("b", "c"):
        toy.searcher.ask_for_promotions(lambda _: None)
        toy.searcher.suggest(trial_id)
        toy.end(trial_id)
    toy.searcher.ask_for_promotions(lambda _: 0)
    assert toy.searcher.suggest("d") == OptunaSearcher.FINISHED
    assert toy.searcher.never_promoted == [0]
