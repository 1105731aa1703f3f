"""ASHA, promotion variant: trials wait at a rung, and the best of them go on when a worker is free."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reference import promotion as reference
from tests.support.ray_controller import CONTINUE, STOP, Controller
from tests.support.toy_study import in_memory, toy_plan
from vsam_tune.study.scheduling.build import build_trial_scheduler
from vsam_tune.study.storage.study_storage import StudyStorage

EPOCHS = 9


def driver_of(folder: Path, storage: StudyStorage | None = None, trials: int = 99, **settings: Any) -> Controller:
    section = {"kind": "mo_asha", "variant": "promotion", "reduction_factor": 2, "guard": "off", **settings}
    plan = toy_plan(
        folder,
        task={"epochs": EPOCHS},
        trial_scheduler=section,
        budget={"trials": trials},
        objectives=[{"name": "loss", "direction": "minimize"}],
    )
    storage = storage or in_memory(plan)
    return Controller(plan, storage, lambda searcher: build_trial_scheduler(plan, storage, searcher))


def report(epoch: int, loss: float) -> dict[str, Any]:
    return {"epoch": epoch, "loss": loss, "cost": 1.0, "done": epoch == EPOCHS}


def test_a_trial_waits_at_a_rung_until_it_is_among_the_best(tmp_path: Path) -> None:
    driver = driver_of(tmp_path)
    assert [driver.hand_over(driver.start(), report(1, loss)) for loss in (3.0,)] == [STOP]
    assert driver.storage.record(0).paused == 1
    assert driver.storage.record(0).state == "running"
    assert driver.start() == 1  # of one trial none is promoted
    assert driver.hand_over(1, report(1, 2.0)) == CONTINUE  # the better one of two takes its own worker
    assert driver.start() == 2
    assert driver.hand_over(2, report(1, 4.0)) == STOP
    assert driver.start() == 3
    assert driver.hand_over(3, report(1, 5.0)) == STOP
    assert driver.start() == 0  # two of four
    assert driver.storage.record(0).paused is None
    assert [driver.storage.record(number).decisions[1]["passes"] for number in range(4)] == [True, True, False, False]


def test_the_highest_rung_comes_first(tmp_path: Path) -> None:
    driver = driver_of(tmp_path)
    losses = [8.0, 1.0, 7.0, 2.0]
    first, second = driver.start(), driver.start()
    assert driver.hand_over(first, report(1, losses[0])) == STOP
    assert driver.hand_over(second, report(1, losses[1])) == CONTINUE
    assert driver.hand_over(second, report(2, losses[1])) == STOP  # alone at the second rung
    third, fourth = driver.start(), driver.start()
    assert driver.hand_over(third, report(1, losses[2])) == STOP
    assert driver.hand_over(fourth, report(1, losses[3])) == CONTINUE
    assert driver.hand_over(fourth, report(2, losses[3])) == STOP
    assert driver.start() == second  # before a fifth trial starts


def run(driver: Controller, number: int, loss: float) -> None:
    """Report one epoch after the other, until the trial ends or waits."""
    epoch = max(driver.storage.record(number).rungs, default=0)
    while driver.hand_over(number, report(epoch + 1, loss)) == CONTINUE:
        epoch += 1


@pytest.mark.parametrize("trials", [1, 2, 3, 5, 8])
def test_when_no_trial_is_left_to_start_the_best_of_each_rung_go_on(trials: int, tmp_path: Path) -> None:
    driver = driver_of(tmp_path, trials=trials)
    while (number := driver.start()) is not None:
        run(driver, number, float(number))
    states = [driver.storage.record(number).state for number in range(trials)]
    assert states[0] == "complete"
    assert set(states) <= {"complete", "pruned"}
    assert driver.searcher.never_promoted == [number for number in range(trials) if states[number] == "pruned"]


def test_trials_that_wait_take_no_worker_and_count_as_started(tmp_path: Path) -> None:
    driver = driver_of(tmp_path, trials=4)
    driver.searcher._workers = 1
    numbers = []
    for loss in (4.0, 5.0, 6.0):
        numbers.append(driver.start())
        assert driver.start() is None
        driver.hand_over(numbers[-1], report(1, loss))
    assert numbers[0] == 0
    assert len(driver.searcher.paused) + len(driver.searcher._running) <= 3


def test_paused_trials_go_on_waiting_under_another_driver(tmp_path: Path) -> None:
    driver = driver_of(tmp_path)
    for loss in (3.0, 4.0):
        driver.hand_over(driver.start(), report(1, loss))
    waiting = dict(driver.searcher.paused)
    other = driver_of(tmp_path, driver.storage)
    assert other.searcher.paused == waiting
    assert other.start() == 0  # one of two is promoted
    assert other.start() == 2


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), eta=st.integers(2, 4))
def test_one_worker_runs_the_jobs_of_the_literal_algorithm(seed: int, eta: int, tmp_path: Path) -> None:
    """With one objective, each free worker gets the job of algorithm 2 of Li et al. (2020)."""
    losses = np.random.default_rng(seed).permutation(40 * EPOCHS).reshape(40, EPOCHS).astype(float)
    driver = driver_of(tmp_path, reduction_factor=eta)
    jobs: list[tuple[int, int]] = []
    rungs = [eta**k for k in range(9) if eta**k < EPOCHS]
    while len(jobs) < 30:
        number = driver.start()
        reached = max(driver.storage.record(number).rungs, default=0)
        while True:
            following = next((rung for rung in rungs if rung > reached), EPOCHS)
            jobs.append((number, following))
            if driver.hand_over(number, report(following, losses[number, following - 1])) == STOP:
                break
            reached = following
    assert jobs[:30] == reference.jobs(losses, rungs, eta, EPOCHS, 30)


@pytest.mark.parametrize("variant", ["stopping", "promotion"])
def test_the_epochs_at_which_a_trial_may_pause_are_in_its_configuration(variant: str, tmp_path: Path) -> None:
    section = {"kind": "mo_asha", "variant": variant, "reduction_factor": 2}
    plan = toy_plan(tmp_path, task={"epochs": EPOCHS}, trial_scheduler=section)
    assert plan.trial_config({}, 0, "")["pause_epochs"] == ([1, 2, 4, 8] if variant == "promotion" else [])
