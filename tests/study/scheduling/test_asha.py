import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.properties import expensive
from tests.support.ray_controller import CONTINUE, STOP, Controller
from tests.support.toy_study import in_memory, on_disk, toy_plan
from vsam_tune.analysis.results import Objective
from vsam_tune.study.scheduling.asha import Asha
from vsam_tune.study.scheduling.build import comparison_of
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.scheduling.rungs import rung_epochs
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.storage.study_storage import StudyStorage

ASHA = {"kind": "asha", "metric": "loss", "reduction_factor": 3, "min_epochs": 1, "guard": "off"}


class Driver(Controller):
    """With ASHA on one objective, as a plan has it."""

    def __init__(self, plan: Plan, storage: StudyStorage, objective: Objective) -> None:
        section: Any = plan.trial_scheduler

        def asha(searcher: OptunaSearcher) -> Asha:
            return Asha(
                storage,
                searcher,
                comparison=comparison_of(section, [objective]),
                rungs=rung_epochs(section.min_epochs, section.reduction_factor, plan.epochs),
            )

        super().__init__(plan, storage, asha)

    def report(self, number: int, epoch: int, **values: float) -> str:
        return self.hand_over(number, {"epoch": epoch, "done": False, **values})


def toy_driver(folder: Path, *, epochs: int = 10, objective: Objective | None = None) -> Driver:
    plan = toy_plan(folder, trial_scheduler=ASHA, task={"epochs": epochs}, budget={"trials": 99})
    return Driver(plan, in_memory(plan), objective or plan.objectives[0])


def test_a_trial_is_compared_at_rungs_alone(tmp_path: Path) -> None:
    driver = toy_driver(tmp_path)
    for _ in range(4):
        driver.start()
    assert [driver.report(number, 1, loss=float(number)) for number in range(4)] == [CONTINUE] * 2 + [STOP] * 2
    assert driver.report(0, 2, loss=99.0) == CONTINUE
    assert driver.report(0, 3, loss=2.0) == CONTINUE
    assert driver.storage.rungs().keys() == {1, 3}
    assert {number: row["loss"] for number, row in driver.storage.rungs()[1].items()} == {
        0: 0.0,
        1: 1.0,
        2: 2.0,
        3: 3.0,
    }


def test_a_stopped_trial_is_recorded_with_the_rung(tmp_path: Path) -> None:
    driver = toy_driver(tmp_path)
    for number in range(3):
        driver.start()
        driver.report(number, 1, loss=float(number), cost=1.0)
    record = driver.storage.record(2)
    assert (record.state, record.stopped, record.epochs) == ("pruned", "trial scheduler at epoch 1", 1)
    assert record.metrics == {"epoch": 1, "loss": 2.0, "cost": 1.0}


@pytest.mark.parametrize("value", [None, "0.5", 10**400, np.ones(2), float("nan")])
def test_a_trial_that_is_stopped_for_want_of_a_number_says_so(tmp_path: Path, value: Any) -> None:
    driver = toy_driver(tmp_path)
    driver.start()
    assert driver.report(0, 1, loss=value) == STOP
    assert driver.storage.record(0).stopped == "trial scheduler at epoch 1: no finite loss was reported"


@pytest.mark.parametrize("value", [np.array(0.5), np.float32(0.5), torch.tensor(0.5), torch.tensor(1)])
def test_a_number_of_another_library_is_compared(tmp_path: Path, value: Any) -> None:
    driver = toy_driver(tmp_path)
    driver.start()
    assert driver.report(0, 1, loss=value) == CONTINUE
    assert driver.storage.rungs()[1][0]["loss"] == value.item()


@pytest.mark.parametrize(("direction", "order"), [("minimize", [0, 1, 2]), ("maximize", [2, 1, 0])])
def test_better_is_what_the_objective_says(direction: Any, order: list[int], tmp_path: Path) -> None:
    driver = toy_driver(tmp_path, objective=Objective("loss", direction))
    for _ in range(3):
        driver.start()
    assert [driver.report(number, 1, loss=float(number)) for number in order] == [CONTINUE, CONTINUE, STOP]


@pytest.mark.parametrize("values", [{"loss": math.nan}, {"loss": math.inf}, {}])
def test_a_trial_without_the_metric_is_stopped_at_a_rung(values: dict[str, float], tmp_path: Path) -> None:
    driver = toy_driver(tmp_path)
    driver.start()
    assert driver.report(0, 1, **values) == STOP


