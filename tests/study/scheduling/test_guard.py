"""The guard of the rungs: when a rung may stop trials, whom it spares, and what it says about that."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ray_controller import CONTINUE, STOP, Controller
from tests.support.toy_study import in_memory, toy_plan
from vsam_tune.analysis.results import Objective, TrialRecord
from vsam_tune.study.scheduling.build import build_trial_scheduler
from vsam_tune.study.scheduling.guard import is_audited, judge
from vsam_tune.study.scheduling.rungs import Comparison

LOSS, COST = Objective("loss", "minimize"), Objective("cost", "minimize")
ONE = Comparison(objectives=(LOSS,), reduction_factor=3, min_rung_size=3)
TWO = Comparison(objectives=(LOSS, COST), reduction_factor=3, min_rung_size=3)


def finished(number: int, at_rung: float, at_end: float, *, cost: float = 1.0, spared: str = "") -> TrialRecord:
    return TrialRecord(
        number=number,
        state="complete",
        params={},
        values={"loss": at_end, "cost": cost},
        metrics={},
        rungs={3: {"loss": at_rung, "cost": cost}},
        decisions={3: {"spared": spared}},
    )


def test_a_rung_that_orders_the_trials_as_the_end_does_loses_nothing() -> None:
    verdict = judge([finished(i, i, i) for i in range(6)], 3, ONE, audit=0.1)
    assert (verdict.finished, verdict.loss, verdict.lost) == (6, 0.0, ())
    assert verdict.tau == pytest.approx({"loss": 1.0})


def test_a_rung_that_orders_them_the_other_way_round_loses_the_best() -> None:
    """Of the losses 0 to 5 it keeps 5 and 4; the reference point is 5 + 10 % of 5: 1.5 of 5.5 are left."""
    verdict = judge([finished(i, -i, i) for i in range(6)], 3, ONE, audit=0.1)
    assert verdict.loss == pytest.approx(1 - 1.5 / 5.5)
    assert verdict.lost == (0,)
    assert verdict.tau == pytest.approx({"loss": -1.0})


def test_with_two_objectives_the_hypervolume_of_what_is_kept_counts() -> None:
    """(0, 9), (9, 0), (1, 1) are the front; the rung sees the third as the worst. The corner is (9.9, 9.9)."""
    trials = [
        finished(0, 0.0, 0.0, cost=9.0),
        finished(1, 9.0, 9.0, cost=0.0),
        finished(2, 9.5, 1.0, cost=1.0),
        finished(3, 8.0, 8.0, cost=8.0),
    ]
    compared = Comparison(objectives=(LOSS, COST), reduction_factor=2, min_rung_size=2)
    trials[2].rungs[3]["cost"] = 9.5  # type: ignore[index] # a dictionary
    verdict = judge(trials, 3, compared, audit=0.0)
    whole = 9.9 * 0.9 + 8.9 * (9.9 - 1.0 - 0.9) + 0.9 * 1.0
    kept = 9.9 * 0.9 + 0.9 * (9.9 - 0.9)
    assert verdict.lost == (2,)
    assert verdict.loss == pytest.approx(1 - kept / whole)


def test_an_audited_trial_stands_for_those_that_were_stopped() -> None:
    """Two of three trials were audits at a share of a half: five trials in all, of which ceil(5 / 3) = 2 are kept."""
    plain = [finished(0, 1.0, 1.0), finished(1, 2.0, 2.0), finished(2, 3.0, 0.0)]
    assert judge(plain, 3, ONE, audit=0.5).lost == (2,)
    audited = [finished(0, 1.0, 1.0), finished(1, 2.0, 0.0, spared="audit"), finished(2, 3.0, 3.0, spared="audit")]
    assert judge([finished(0, 1.0, 1.0), finished(1, 2.0, 0.0), finished(2, 3.0, 3.0)], 3, ONE, audit=0.5).lost == (1,)
    assert judge(audited, 3, ONE, audit=0.5).lost == ()


def test_a_trial_that_could_not_be_compared_at_the_rung_is_kept() -> None:
    best = TrialRecord(number=9, state="complete", params={}, values={"loss": -9.0, "cost": 0.0}, metrics={})
    verdict = judge([*(finished(i, i, i) for i in range(6)), best], 3, ONE, audit=0.1)
    assert (verdict.finished, verdict.loss) == (6, 0.0)


@pytest.mark.parametrize("number", [0, 1])
def test_so_few_trials_show_no_loss(number: int) -> None:
    verdict = judge([finished(i, i, i) for i in range(number)], 3, TWO, audit=0.1)
    assert (verdict.finished, verdict.loss, verdict.tau) == (number, 0.0, {"loss": None, "cost": None})


@given(rows=st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=12), audit=st.sampled_from([0.0, 0.2]))
def test_a_loss_is_a_part_of_the_hypervolume(rows: list[tuple[int, ...]], audit: float) -> None:
    trials = [finished(i, float(a), float(b), cost=float(c)) for i, (a, b, c) in enumerate(rows)]
    verdict = judge(trials, 3, TWO, audit=audit)
    assert 0 <= verdict.loss <= 1
    assert bool(verdict.lost) or verdict.loss == 0


@given(seed=st.integers(0, 99))
def test_audits_are_drawn_once_a_trial_in_their_share(seed: int) -> None:
    drawn = [is_audited(seed, number, 0.2) for number in range(2000)]
    assert drawn == [is_audited(seed, number, 0.2) for number in range(2000)]
    assert 0.15 < np.mean(drawn) < 0.25
    assert not any(is_audited(seed, number, 0.0) for number in range(50))


class Study:
    """Trials that run one after the other to a rung at epoch 1 of 3, and on if they may."""

    def __init__(self, folder: Path, **guard: Any) -> None:
        settings = {"trials": 3, "max_loss": 0.1, "audit": 0.0, **guard}
        section = {"kind": "asha", "metric": "loss", "reduction_factor": 3, "min_epochs": 1, "guard": settings}
        plan = toy_plan(folder, task={"epochs": 3}, trial_scheduler=section, budget={"trials": 99})
        self.storage = in_memory(plan)
        self._driver = Controller(
            plan, self.storage, lambda searcher: build_trial_scheduler(plan, self.storage, searcher)
        )

    def run(self, at_rung: float, at_end: float) -> str:
        """Run a trial, to its end if it passes the rung; return the decision there."""
        number = self._driver.start()
        decision = self._driver.hand_over(number, {"epoch": 1, "loss": at_rung, "cost": 1.0, "done": False})
        if decision == CONTINUE:
            self._driver.hand_over(number, {"epoch": 3, "loss": at_end, "cost": 1.0, "done": True})
        return decision

    def decision(self, number: int) -> Any:
        return self.storage.record(number).decisions[1]


def test_the_first_trials_run_to_their_end_whatever_the_rung_says(tmp_path: Path) -> None:
    study = Study(tmp_path)
    assert [study.run(loss, loss) for loss in (1.0, 2.0, 3.0)] == [CONTINUE] * 3
    assert study.decision(2)["spared"] == "first"
    assert study.run(4.0, 4.0) == STOP
    verdict = study.decision(3)["verdict"]
    assert (verdict["in_force"], verdict["finished"], verdict["loss"]) == (True, 3, 0.0)
    assert verdict["tau"] == pytest.approx({"loss": 1.0})


def test_a_rung_that_would_lose_the_best_stops_nobody_until_it_is_better(tmp_path: Path) -> None:
    """The best at the rung are the worst at the end, until better trials turn up that are also better at the rung."""
    study = Study(tmp_path)
    assert [study.run(-end, end) for end in (1.0, 2.0, 3.0, 0.0)] == [CONTINUE] * 4
    assert study.decision(3)["spared"] == "rung off"
    assert study.decision(3)["verdict"]["in_force"] is False
    for end in (-9.0, -10.0, -11.0):
        study.run(end, end)
    assert study.run(50.0, 50.0) == STOP


def test_a_share_of_those_to_be_stopped_goes_on_as_an_audit(tmp_path: Path) -> None:
    study = Study(tmp_path, audit=0.4)
    decisions = [study.run(float(i), float(i)) for i in range(40)]
    spared = [study.decision(number)["spared"] for number in range(3, 40)]
    expected = ["audit" if is_audited(0, number, 0.4) else "" for number in range(3, 40)]
    assert [each for each in spared if each] == [each for each in expected if each]
    assert decisions.count(STOP) == spared.count("")


def test_what_diverged_is_no_evidence(tmp_path: Path) -> None:
    study = Study(tmp_path)
    driver = study._driver
    for _ in range(3):
        number = driver.start()
        driver.hand_over(number, {"epoch": 1, "loss": 1.0, "cost": 1.0, "done": False})
        driver.hand_over(number, {"epoch": 2, "loss": 1.0, "cost": 1.0, "diverged": 7, "done": True})
    for loss in (1.0, 2.0, 3.0):
        study.run(loss, loss)
    assert study.decision(5)["verdict"]["finished"] == 2
    assert study.decision(5)["spared"] == "rung off"
