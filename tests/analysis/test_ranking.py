"""The ranking at a rung: literal cases, a reference in plain loops, and what holds for all losses."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import ranking as reference
from vsam_tune.analysis.pareto import dominates
from vsam_tune.analysis.ranking import rank

# Whole numbers: they may be shifted, and scaled by powers of two, without rounding.
WHOLE = st.integers(-20, 20).map(float)
SCALES = st.integers(-8, 8).map(lambda exponent: 2.0**exponent)
SHIFTS = st.integers(-1000, 1000).map(float)
NOT_FINITE = [math.nan, math.inf, -math.inf]


@st.composite
def rungs(draw, objectives=(1, 4), finite=False):
    """Losses, trial numbers, which are feasible, and errors, some of them 0."""
    num_rows, num_objectives = draw(st.integers(0, 12)), draw(st.integers(*objectives))

    def table(numbers):
        drawn = draw(st.lists(numbers, min_size=num_rows * num_objectives, max_size=num_rows * num_objectives))
        return np.array(drawn, dtype=np.float64).reshape(num_rows, num_objectives)

    losses = table(WHOLE if finite else st.one_of(WHOLE, WHOLE, WHOLE, st.sampled_from(NOT_FINITE)))
    numbers = np.array(draw(st.permutations(range(2, 2 + num_rows))), dtype=int)
    flags = st.just(True) if finite else st.booleans()
    feasible = np.array(draw(st.lists(flags, min_size=num_rows, max_size=num_rows)), dtype=bool)
    return losses, numbers, feasible, table(st.sampled_from([0.0, 0.5, 1.0, 4.0]))


def order(ranks, numbers):
    """The trials' numbers, best first."""
    return [int(numbers[row]) for row in np.argsort(ranks)]


# ---- cases


def test_layers_come_one_after_the_other_and_the_farthest_first_inside():
    losses = [[0, 10], [10, 0], [4, 5], [5, 4.5], [1, 9.5], [10, 10], [6, 6]]
    # The first five dominate the rest: both extremes, then what is farthest from all before.
    assert order(rank(losses, range(7), [True] * 7), range(7)) == [0, 1, 3, 4, 2, 6, 5]


def test_an_objective_in_large_numbers_decides_no_more_than_another():
    losses = np.array([[0, 10], [10, 0], [4, 5], [5, 4.5], [1, 9.5]])
    assert rank(losses * [1, 1024], range(5), [True] * 5).tolist() == rank(losses, range(5), [True] * 5).tolist()


def test_infeasible_rows_and_such_that_are_not_finite_come_last_by_number():
    losses = [[math.nan, 0], [5, 5], [-9, -9], [0, math.inf], [1, 1]]
    assert order(rank(losses, [9, 8, 7, 6, 5], [True, True, False, True, True]), [9, 8, 7, 6, 5]) == [5, 8, 6, 7, 9]


def test_rows_that_noise_cannot_tell_apart_share_a_layer():
    # With these errors 3 apart is beyond noise, 2 is not: the first three share a layer, and its worst is farthest.
    losses = [[0, 0], [1, 1], [2, 2], [3, 3]]
    assert order(rank(losses, range(4), [True] * 4, np.ones((4, 2))), range(4)) == [0, 2, 1, 3]


def test_rows_in_a_cycle_form_one_layer():
    losses, errors = [[5, 5], [9, 2], [2, 6], [5, 3]], [[0, 2], [2, 0], [1, 1], [3, 0]]
    assert dominates(losses, errors).any(axis=0).all()
    assert order(rank(losses, range(4), [True] * 4, errors), range(4)) == [2, 1, 3, 0]  # extremes, then the farthest


def test_one_objective_is_ordered_by_value_inside_a_layer():
    losses, errors = [[3.0], [1.0], [2.0], [40.0]], np.full((4, 1), 10.0)
    assert rank(losses, range(4), [True] * 4, errors).tolist() == [2, 0, 1, 3]


def test_an_uncertain_row_may_come_before_a_better_one_that_the_best_excludes():
    losses, errors = [[0.0], [4.0], [5.0]], [[1.0], [1.0], [9.0]]
    assert rank(losses, range(3), [True] * 3).tolist() == [0, 1, 2]
    assert rank(losses, range(3), [True] * 3, errors).tolist() == [0, 2, 1]


# ---- what holds for all losses


@given(rungs(), st.booleans())
def test_the_ranks_are_those_of_the_reference(rung, noisy):
    losses, numbers, feasible, errors = rung
    ranks = rank(losses, numbers, feasible, errors if noisy else None)
    expected = reference.rank(losses.tolist(), numbers.tolist(), feasible.tolist(), errors.tolist() if noisy else None)
    assert ranks.tolist() == expected


