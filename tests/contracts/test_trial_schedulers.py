"""What every trial scheduler keeps, shown without a Ray: the promises of `StudyScheduler`."""

import json
import logging
import math
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.kinds import models_by_kind, small_section
from tests.support.ray_controller import CONTINUE, STOP, Controller
from tests.support.toy_study import in_memory, toy_plan
from vsam_tune.study.file.sections import TrialScheduler
from vsam_tune.study.scheduling.build import TRIAL_SCHEDULERS, build_trial_scheduler
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.scheduling.racing import Racing
from vsam_tune.study.scheduling.trial_scheduler import StudyScheduler
from vsam_tune.study.storage.study_storage import StudyStorage

MODELS = models_by_kind(TrialScheduler)
EPOCHS, TRIALS, WORKERS = 9, 8, 3
GUARD = {"trials": 2, "max_loss": 0.3, "audit": 0.3}
VARIANTS: dict[str, dict[str, Any]] = {
    "": {"guard": "off"},
    ", guarded": {"guard": GUARD},
    ", promotion": {"variant": "promotion", "guard": "off"},
    ", promotion, guarded": {"variant": "promotion", "guard": GUARD},
}
CASES = {
    kind + variant: small_section(MODELS[kind], kind, metric="loss", min_epochs=1, **settings)
    for kind in TRIAL_SCHEDULERS
    for variant, settings in VARIANTS.items()
    if not variant or "variant" in MODELS[kind].model_fields
}
every_kind = pytest.mark.parametrize("kind", CASES)
every_kind_that_pauses_none = pytest.mark.parametrize("kind", [kind for kind in CASES if "promotion" not in kind])


def toy(kind: str, folder: Path, **sections: Any) -> Plan:
    section = CASES[kind]
    defaults = {"task": {"epochs": EPOCHS}, "budget": {"trials": TRIALS}, "trial_scheduler": section}
    return toy_plan(folder, **{**defaults, **sections})


def driver_of(plan: Plan, storage: StudyStorage | None = None) -> Controller:
    storage = storage or in_memory(plan)
    return Controller(plan, storage, lambda searcher: build_trial_scheduler(plan, storage, searcher))


def report(epoch: int, **values: Any) -> dict[str, Any]:
    return {"epoch": epoch, "iteration": 10 * epoch, "cost": 1.0, "done": epoch == EPOCHS, **values}


def played(plan: Plan, losses: np.ndarray, cut: int | None = None) -> tuple[StudyStorage, list[tuple[int, int, str]]]:
    """Run a study of toy trials, a few at a time; at event `cut` the driver is killed, and another one goes on.

    Returns:
        The storage, and each decision as (trial, epoch, decision). What is repeated after the restart is left out.
    """
    driver, decisions = driver_of(plan), []
    epochs: dict[int, int] = {}  # of the running trials
    paused: dict[int, int] = {}
    for event in count():
        if event == cut:
            driver = driver_of(plan, driver.storage)
            for _ in list(epochs):
                number = driver.start()
                if epochs[number]:
                    repeated = driver.decide(number, report(epochs[number], loss=losses[number, epochs[number]]))
                    assert repeated == CONTINUE
        number = driver.start() if len(epochs) < WORKERS else None
        if number is not None:
            epochs[number] = paused.pop(number, 0)
            continue
        if not epochs:
            return driver.storage, decisions
        number = sorted(epochs)[event % len(epochs)]
        epochs[number] += 1
        decision = driver.hand_over(number, report(epochs[number], loss=losses[number, epochs[number]]))
        decisions.append((number, epochs[number], decision))
        if decision == STOP:
            paused[number] = epochs.pop(number)
    raise AssertionError


def random_losses(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 9, size=(TRIALS + 2, EPOCHS + 1)).astype(float)


def test_the_kinds_are_those_of_the_study_file() -> None:
    assert TRIAL_SCHEDULERS.keys() == MODELS.keys()


@every_kind
def test_a_plan_gets_a_study_scheduler(kind: str, tmp_path: Path) -> None:
    assert isinstance(driver_of(toy(kind, tmp_path)).scheduler, StudyScheduler)


