"""A race: a further replicate of a trial is trained only while the trial may still be on the front."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.study.test_search import searched
from tests.support.ray_controller import CONTINUE, STOP, Controller
from tests.support.toy_study import in_memory, toy_plan
from vsam_tune.analysis.results import Objective, StudyResult, TrialRecord
from vsam_tune.study.scheduling.asha import Asha
from vsam_tune.study.scheduling.build import build_trial_scheduler
from vsam_tune.study.scheduling.fifo import Fifo
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.scheduling.racing import Racing, may_reach_front
from vsam_tune.study.storage.study_storage import StudyStorage

EPOCHS, REPLICATES = 4, 3
RACE: dict[str, Any] = {"replicates": REPLICATES, "racing": True, "budget": {"trials": 99}}
ASHA = {"kind": "asha", "metric": "loss", "reduction_factor": 2, "min_epochs": 2, "guard": "off"}


class Driver(Controller):
    """With the trial scheduler that a plan asks for."""

    def __init__(self, plan: Plan, storage: StudyStorage) -> None:
        super().__init__(plan, storage, lambda searcher: build_trial_scheduler(plan, storage, searcher))

    def end_replicate(self, number: int, replicate: int, **means: float) -> str:
        """Report the end of a replicate, counted from 1; the last one's is the trial's."""
        done = replicate == REPLICATES
        result = {"epoch": EPOCHS * replicate, "replicates": replicate, "replicate_ended": True, "done": done, **means}
        return self.hand_over(number, result)

    def complete(self, **means: float) -> None:
        number, replicate = self.start(), 1
        while self.end_replicate(number, replicate, **means) == CONTINUE:
            replicate += 1


def toy_driver(folder: Path, **sections: Any) -> Driver:
    plan = toy_plan(folder, **{**RACE, **sections})
    return Driver(plan, in_memory(plan))


def test_a_dominated_trial_trains_no_further_replicate_and_is_complete_with_what_it_has(tmp_path: Path) -> None:
    driver = toy_driver(tmp_path)
    driver.complete(loss=1.0, cost=1.0)
    number = driver.start()
    assert driver.end_replicate(number, 1, loss=2.0, cost=1.0) == STOP
    record = driver.storage.record(number)
    assert (record.state, record.feasible, record.stopped) == ("complete", True, None)
    assert (record.values, record.metrics["replicates"]) == ({"loss": 2.0, "cost": 1.0}, 1)
    assert record.why == record.stopped_by_racing == "raced out after replicate 1: dominated beyond noise"


def test_it_may_fall_behind_later(tmp_path: Path) -> None:
    driver = toy_driver(tmp_path)
    driver.complete(loss=1.0, cost=1.0)
    number = driver.start()
    assert driver.end_replicate(number, 1, loss=0.5, cost=2.0) == CONTINUE
    assert driver.end_replicate(number, 2, loss=1.5, cost=2.0) == STOP
    assert driver.storage.record(number).stopped_by_racing == "raced out after replicate 2: dominated beyond noise"


@pytest.mark.parametrize(
    "means",
    [
        {"loss": 0.5, "cost": 9.0},
        {"loss": 1.0, "cost": 1.0},
        {"loss": 2.0, "cost": 2.0, "loss_error": 5.0, "cost_error": 5.0},  # within noise
        {"loss": 9.0},  # a cost that is withheld yet
    ],
)
def test_a_trial_that_may_be_on_the_front_trains_them_all(means: dict[str, float], tmp_path: Path) -> None:
    driver = toy_driver(tmp_path)
    driver.complete(loss=1.0, cost=1.0)
    number = driver.start()
    assert [driver.end_replicate(number, replicate, **means) for replicate in (1, 2)] == [CONTINUE, CONTINUE]
    driver.end_replicate(number, 3, **means)
    assert driver.storage.record(number).stopped_by_racing is None


def test_the_first_trial_and_those_beside_nothing_but_ill_ones_train_them_all(tmp_path: Path) -> None:
    driver = toy_driver(tmp_path)
    ill, running, number = driver.start(), driver.start(), driver.start()
    driver.hand_over(ill, {"epoch": 1, "diverged": 10, "done": True})
    driver.end_replicate(running, 1, loss=0.0, cost=0.0)
    assert driver.end_replicate(number, 1, loss=9.0, cost=9.0) == CONTINUE


def test_within_a_replicate_nothing_is_decided(tmp_path: Path) -> None:
    driver = toy_driver(tmp_path)
    driver.complete(loss=1.0, cost=1.0)
    number = driver.start()
    result = {"epoch": 5, "replicates": 1, "done": False, "loss": 9.0, "cost": 9.0}
    assert driver.hand_over(number, result) == CONTINUE
    assert "races" not in driver.storage._study.trials[number].user_attrs


def test_without_a_race_they_are_all_trained(tmp_path: Path) -> None:
    driver = toy_driver(tmp_path, racing=False)
    driver.complete(loss=1.0, cost=1.0)
    assert driver.end_replicate(driver.start(), 1, loss=9.0, cost=9.0) == CONTINUE


def test_with_asha_rungs_decide_in_the_first_replicate_and_the_race_after_it(tmp_path: Path) -> None:
    driver = toy_driver(tmp_path, trial_scheduler=ASHA)
    assert type(driver.scheduler) is Asha
    first, second = driver.start(), driver.start()
    for number, loss in ((first, 1.0), (second, 0.5)):
        assert driver.hand_over(number, {"epoch": 2, "replicates": 0, "done": False, "loss": loss}) == CONTINUE
    for replicate in (1, 2, 3):
        driver.end_replicate(first, replicate, loss=0.25, cost=1.0)
    assert driver.end_replicate(second, 1, loss=0.5, cost=1.0) == STOP
    assert driver.storage.record(second).state == "complete"
    worse = driver.start()
    assert driver.hand_over(worse, {"epoch": 2, "replicates": 0, "done": False, "loss": 9.0}) == STOP
    assert driver.storage.record(worse).stopped == "trial scheduler at epoch 2"


@pytest.mark.parametrize(
    ("means", "decision"), [({"loss": 2.0, "cost": 2.0}, STOP), ({"loss": 0.5, "cost": 2.0}, CONTINUE)]
)
def test_a_driver_that_starts_again_decides_what_the_former_did(
    means: dict[str, float], decision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = toy_driver(tmp_path)
    driver.complete(loss=1.0, cost=1.0)
    number = driver.start()
    monkeypatch.setattr(driver.searcher, "on_trial_complete", lambda **_: None)  # killed before it could tell
    assert driver.end_replicate(number, 1, **means) == decision
    again = Driver(toy_plan(tmp_path, **RACE), driver.storage)
    assert again.start() == number
    other = {"loss": 0.1, "cost": 0.1} if decision == CONTINUE else {"loss": 3.0, "cost": 3.0}
    again.complete(**other)  # would change the decision, as would what is measured anew
    assert again.end_replicate(number, 1, **{name: 1.5 - value for name, value in means.items()}) == decision


LOSSES = st.integers(-3, 3).map(float)
ERRORS = st.sampled_from([0.0, 0.3, 1.0, 4.0])
ROWS = st.tuples(LOSSES, LOSSES, ERRORS, ERRORS)


def record_of(number: int, row: tuple[float, float, float, float], state: str) -> TrialRecord:
    values, metrics = {"loss": row[0], "cost": row[1]}, {"loss_error": row[2], "cost_error": row[3]}
    ended = values if state == "complete" else {}
    return TrialRecord(number=number, state=state, params={}, values=ended, metrics={**values, **metrics})


@given(rows=st.lists(ROWS, max_size=6), row=ROWS)
def test_a_race_stops_what_is_dominated_and_never_what_would_be_on_the_front(
    rows: list[tuple[float, float, float, float]], row: tuple[float, float, float, float]
) -> None:
    trials = tuple(record_of(number, each, "complete") for number, each in enumerate(rows))
    running = record_of(len(rows), row, "running")
    objectives = (Objective("loss", "minimize"), Objective("cost", "minimize"))
    result = StudyResult(name="a", objectives=objectives, trials=(*trials, running), reference_point=None, study={})
    advances = may_reach_front(result, running.number, running.metrics)
    plainly = any(all(a <= b for a, b in zip(each[:2], row[:2], strict=True)) and each[:2] != row[:2] for each in rows)
    beyond_noise = False
    for each in rows:
        widths = [1.96 * math.hypot(each[2 + i], row[2 + i]) for i in (0, 1)]
        gains = [row[i] - each[i] for i in (0, 1)]
        better = any(gain > width for gain, width in zip(gains, widths, strict=True))
        beyond_noise |= better and not any(-gain > width for gain, width in zip(gains, widths, strict=True))
    if not advances:
        assert plainly
        assert beyond_noise
    if not any(each[2] or each[3] for each in (*rows, row)):  # without errors both are plain domination
        assert advances is not plainly
    assert result == replace(result)  # nothing of it is changed


@pytest.mark.ray
def test_a_search_spends_its_replicates_on_the_front(ray_address: str, tmp_path: Path) -> None:
    sections = {
        **RACE,
        "trainable": "tests.support.trainables.replicated:Replicated",
        "task": {"epochs": 2},
        "initial": [{"x": 1.0}, {"x": -1.0}, {"x": 1.5}, {"x": 0.0}],
        "budget": {"trials": 4},
    }
    ended = searched(tmp_path, ray_address, workers=1, **sections)
    assert [record.state for record in ended.result.trials] == ["complete"] * 4
    assert [record.metrics["replicates"] for record in ended.result.trials] == [3, 3, 1, 3]
    assert [record.epochs for record in ended.result.trials] == [6, 6, 2, 6]
    assert [record.stopped_by_racing is not None for record in ended.result.trials] == [False, False, True, False]
    assert ended.result.trials[2].values == {"loss": 0.5**2 + 1 / 2, "cost": 2.5**2}
    assert {record.number for record in ended.result.front()} == {0, 1, 3}
    assert not list(ended.study_folder.glob("trials/*/checkpoint.pt"))


def test_the_runner_races_with_either_scheduler(tmp_path: Path) -> None:
    for kind, scheduler in (({"kind": "fifo"}, Fifo), (ASHA, Asha)):
        driver = toy_driver(tmp_path, trial_scheduler=kind)
        assert type(driver.scheduler) is scheduler
        assert isinstance(driver.scheduler._racing, Racing)