@given(rungs(), st.booleans())
def test_every_row_has_a_rank_of_its_own(rung, noisy):
    losses, numbers, feasible, errors = rung
    ranks = rank(losses, numbers, feasible, errors if noisy else None)
    assert sorted(ranks.tolist()) == list(range(len(losses)))


@given(rungs(finite=True))
def test_no_row_ranks_behind_one_that_it_dominates(rung):
    losses, numbers, feasible, _ = rung
    ranks = rank(losses, numbers, feasible)
    behind = ranks[:, np.newaxis] > ranks[np.newaxis, :]
    assert not (behind & dominates(losses, np.zeros_like(losses))).any()


@given(rungs(), st.booleans(), st.data())
def test_the_order_of_arrival_does_not_matter(rung, noisy, data):
    losses, numbers, feasible, errors = rung
    moved = np.array(data.draw(st.permutations(range(len(losses)))), dtype=int)
    ranks = rank(losses, numbers, feasible, errors if noisy else None)
    again = rank(losses[moved], numbers[moved], feasible[moved], errors[moved] if noisy else None)
    assert again.tolist() == ranks[moved].tolist()


@given(rungs(), st.booleans(), st.data())
def test_units_and_zero_points_do_not_matter(rung, noisy, data):
    losses, numbers, feasible, errors = rung
    num_objectives = losses.shape[1]
    scale = np.array(data.draw(st.lists(SCALES, min_size=num_objectives, max_size=num_objectives)))
    shift = np.array(data.draw(st.lists(SHIFTS, min_size=num_objectives, max_size=num_objectives)))
    moved = rank((losses + shift) * scale, numbers, feasible, errors * scale if noisy else None)
    assert moved.tolist() == rank(losses, numbers, feasible, errors if noisy else None).tolist()


@given(rungs(objectives=(1, 1), finite=True))
def test_one_objective_is_sorted_by_value_also_with_equal_errors(rung):
    losses, numbers, feasible, _ = rung
    expected = sorted(zip(losses[:, 0].tolist(), numbers.tolist(), strict=True))
    for errors in (None, np.full_like(losses, 2.0)):
        ranks = rank(losses, numbers, feasible, errors)
        assert order(ranks, numbers) == [number for _, number in expected]


@given(rungs(), st.booleans(), st.sampled_from([*NOT_FINITE, -99.0]))
def test_an_infeasible_row_changes_nothing_for_the_rest(rung, noisy, loss):
    losses, numbers, feasible, errors = rung
    ranks = rank(losses, numbers, feasible, errors if noisy else None)
    more = [np.vstack([table, np.full(losses.shape[1], value)]) for table, value in ((losses, loss), (errors, 1.0))]
    again = rank(more[0], [*numbers, 0], [*feasible, False], more[1] if noisy else None)
    good = feasible & np.isfinite(losses).all(axis=1)
    assert again[:-1][good].tolist() == ranks[good].tolist()


@given(rungs())
def test_errors_of_zero_are_none(rung):
    losses, numbers, feasible, _ = rung
    ranks = rank(losses, numbers, feasible, np.zeros_like(losses))
    assert ranks.tolist() == rank(losses, numbers, feasible).tolist()


@pytest.mark.parametrize("errors", [None, np.empty((0, 2))])
def test_an_empty_rung_has_no_ranks(errors):
    assert rank(np.empty((0, 2)), [], [], errors).shape == (0,)


@pytest.mark.parametrize("row", [[1.0, 2.0], [math.nan, 1.0]])
@pytest.mark.parametrize("errors", [None, [[1.0, 1.0]]])
def test_a_single_row_is_the_best(row, errors):
    assert rank([row], [3], [True], errors).tolist() == [0]


def test_tables_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"must be \(n, k\)"):
        rank([1.0, 2.0], [0, 1], [True, True])
    with pytest.raises(ValueError, match="errors have the shape"):
        rank([[1.0], [2.0]], [0, 1], [True, True], [[1.0]])


@pytest.mark.slow
def test_in_ten_thousand_tables_no_row_ranks_behind_one_that_it_dominates() -> None:
    draws = np.random.default_rng(0)
    for _ in range(10_000):
        losses = draws.integers(0, 6, size=(draws.integers(1, 30), draws.integers(1, 4))).astype(float)
        ranks = rank(losses, draws.permutation(len(losses)), np.ones(len(losses), dtype=bool))
        one, two = losses[:, np.newaxis], losses[np.newaxis, :]
        dominates = (one <= two).all(axis=2) & (one < two).any(axis=2)
        assert not (dominates & (ranks[:, np.newaxis] > ranks[np.newaxis, :])).any()