def test_a_trial_whose_value_is_unreliable_goes_on_and_is_ranked_nowhere(tmp_path: Path) -> None:
    """AIS over SAM's of the first epochs, of which a trial has too few blocks to say."""
    driver = toy_driver(tmp_path)
    for _ in range(5):
        driver.start()
    reason: Any = "only 3 blocks of SAM's steps, of at least 8"
    assert [driver.report(number, 1, loss=math.nan, unreliable_reason=reason) for number in range(4)] == [CONTINUE] * 4
    assert driver.report(4, 1, loss=100.0) == CONTINUE
    assert driver.storage.rungs()[1].keys() == {4}


def test_a_trial_that_reports_less_often_is_compared_at_the_newest_rung_that_it_reached(tmp_path: Path) -> None:
    driver = toy_driver(tmp_path, epochs=30)
    for _ in range(4):
        driver.start()
    assert [driver.report(number, 4, loss=float(number)) for number in range(4)] == [CONTINUE] * 2 + [STOP] * 2
    assert driver.report(0, 8, loss=0.0) == CONTINUE
    assert driver.report(0, 12, loss=0.0) == CONTINUE
    assert {epoch: sorted(rung) for epoch, rung in driver.storage.rungs().items()} == {3: [0, 1, 2, 3], 9: [0]}


def test_a_trial_that_was_to_stop_when_its_driver_was_killed_is_stopped_by_the_next(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, trial_scheduler=ASHA, task={"epochs": 10}, budget={"trials": 99})
    storage = in_memory(plan)
    driver = Driver(plan, storage, plan.objectives[0])
    for number in range(3):
        driver.start()
        if number < 2:
            driver.report(number, 1, loss=float(number))
    storage.record_rung(driver.searcher.trial(driver._ray_ids[2]), 1, {"epoch": 1, "loss": 2.0})  # killed here
    again = Driver(plan, storage, plan.objectives[0])
    for _ in range(3):
        again.start()
    assert again.report(2, 2, loss=0.0) == STOP  # its checkpoint is of epoch 1, which it reports no more
    assert again.report(0, 2, loss=9.0) == CONTINUE


@settings(expensive, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(0, 40))
def test_a_restart_changes_no_decision(seed: int, cut: int, tmp_path: Path) -> None:
    """The rungs are rebuilt from the storage; trials that go on report again what they reported after a checkpoint."""
    plan = toy_plan(tmp_path, trial_scheduler=ASHA, task={"epochs": 10}, budget={"trials": 99})
    draws = np.random.default_rng(seed)
    losses = draws.integers(0, 5, size=(8, 11)).astype(float)
    events = [number for number in range(8) for _ in range(10)]
    draws.shuffle(events)

    def decisions(cut: int | None) -> list[tuple[int, int, str]]:
        driver = Driver(plan, in_memory(plan), plan.objectives[0])
        for _ in range(8):
            driver.start()
        made, epochs, stopped = [], dict.fromkeys(range(8), 0), set()
        for position, number in enumerate(events):
            if position == cut:
                driver = Driver(plan, driver.storage, plan.objectives[0])
                for _ in range(8 - len(stopped)):
                    resumed = driver.start()
                    if epochs[resumed]:  # the last epoch is repeated
                        again = driver.report(resumed, epochs[resumed], loss=losses[resumed, epochs[resumed]])
                        assert again == CONTINUE
            if number not in stopped:
                epochs[number] += 1
                decision = driver.report(number, epochs[number], loss=losses[number, epochs[number]])
                made.append((number, epochs[number], decision))
                stopped |= {number} if decision == STOP else set()
        return made

    assert decisions(cut) == decisions(None)


def test_a_rung_compares_with_the_errors_that_its_trials_reported(tmp_path: Path) -> None:
    """Trial 2 is worse than trial 1, but trial 0 excludes only the latter beyond noise."""
    driver = toy_driver(tmp_path)
    rows = [(0.0, 1.0, 0.0), (4.0, 0.6, 0.8), (9.0, 1.0, 0.0), (5.0, 3.0, 4.0)]
    decisions = []
    for loss, error, seed_error in rows:
        values = {"loss": loss, "loss_error": error, "loss_seed_error": seed_error}
        decisions.append(driver.report(driver.start(), 1, **values))
    assert decisions == [CONTINUE, CONTINUE, STOP, CONTINUE]
    plain = toy_driver(tmp_path)
    assert [plain.report(plain.start(), 1, loss=loss) for loss, _, _ in rows] == [CONTINUE, CONTINUE, STOP, STOP]


def test_rungs_are_on_the_disk_before_anything_is_decided(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, trial_scheduler=ASHA, task={"epochs": 10})
    driver = Driver(plan, on_disk(plan, tmp_path), plan.objectives[0])
    driver.start()
    driver.report(0, 1, loss=1.0)
    assert on_disk(plan, tmp_path).rungs()[1][0]["loss"] == 1.0
