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
from vsam_tune.study.scheduling.rungs import Comparison, newest_rung, rows_met, rung_epochs, with_averages_since

LOSSES = st.one_of(st.floats(-3, 3), st.integers(-2, 2).map(float), st.sampled_from([math.nan, math.inf, -math.inf]))
RUNGS = st.dictionaries(st.integers(0, 30), LOSSES, min_size=1, max_size=20)
LOSS, COST = Objective("loss", "minimize"), Objective("cost", "minimize")


def comparison(*objectives: Objective, eta: int = 3, **settings: Any) -> Comparison:
    return Comparison(objectives=objectives or (LOSS,), reduction_factor=eta, min_rung_size=eta, **settings)


def rows(losses: dict[int, float], errors: dict[int, float] | None = None) -> dict[int, dict[str, float]]:
    """Return a rung as it is stored: it holds finite numbers alone."""
    finite = {number: {"loss": loss} if math.isfinite(loss) else {} for number, loss in losses.items()}
    return {number: {**row, **({"loss_error": errors[number]} if errors else {})} for number, row in finite.items()}


def advances(losses: dict[int, float], number: int, eta: int, errors: dict[int, float] | None = None) -> bool:
    return comparison(eta=eta).stopping(rows(losses, errors), number).passes


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
    compared = comparison(Objective("loss", direction))
    assert [number for number in rung if compared.stopping(rung, number).passes] == [best]


@given(rung=RUNGS, eta=st.integers(2, 5), data=st.data())
def test_promotion_keeps_the_best_of_the_floor(rung: dict[int, float], eta: int, data: st.DataObject) -> None:
    number = data.draw(st.sampled_from(sorted(rung)))
    finite = sorted((loss, other) for other, loss in rung.items() if math.isfinite(loss))
    best = [other for _, other in finite[: len(rung) // eta]]
    assert comparison(eta=eta).promotion(rows(rung), number).passes == (number in best)


def test_a_decision_says_how_it_came_about() -> None:
    decision = comparison(eta=3).stopping(rows({4: 3.0, 5: 1.0, 6: 2.0, 7: 4.0}), 4)
    assert (decision.passes, decision.rank, decision.rows, decision.kept) == (False, 2, 4, 2)


def test_fewer_rows_than_the_smallest_rung_all_pass() -> None:
    compared = Comparison(objectives=(LOSS,), reduction_factor=2, min_rung_size=4)
    losses = {0: 1.0, 1: 2.0, 2: 3.0}
    assert all(compared.stopping(rows(losses), number).passes for number in losses)
    losses[3] = 4.0
    assert [compared.stopping(rows(losses), number).passes for number in losses] == [True, True, False, False]


TWO = {  # (loss, cost): 0, 1 and 2 are on the front, 3 is dominated by 1, and 4 by all
    0: {"loss": 1.0, "cost": 9.0},
    1: {"loss": 4.0, "cost": 4.0},
    2: {"loss": 9.0, "cost": 1.0},
    3: {"loss": 5.0, "cost": 5.0},
    4: {"loss": 9.5, "cost": 9.5},
}


def test_with_two_objectives_layers_come_first_and_the_extremes_of_a_layer_lead() -> None:
    assert list(comparison(LOSS, COST).ranked(TWO)) == [0, 2, 1, 3, 4]
    assert list(comparison(COST, LOSS).ranked(TWO)) == [2, 0, 1, 3, 4]


def test_a_row_that_lacks_an_objective_never_passes_and_counts_as_a_row() -> None:
    rung = {**TWO, 5: {"loss": 0.0}}
    compared = comparison(LOSS, COST, eta=2)
    assert not compared.stopping(rung, 5).passes
    assert compared.stopping(rung, 1).kept == 3
    assert compared.stopping(rung, 5).rank is None


def test_noise_may_be_ignored() -> None:
    rung = {number: {**row, "loss_error": 9.0, "cost_error": 9.0} for number, row in TWO.items()}
    assert list(comparison(LOSS, COST).ranked(rung)) != [0, 2, 1, 3, 4]
    assert list(comparison(LOSS, COST, noise="ignore").ranked(rung)) == [0, 2, 1, 3, 4]


def test_averages_since_the_previous_rung() -> None:
    """Two epochs at 100 images/s, then two at 50, with 1.5 and 2 gradients: 4 epochs take 2/100 + 2/50 of a time."""
    former = {"epoch": 2.0, "ais": 100.0, "gradient_evaluations": 1.5, "loss": 3.0}
    row = {"epoch": 4.0, "ais": 4 / (2 / 100 + 2 / 50), "gradient_evaluations": 1.75, "loss": 2.0}
    since = with_averages_since(row, former)
    assert since == pytest.approx({**row, "ais_since_rung": 50.0, "gradient_evaluations_since_rung": 2.0})
    assert with_averages_since(row, None) == row
    assert with_averages_since({**row, "ais": 0.0}, former).keys() == row.keys() | {"gradient_evaluations_since_rung"}


def test_a_rung_compares_the_averages_since_the_previous_one_if_asked() -> None:
    ais = Objective("ais", "maximize")
    rung = {0: {"ais": 9.0, "ais_since_rung": 5.0}, 1: {"ais": 8.0, "ais_since_rung": 7.0}}
    assert list(comparison(ais).ranked(rung)) == [0, 1]
    assert list(comparison(ais, ais_horizon="last").ranked(rung)) == [1, 0]
    assert list(comparison(ais, ais_horizon="last").ranked({0: {"ais": 9.0}, 1: {"ais": 8.0}})) == [0, 1]


def test_neither_ray_nor_optuna_is_imported() -> None:
    code = "import sys, vsam_tune.study.scheduling.rungs; print({'ray', 'torch', 'optuna', 'mlflow'} & {*sys.modules})"
    read = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert read.stdout == "set()\n"
