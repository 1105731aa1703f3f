"""How many trials the searcher suggests, and what it does after a restart."""

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ray.tune.search import Searcher

from tests.support.properties import expensive
from tests.support.toy_study import X, on_disk, toy_plan
from tests.support.without_ray import LAST, Toy, searcher_of

NO_RETRIES = {"resources": {"retries": 0}}

# How many


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    workers=st.integers(1, 4),
    trials=st.integers(1, 8),
    choices=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["complete", "stop", "nan", "fail"])), max_size=40),
)
def test_whatever_happens_the_budget_is_met_exactly_and_the_workers_are_never_exceeded(
    workers: int, trials: int, choices: list[tuple[int, str]], tmp_path: Path
) -> None:
    toy = Toy(tmp_path, {"budget": {"trials": trials}}, workers=workers)
    running: list[str] = []
    count = 0
    while True:
        suggestion = toy.searcher.suggest(f"t{count}")
        if isinstance(suggestion, dict):
            running.append(f"t{count}")
            count += 1
            assert len(running) <= workers
            continue
        if suggestion == Searcher.FINISHED:
            break
        assert running, "nothing runs, nothing is suggested, and it is not finished: Ray would wait for ever"
        which, how = choices.pop() if choices else (0, "complete")
        trial_id = running.pop(which % len(running))
        if how == "fail":
            toy.searcher.on_trial_complete(trial_id=trial_id, error=True)
            continue
        if how == "stop":
            toy.searcher.stop(trial_id, "trial scheduler at epoch 1")
        toy.end(trial_id, **({"loss": math.nan} if how == "nan" else {}))
    assert not running
    counts = toy.storage.result().counts()
    assert counts["running"] == 0
    finished = counts["complete"] + counts["pruned"]
    assert finished == trials or (finished < trials and counts["fail"] >= 3 + finished)


def test_while_trials_run_it_is_not_finished(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"budget": {"trials": 1}, **NO_RETRIES})
    toy.searcher.suggest("a")
    assert toy.searcher.suggest("b") is None
    toy.searcher.on_trial_complete(trial_id="a", error=True)
    assert toy.searcher.suggest("c")["number"] == 1  # in place of the one that failed
    toy.end("c")
    assert toy.searcher.suggest("d") == Searcher.FINISHED


def test_a_budget_of_epochs_counts_those_that_running_trials_were_promised(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"task": {"epochs": 4}, "budget": {"trials": None, "epochs": 9}})
    assert [isinstance(toy.searcher.suggest(trial_id), dict) for trial_id in "abcd"] == [True, True, True, False]
    toy.searcher.stop("a", "trial scheduler at epoch 1")
    toy.end("a", epoch=1)  # three epochs are free again: 1 + 2 * 4 = 9 are not
    assert toy.searcher.suggest("e") is None
    toy.searcher.stop("b", "trial scheduler at epoch 2")
    toy.end("b", epoch=2)
    assert isinstance(toy.searcher.suggest("f"), dict)  # 1 + 2 + 4 < 9
    toy.end("c")
    toy.end("f")
    assert toy.searcher.suggest("g") == Searcher.FINISHED
    assert sum(record.epochs for record in toy.storage.records()) == 11


def test_a_budget_of_epochs_counts_those_of_all_replicates(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"replicates": 3, "budget": {"trials": None, "epochs": 20}})
    toy.searcher.suggest("a")
    assert isinstance(toy.searcher.suggest("b"), dict)  # 12 of 20 are promised
    assert toy.searcher.suggest("c") is None
    toy.end("a", epoch=4)  # a race ended it after one of three
    assert isinstance(toy.searcher.suggest("c"), dict)  # 4 and 12


def test_a_budget_of_epochs_goes_on_after_a_restart(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"task": {"epochs": 4}, "budget": {"trials": None, "epochs": 8}, **NO_RETRIES})
    toy.searcher.suggest("a")
    toy.end("a")
    toy.searcher.suggest("b")
    toy.searcher.arrivals("b", dict(LAST))
    toy.searcher.on_trial_complete(trial_id="b", error=True)
    toy.restart()
    assert toy.searcher.suggest("c") == Searcher.FINISHED


def test_a_budget_of_seconds_adds_up_over_starts(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"budget": {"trials": None, "seconds": 60}})
    toy.searcher.suggest("a")
    toy.clock.now += 40
    toy.end("a")
    assert toy.storage.seconds() == 40
    toy.clock.now = 7.0  # another process, another clock
    toy.restart()
    assert isinstance(toy.searcher.suggest("b"), dict)
    toy.clock.now += 19
    assert isinstance(toy.searcher.suggest("c"), dict)
    toy.clock.now += 1
    assert toy.searcher.suggest("d") is None
    toy.end("b")
    toy.end("c")
    assert toy.storage.seconds() == 60
    assert toy.searcher.suggest("e") == Searcher.FINISHED


