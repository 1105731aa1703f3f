"""What is decided at a rung, as pure functions; a literal reference, and Ray's form of it, beside them."""

import math
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers.async_hyperband import _Bracket

from tests.reference import asha as reference
from tests.support.ray_controller import CONTINUE, STOP
from vsam_tune.analysis.results import Objective
from vsam_tune.study.scheduling.rungs import advances, advances_on, newest_rung, rows_met, rung_epochs

LOSSES = st.one_of(st.floats(-3, 3), st.integers(-2, 2).map(float), st.sampled_from([math.nan, math.inf, -math.inf]))
RUNGS = st.dictionaries(st.integers(0, 30), LOSSES, min_size=1, max_size=20)


@given(rung=RUNGS, data=st.data(), eta=st.integers(2, 5))
def test_a_trial_goes_on_just_if_the_reference_says_so(rung: dict[int, float], data: st.DataObject, eta: int) -> None:
    number = data.draw(st.sampled_from(sorted(rung)))
    assert advances(rung, number, eta) == reference.advances(list(rung.items()), number, eta)


@given(rung=RUNGS, eta=st.integers(2, 5))
def test_as_many_go_on_as_there_is_room_for(rung: dict[int, float], eta: int) -> None:
    passed = [number for number in rung if advances(rung, number, eta)]
    finite = sum(map(math.isfinite, rung.values()))
    room = len(rung) if len(rung) < eta else math.ceil(len(rung) / eta)
    assert len(passed) == min(finite, room)


@given(rung=RUNGS, eta=st.integers(2, 5), data=st.data())
def test_the_order_in_which_a_rung_was_filled_does_not_matter(
    rung: dict[int, float], eta: int, data: st.DataObject
) -> None:
    number = data.draw(st.sampled_from(sorted(rung)))
    other = dict(data.draw(st.permutations(list(rung.items()))))
    assert advances(rung, number, eta) == advances(other, number, eta)


@given(rung=RUNGS, eta=st.integers(2, 5), shift=st.integers(-9, 9), exponent=st.integers(-3, 3))
def test_only_the_order_of_losses_matters(rung: dict[int, float], eta: int, shift: int, exponent: int) -> None:
    whole = {number: float(round(loss)) for number, loss in rung.items() if math.isfinite(loss)}
    moved = {number: loss * 2.0**exponent + shift for number, loss in whole.items()}
    assert [advances(whole, number, eta) for number in whole] == [advances(moved, number, eta) for number in whole]


@given(rung=RUNGS, data=st.data(), eta=st.integers(2, 5), error=st.sampled_from([0.0, 0.5, 2.0]))
def test_equal_errors_change_no_decision(rung: dict[int, float], data: st.DataObject, eta: int, error: float) -> None:
    number = data.draw(st.sampled_from(sorted(rung)))
    assert advances(rung, number, eta, dict.fromkeys(rung, error)) == advances(rung, number, eta)


@given(rung=RUNGS, eta=st.integers(2, 5), data=st.data())
def test_errors_leave_as_much_room(rung: dict[int, float], eta: int, data: st.DataObject) -> None:
    errors = {number: data.draw(st.sampled_from([0.0, 0.5, 2.0, math.nan])) for number in rung}
    passed = [number for number in rung if advances(rung, number, eta, errors)]
    assert len(passed) == len([number for number in rung if advances(rung, number, eta)])


def test_a_row_with_a_large_error_may_pass_before_a_better_one_that_the_best_excludes() -> None:
    rung, errors = {0: 0.0, 1: 4.0, 2: 5.0, 3: 9.0}, {0: 1.0, 1: 1.0, 2: 9.0, 3: 1.0}
    assert [advances(rung, number, 2) for number in rung] == [True, True, False, False]
    assert [advances(rung, number, 2, errors) for number in rung] == [True, False, True, False]


@given(min_epochs=st.integers(1, 9), eta=st.integers(2, 10), max_epochs=st.integers(1, 3000))
def test_rungs_are_all_powers_below_the_end(min_epochs: int, eta: int, max_epochs: int) -> None:
    assert list(rung_epochs(min_epochs, eta, max_epochs)) == reference.rungs(min_epochs, eta, max_epochs)


@pytest.mark.parametrize(("eta", "power"), [(3, 5), (10, 3), (5, 3), (6, 3)])
def test_no_top_rung_is_lost_to_rounding(eta: int, power: int) -> None:
    """log(243) / log(3) is 4.99...: counted so, as Ray does, the highest rung is lost."""
    assert rung_epochs(1, eta, eta**power + 1)[-1] == eta**power
    assert rung_epochs(1, eta, eta**power)[-1] == eta ** (power - 1)
    if (eta, power) in {(3, 5), (10, 3)}:
        assert _Bracket(1, eta**power, eta, 0)._rungs[0][0] == eta ** (power - 1)


@pytest.mark.parametrize(("eta", "small", "large"), [(2, 21, 12), (3, 72, 21), (4, 123, 20)])
def test_how_often_ray_decides_otherwise(eta: int, small: int, large: int) -> None:
    """Ray compares with an interpolated percentile of the earlier rows; here a row's rank among all of them counts.

    27 trials come by a rung one after the other, 100 times: of 800 decisions below 9 rows `small` differ, of 1900 above
    it `large`.
    """
    draws = np.random.default_rng(0)
    differ = []
    for _ in range(100):
        rung: dict[int, float] = {}
        bracket = _Bracket(1, 9, eta, 0)
        for number, loss in enumerate(draws.permutation(27).tolist()):
            rung[number] = loss
            rays: Any = SimpleNamespace(trial_id=str(number))
            ours = CONTINUE if advances(rung, number, eta) else STOP
            if bracket.on_result(rays, 1, -loss) != ours:
                differ.append(len(rung))
    assert (sum(m < 9 for m in differ), sum(m >= 9 for m in differ)) == (small, large)


@given(rungs=st.lists(st.integers(1, 99), unique=True).map(sorted), epoch=st.floats(0, 99))
def test_the_newest_rung_is_the_highest_that_was_reached(rungs: list[int], epoch: float) -> None:
    newest = newest_rung(rungs, epoch)
    reached = [rung for rung in rungs if rung <= epoch]
    assert newest == (reached[-1] if reached else None)


def test_a_row_meets_those_that_were_there_and_itself() -> None:
    rung = {4: {"time": 1.0}, 7: {"time": 2.0}, 1: {"time": 3.0}}
    assert [set(rows_met(rung, number)) for number in (4, 7, 1)] == [{4}, {4, 7}, {4, 7, 1}]


@pytest.mark.parametrize(("direction", "best"), [("minimize", 0), ("maximize", 1)])
def test_better_is_what_the_objective_says_and_a_row_without_it_never_passes(direction: Any, best: int) -> None:
    rung = {0: {"loss": 1.0, "time": 1.0}, 1: {"loss": 2.0, "time": 2.0}, 2: {"time": 3.0}}
    passing = [number for number in rung if advances_on(Objective("loss", direction), rung, number, 3)]
    assert passing == [best]


def test_neither_ray_nor_optuna_is_imported() -> None:
    code = "import sys, vsam_tune.study.scheduling.rungs; print({'ray', 'torch', 'optuna', 'mlflow'} & {*sys.modules})"
    read = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert read.stdout == "set()\n"