@every_kind
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_a_study_runs_to_its_budget(kind: str, seed: int, tmp_path: Path) -> None:
    storage, _ = played(toy(kind, tmp_path), random_losses(seed))
    assert storage.num_trials("complete", "pruned") == TRIALS == len(storage.records())
    assert storage.num_trials("complete") >= 1
    for record in storage.records():
        assert record.feasible
        if record.state == "pruned":
            assert record.stopped == f"trial scheduler at epoch {record.epochs}"
            assert record.epochs in record.rungs
        else:
            assert record.epochs == EPOCHS


@every_kind
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 60))
def test_a_restart_in_the_middle_changes_no_decision(kind: str, seed: int, cut: int, tmp_path: Path) -> None:
    plan, losses = toy(kind, tmp_path), random_losses(seed)
    assert played(plan, losses, cut)[1] == played(plan, losses)[1]


@every_kind
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_a_decision_follows_from_what_is_stored(kind: str, seed: int, tmp_path: Path) -> None:
    """A trial that passes a rung again, before this driver or another, gets the same decision, and its row stays."""
    plan, losses = toy(kind, tmp_path), random_losses(seed)
    driver = driver_of(plan)
    numbers = [driver.start() for _ in range(TRIALS)]
    for epoch in range(1, EPOCHS):
        first = {number: driver.decide(number, report(epoch, loss=losses[number, epoch])) for number in numbers}
        rungs = json.dumps(driver.storage.rungs())
        again = {number: driver.decide(number, report(epoch, loss=-1.0)) for number in reversed(numbers)}
        other = driver_of(plan, driver.storage)
        resumed = {other.start() for _ in numbers}
        assert {number: other.decide(number, report(epoch, loss=99.0)) for number in resumed} == again == first
        assert json.dumps(driver.storage.rungs()) == rungs


@every_kind
def test_a_decision_that_a_killed_driver_did_not_act_on_holds_at_the_next_rung(kind: str, tmp_path: Path) -> None:
    plan = toy(kind, tmp_path)
    driver = driver_of(plan)
    numbers = [driver.start() for _ in range(TRIALS)]
    first = {number: driver.decide(number, report(1, loss=float(number))) for number in numbers}  # killed here
    other = driver_of(plan, driver.storage)
    resumed = {other.start() for _ in numbers}
    assert {number: other.decide(number, report(2, loss=0.0)) for number in resumed if first[number] == STOP} == {
        number: STOP for number in numbers if first[number] == STOP
    }
    barred = {number for number in numbers if first[number] == STOP}
    assert not barred & driver.storage.rungs().get(2, {}).keys()


ODD = [math.nan, math.inf, -math.inf, None, "text", 10**400, True, [1.0], np.array(1.0), np.float32("nan"), {"a": 1.0}]


@every_kind
@pytest.mark.parametrize("value", [*ODD, "missing"])
def test_no_value_of_an_objective_raises(kind: str, value: Any, tmp_path: Path) -> None:
    driver = driver_of(toy(kind, tmp_path))
    numbers = [driver.start() for _ in range(4)]
    for epoch in range(1, EPOCHS):
        for number in numbers:
            values = {"loss": value if number % 2 else float(number)}
            odd = report(epoch, **({} if number % 2 and value == "missing" else values))
            assert driver.decide(number, odd) in (CONTINUE, STOP)
    json.dumps(driver.storage.rungs(), allow_nan=False)


@every_kind
@pytest.mark.parametrize("epoch", [math.nan, "one", None, 10**400, np.array(1), 0])
def test_no_epoch_raises(kind: str, epoch: Any, tmp_path: Path) -> None:
    driver = driver_of(toy(kind, tmp_path))
    decision = driver.decide(driver.start(), {**report(1, loss=1.0), "epoch": epoch})
    assert decision in (CONTINUE, STOP if "promotion" in kind else CONTINUE)