def test_it_gives_up_when_trials_fail_again_and_again(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"budget": {"trials": 9}, **NO_RETRIES})
    for trial_id in ("a", "b", "c"):
        assert not toy.searcher.given_up()
        toy.searcher.suggest(trial_id)
        toy.searcher.on_trial_complete(trial_id=trial_id, error=True)
    assert toy.searcher.given_up()
    assert toy.searcher.suggest("d") == Searcher.FINISHED
    toy.restart()  # the cause may be gone
    assert isinstance(toy.searcher.suggest("e"), dict)


def test_a_success_pays_for_a_failure(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"budget": {"trials": 9}})
    for number in range(8):
        trial_id = str(number)
        assert isinstance(toy.searcher.suggest(trial_id), dict)
        if number % 2:
            toy.end(trial_id)
        else:
            toy.searcher.on_trial_complete(trial_id=trial_id, error=True)
    assert not toy.searcher.given_up()


# After a restart


def test_trials_left_behind_are_taken_up_first_under_their_number_with_their_parameters(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"budget": {"trials": 4}}, workers=2)
    toy.searcher.suggest("a")
    toy.end("a")
    left = [toy.searcher.suggest(trial_id) for trial_id in ("b", "c")]
    toy.restart()
    again = [toy.searcher.suggest(trial_id) for trial_id in ("d", "e")]
    assert again == left
    assert toy.searcher.suggest("f") is None
    assert [toy.storage.record(number).resumed for number in (0, 1, 2)] == [0, 1, 1]
    assert toy.storage._study.trials[1].user_attrs["ray_trial_ids"] == ["b", "d"]
    toy.end("d")
    assert toy.searcher.suggest("g")["number"] == 3
    toy.end("e")
    toy.end("g")
    assert toy.searcher.suggest("h") == Searcher.FINISHED
    assert toy.storage.result().counts()["complete"] == 4


def test_trials_left_behind_are_finished_even_if_the_budget_was_cut_down(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"budget": {"trials": 4}})
    left = [toy.searcher.suggest(trial_id) for trial_id in "abc"]
    toy.plan = toy_plan(tmp_path, budget={"trials": 1})
    toy.restart()
    assert [toy.searcher.suggest(trial_id) for trial_id in "def"] == left
    assert toy.searcher.suggest("g") is None


@pytest.mark.parametrize("known", [(), ("x",), ("x", "y")])
def test_a_trial_left_behind_with_half_of_its_parameters_gets_the_rest(known: tuple[str, ...], tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, space={"x": X, "y": X, "z": {"type": "categorical", "choices": ["a", "b"]}})
    trial = on_disk(plan, tmp_path).ask()  # a driver that was killed between ask and the end of its suggestion
    had = {name: trial.suggest_float(name, -1.5, 1.5) for name in known}
    storage = on_disk(plan, tmp_path)
    config = searcher_of(plan, storage).suggest("a")
    assert isinstance(config, dict)
    assert (config["number"], config["params"].keys()) == (0, {"x", "y", "z"})
    assert had.items() <= config["params"].items()
    assert storage.record(0).params == config["params"]


def test_a_starting_point_that_was_left_behind_keeps_its_values(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, initial=[{"x": 0.125}])
    on_disk(plan, tmp_path).ask()
    storage = on_disk(plan, tmp_path)
    assert searcher_of(plan, storage).suggest("a")["params"] == {"x": 0.125}
    assert storage.num_trials("waiting") == 0


@settings(expensive, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 6), min_size=1, max_size=6), workers=st.integers(1, 3), seed=st.integers(0, 99))
def test_kills_lose_and_repeat_no_finished_trial(cuts: list[int], workers: int, seed: int, tmp_path: Path) -> None:
    """Drivers that are killed after some events, then one that is not: the budget is met, nothing is recorded twice."""
    toy = Toy(tmp_path, {"budget": {"trials": 6}, "sampler": {"kind": "random", "seed": seed}}, workers=workers)
    finished: dict[int, dict[str, float]] = {}
    for cut in [*cuts, 1000]:
        toy.restart()
        running: dict[str, int] = {}
        for event in range(cut):
            trial_id = f"t{event}"
            suggestion = toy.searcher.suggest(trial_id)
            if suggestion == Searcher.FINISHED:
                break
            if isinstance(suggestion, dict):
                assert suggestion["number"] not in finished
                running[trial_id] = suggestion["number"]
            else:
                ended = next(iter(running))
                toy.end(ended, loss=float(event))
                finished[running.pop(ended)] = {"loss": float(event), "cost": 2.5}
    assert {record.number: record.values for record in toy.storage.records()} == finished
    assert finished.keys() == set(range(6))