@every_kind
def test_a_single_trial_is_never_stopped(kind: str, tmp_path: Path) -> None:
    storage, decisions = played(toy(kind, tmp_path, budget={"trials": 1}), random_losses(0))
    assert [epoch for _, epoch, _ in decisions] == list(range(1, EPOCHS + 1))
    if "promotion" not in kind:  # where it may pause, until no other trial could start
        assert [decision for _, _, decision in decisions] == [CONTINUE] * (EPOCHS - 1) + [STOP]
    assert storage.record(0).state == "complete"


@every_kind
def test_rungs_are_stored_before_anything_is_decided(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = driver_of(toy(kind, tmp_path))
    decide, asked = driver.scheduler.decide, []

    def decide_too(rung: Any, epoch: int, number: int) -> Any:
        asked.append(rung[number] == driver.storage.rungs()[epoch][number])
        return decide(rung, epoch, number)

    monkeypatch.setattr(driver.scheduler, "decide", decide_too)
    numbers = [driver.start() for _ in range(TRIALS)]
    stopped = [driver.decide(number, report(EPOCHS - 1, loss=float(number))) == STOP for number in numbers]
    assert all(asked)
    assert bool(asked) or not any(stopped)
    assert all(0 < epoch < EPOCHS for epoch in driver.storage.rungs())


@every_kind
def test_a_trial_is_not_stopped_after_its_last_epoch(kind: str, tmp_path: Path) -> None:
    driver = driver_of(toy(kind, tmp_path))
    numbers = [driver.start() for _ in range(TRIALS)]
    assert [driver.decide(number, report(EPOCHS, loss=float(number))) for number in numbers] == [CONTINUE] * TRIALS
    assert driver.storage.rungs() == {}


@every_kind_that_pauses_none
def test_a_race_decides_on_those_that_pass(kind: str, tmp_path: Path) -> None:
    driver = driver_of(toy(kind, tmp_path, replicates=2, racing=True))
    assert isinstance(driver.scheduler._racing, Racing)
    first, second = driver.start(), driver.start()
    for number in (first, second):  # the second one passes each rung
        for epoch in range(1, EPOCHS):
            assert driver.hand_over(number, {**report(epoch, loss=1.0 - number), "replicates": 0}) == CONTINUE
    ended = {"replicate_ended": True, "replicates": 1, "done": False}
    assert driver.hand_over(first, {**report(EPOCHS, loss=0.0), **ended}) == CONTINUE
    driver.hand_over(first, {**report(2 * EPOCHS, loss=0.0), "replicates": 2, "done": True})
    last = driver.hand_over(second, {**report(EPOCHS, loss=1.0, cost=2.0), **ended})
    assert last == STOP
    record = driver.storage.record(second)
    assert (record.state, record.stopped) == ("complete", None)
    assert record.stopped_by_racing == "raced out after replicate 1: dominated beyond noise"


@every_kind
@pytest.mark.parametrize("replicates", [None, math.nan, "one", 10**400])
def test_the_end_of_a_replicate_without_its_count_raises_nothing(kind: str, replicates: Any, tmp_path: Path) -> None:
    driver = driver_of(toy(kind, tmp_path, replicates=2, racing=True))
    ended = {**report(EPOCHS, loss=1.0), "replicates": replicates, "replicate_ended": True, "done": False}
    assert driver.decide(driver.start(), ended) in (CONTINUE, STOP if "promotion" in kind else CONTINUE)


@every_kind
def test_an_error_is_logged_by_the_number_of_the_trial(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driver = driver_of(toy(kind, tmp_path, resources={"retries": 0}))
    driver.start()
    number = driver.start()
    file = tmp_path / "error.txt"
    file.write_text(
        "Failure # 1 (occurred at 2026)\nValueError: first\nFailure # 2 (at 2026)\nValueError: \x1b[31mso\n"
    )
    with caplog.at_level(logging.WARNING):
        driver.scheduler.on_trial_error(None, driver.ray_trial(number, error_file=str(file)))
    assert [entry.getMessage() for entry in caplog.records] == ["trial 1 failed: ValueError: so"]
    driver.searcher.on_trial_complete(trial_id=driver.ray_trial(number).trial_id, error=True)
    assert driver.storage.record(number).error == "ValueError: so"
