"""Fronts, noise, hypervolumes, reference points and knees: literal cases, and what holds for all losses."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vsam_tune.analysis import pareto

# Whole numbers: they may be shifted, and scaled by powers of two, without rounding.
WHOLE = st.integers(-50, 50).map(float)
SHIFTS = st.integers(-1000, 1000).map(float)
SCALES = st.integers(-8, 8).map(lambda exponent: 2.0**exponent)


@st.composite
def rows(draw, min_rows=0):
    num_objectives = draw(st.integers(1, 4))
    row = st.lists(WHOLE, min_size=num_objectives, max_size=num_objectives)
    drawn = draw(st.lists(row, min_size=min_rows, max_size=12))
    return np.array(drawn).reshape(-1, num_objectives)


@st.composite
def fronts_of_two(draw):
    """At least three rows, none of which dominates another, in any order."""
    count = draw(st.integers(3, 10))
    first, second = (draw(st.lists(WHOLE, min_size=count, max_size=count, unique=True)) for _ in range(2))
    front = np.column_stack([sorted(first), sorted(second, reverse=True)])
    return front[draw(st.permutations(range(count)))]


@st.composite
def fronts_of_three(draw):
    """Three extremes, and what they and each other do not dominate; a minimum may be reached twice."""
    inner = st.integers(0, 49).map(float)
    extremes = [[0, 50, draw(inner)], [draw(inner), 0, 50], [50, draw(inner), 0]]
    points = np.array(extremes + draw(st.lists(st.lists(inner, min_size=3, max_size=3), max_size=8)))
    front = points[pareto.front(points)]
    return front[draw(st.permutations(range(len(front))))]


def dominates(a, b):
    return all(a <= b) and any(a < b)


def swept_area(losses, corner):
    """The area dominated by 2-d losses: strips from left to right, each as high as the best so far."""
    inside = sorted((x, y) for x, y in losses if x < corner[0] and y < corner[1])
    area, lowest = 0.0, corner[1]
    for position, (x, y) in enumerate(inside):
        lowest = min(lowest, y)
        right = inside[position + 1][0] if position + 1 < len(inside) else corner[0]
        area += (right - x) * (corner[1] - lowest)
    return area


# ---- front


def test_front_keeps_what_nothing_dominates_and_all_duplicates():
    losses = [[1, 4], [2, 2], [4, 1], [2, 3], [2, 2], [5, 5]]
    assert pareto.front(losses).tolist() == [True, True, True, False, True, False]


def test_front_of_one_objective_is_its_minimum():
    assert pareto.front([[3.0], [1.0], [2.0], [1.0]]).tolist() == [False, True, False, True]


def test_front_of_three_objectives():
    losses = [[1, 9, 9], [9, 1, 9], [9, 9, 1], [9, 9, 9], [2, 2, 2], [2, 2, 3]]
    assert pareto.front(losses).tolist() == [True, True, True, False, True, False]


def test_front_of_nothing_is_empty():
    marked = pareto.front(np.empty((0, 2)))
    assert marked.shape == (0,)
    assert marked.dtype == np.bool_


@given(rows())
def test_front_is_exactly_the_rows_that_no_row_dominates(losses):
    expected = [not any(dominates(other, row) for other in losses) for row in losses]
    assert pareto.front(losses).tolist() == expected


@given(rows(min_rows=1), st.data())
def test_front_follows_a_permutation_a_shift_and_a_scale(losses, data):
    order = np.array(data.draw(st.permutations(range(len(losses)))))
    moved = losses * data.draw(SCALES) + data.draw(SHIFTS)
    assert pareto.front(moved[order]).tolist() == pareto.front(losses)[order].tolist()


# ---- hypervolume


def test_hypervolume_of_two_steps():
    # 3 wide and 1 high for (1, 3), and below it 2 wide and 1 high for (2, 2).
    assert pareto.hypervolume([[1, 3], [2, 2]], [4, 4]) == 3 + 2


def test_hypervolume_of_one_and_of_three_objectives():
    assert pareto.hypervolume([[3.0], [1.5]], [4.0]) == 2.5
    assert pareto.hypervolume([[0, 0, 0], [1, 1, -1]], [2, 2, 2]) == 8 + 1


@pytest.mark.parametrize("row", [[4, 0], [0, 4], [9, 0], [4, 4]])
def test_a_row_that_is_not_better_than_the_reference_point_contributes_nothing(row):
    assert pareto.hypervolume([row], [4, 4]) == 0.0
    assert pareto.hypervolume([row, [3, 3]], [4, 4]) == 1.0


def test_hypervolume_of_nothing_is_zero():
    assert pareto.hypervolume(np.empty((0, 3)), [1, 1, 1]) == 0.0


@given(st.lists(st.tuples(WHOLE, WHOLE), max_size=12), st.tuples(WHOLE, WHOLE))
def test_hypervolume_agrees_with_a_sweep(losses, corner):
    array = np.array(losses).reshape(-1, 2)
    assert pareto.hypervolume(array, corner) == pytest.approx(swept_area(losses, corner), rel=1e-12)


@given(rows(min_rows=1), st.data())
def test_hypervolume_never_shrinks_with_a_row_and_is_unmoved_by_a_dominated_one(losses, data):
    corner = np.full(losses.shape[1], 40.0)
    fewer = pareto.hypervolume(losses[:-1], corner)
    assert pareto.hypervolume(losses, corner) >= fewer * (1 - 1e-12)
    dominated = losses[data.draw(st.integers(0, len(losses) - 1))] + 1
    with_dominated = pareto.hypervolume(np.vstack([losses, dominated]), corner)
    assert with_dominated == pytest.approx(pareto.hypervolume(losses, corner), rel=1e-12)


@given(rows(min_rows=1), st.data())
def test_hypervolume_ignores_order_and_shift_and_scales_with_each_objective(losses, data):
    num_objectives = losses.shape[1]
    corner = np.full(num_objectives, 40.0)
    scale = np.array(data.draw(st.lists(SCALES, min_size=num_objectives, max_size=num_objectives)))
    shift = data.draw(SHIFTS)
    order = data.draw(st.permutations(range(len(losses))))
    moved = pareto.hypervolume((losses[order] + shift) * scale, (corner + shift) * scale)
    assert moved == pytest.approx(pareto.hypervolume(losses, corner) * scale.prod(), rel=1e-9)


# ---- reference point


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([[0, -100], [10, -300]], [11, -80]),  # 10 % of the range beyond the worst
        ([[5.0], [5.0]], [5.5]),  # no range: 10 % of the value
        ([[-5.0]], [-4.5]),  # worse is towards larger losses, whatever the sign
        ([[0.0], [0.0]], [1.0]),  # neither range nor value
        ([[0, 7], [20, 7]], [22, 7.7]),  # each objective by itself
    ],
)
def test_reference_point(losses, expected):
    assert pareto.reference_point(losses) == pytest.approx(expected)


@given(rows(min_rows=1), st.data())
def test_reference_point_is_worse_than_every_row_and_scales(losses, data):
    corner = pareto.reference_point(losses)
    assert (corner > losses).all()
    assert pareto.hypervolume(losses, corner) > 0
    order = data.draw(st.permutations(range(len(losses))))
    assert pareto.reference_point(losses[order]).tolist() == corner.tolist()
    scale = data.draw(SCALES)
    assume(not (losses == 0).all(axis=0).any())  # the 1 for a constant 0 has no scale
    assert pareto.reference_point(losses * scale).tolist() == (corner * scale).tolist()


# ---- knee


def test_knee_is_the_point_furthest_below_the_chord_on_scaled_objectives():
    # Scaled: (0, 1), (.1, .5), (.4, .21 or .19), (1, 0); the chord is x + y = 1.
    assert pareto.knee([[0, 1000], [1, 500], [4, 210], [10, 0]]) == 1
    assert pareto.knee([[0, 1000], [1, 500], [4, 190], [10, 0]]) == 2


def test_knee_ties_go_to_the_lowest_index():
    assert pareto.knee([[0, 4], [2, 1], [1, 2], [4, 0]]) == 1


@pytest.mark.parametrize("losses", [[[7, 7]], [[0, 1], [1, 0]], [[1, 0], [0, 1]], [[1, 1, 0], [0, 0, 1]]])
def test_knee_of_fewer_than_three_points_is_the_first(losses):
    assert pareto.knee(losses) == 0


def test_knee_of_a_front_that_bends_away_from_the_ideal_is_an_extreme():
    assert pareto.knee([[3, 3], [0, 4], [4, 0]]) == 1


def test_knee_of_a_straight_front_is_its_first_row():
    assert pareto.knee([[0, 4], [2, 2], [4, 0]]) == 0


def test_knee_of_one_objective_is_the_first_row():
    assert pareto.knee([[2.0], [2.0], [2.0]]) == 0


def test_knee_of_three_objectives_is_furthest_from_the_plane_through_the_extremes():
    # The extremes (0, 2, 4), (4, 0, 2), (2, 4, 0) span x + y + z = 6.
    losses = [[0, 2, 4], [4, 0, 2], [2, 4, 0], [1, 2, 2], [2, 1, 1], [2, 2, 3]]
    assert pareto.knee(losses) == 4


def test_knee_uses_the_slope_of_the_plane():
    # Scaled extremes (0, 1, .5), (.25, 0, 1), (1, .5, 0): the plane is 12 x + 10 y + 14 z = 17.
    extremes = [[0, 4, 2], [1, 0, 4], [4, 2, 0]]
    normal = np.linalg.solve(np.array(extremes) / 4, np.ones(3))
    assert normal == pytest.approx(np.array([12, 10, 14]) / 17)
    better_by_sum, better_by_plane = [1, 1, 1.9], [1, 2.1, 0.9]
    assert sum(better_by_sum) < sum(better_by_plane)
    assert pareto.knee([*extremes, better_by_sum, better_by_plane]) == 4


def test_knee_of_extremes_that_span_no_plane_weighs_the_objectives_equally():
    # (0, 0, 4) is best in the first two objectives.
    assert pareto.knee([[0, 0, 4], [4, 4, 0], [3, 3, 1], [1, 1, 1]]) == 3


def test_knee_where_the_plane_through_the_extremes_leans_the_wrong_way_weighs_the_objectives_equally():
    # The plane is 1.25 x + 1.25 y - 0.28 z = 1 on scaled objectives: it would call a large z good.
    assert pareto.knee([[0, 10, 9], [10, 0, 9], [4, 4, 0], [1, 1, 10]]) == 2


def test_a_constant_objective_does_not_move_the_knee():
    losses = np.array([[0, 1000], [1, 500], [4, 190], [10, 0]])
    assert pareto.knee(np.column_stack([losses, np.full(4, 7)])) == 2


@given(rows(min_rows=1), st.data())
def test_knee_follows_a_shift_and_a_scale_of_each_objective(losses, data):
    losses = losses[pareto.front(losses)]
    num_objectives = losses.shape[1]
    scale = np.array(data.draw(st.lists(SCALES, min_size=num_objectives, max_size=num_objectives)))
    assert pareto.knee((losses + data.draw(SHIFTS)) * scale) == pareto.knee(losses)


@given(fronts_of_two())
def test_knee_is_furthest_from_the_chord_in_any_order(losses):
    scaled = (losses - losses.min(axis=0)) / np.ptp(losses, axis=0)
    start, end = scaled[scaled[:, 0].argmin()], scaled[scaled[:, 1].argmin()]
    chord, offset = end - start, scaled - start
    towards_ideal = chord[1] * offset[:, 0] - chord[0] * offset[:, 1]  # times the length of the chord
    assert towards_ideal[pareto.knee(losses)] == pytest.approx(towards_ideal.max(), abs=1e-12)


@given(fronts_of_three())
def test_knee_is_furthest_from_the_plane_in_any_order(losses):
    assume((np.ptp(losses, axis=0) > 0).all())  # three points that differ in every objective span the plane
    scaled = (losses - losses.min(axis=0)) / np.ptp(losses, axis=0)
    a, b, c = (np.array(min(scaled.tolist(), key=lambda row: row[k:] + row[:k])) for k in range(3))
    normal = np.cross(b - a, c - a)
    normal *= np.sign(normal.sum())
    assume((normal > 1e-9).all())
    towards_ideal = (a - scaled) @ normal
    assert towards_ideal[pareto.knee(losses)] == pytest.approx(towards_ideal.max(), abs=1e-12)


# ---- what differs beyond noise


def dominates_beyond_noise(a, b, errors_a, errors_b, better, worse):
    """The relation in words: better by one threshold in some objective, worse by the other in none."""
    gains = [y - x for x, y in zip(a, b, strict=True)]
    widths = [math.sqrt(s * s + t * t) for s, t in zip(errors_a, errors_b, strict=True)]
    pairs = list(zip(gains, widths, strict=True))
    return any(gain > better * width for gain, width in pairs) and not any(
        -gain > worse * width for gain, width in pairs
    )


# Of 3-4-5 triangles, so that thresholds are exact.
@st.composite
def rows_with_errors(draw):
    losses = draw(rows())
    errors = draw(st.lists(st.sampled_from([0.0, 3.0, 4.0]), min_size=losses.size, max_size=losses.size))
    return losses, np.array(errors).reshape(losses.shape)


def test_a_row_dominates_only_by_more_than_its_quantile_of_the_error_of_the_difference():
    errors = [[3.0, 0.0], [4.0, 0.0]]  # of the difference: 5
    assert not pareto.dominates([[0, 1], [10, 1]], errors, better=2.0).any()
    assert pareto.dominates([[0, 1], [11, 1]], errors, better=2.0).tolist() == [[False, True], [False, False]]


def test_a_row_that_is_worse_within_noise_dominates_one_that_it_beats_beyond_noise():
    losses = [[0, 2], [20, 0]]
    assert pareto.dominates(losses, [[3, 1], [4, 1]]).tolist() == [[False, True], [False, False]]
    assert not pareto.dominates(losses, [[3, 0], [4, 0]]).any()


@pytest.mark.parametrize("unknown", [math.nan, math.inf])
def test_nothing_differs_in_an_objective_of_which_nothing_is_known(unknown):
    assert not pareto.dominates([[0.0], [1e9]], [[unknown], [0.0]]).any()


def test_a_loss_counts_by_a_quantile_of_its_own():
    losses, errors = [[0, 15], [100, 0]], [[3, 3], [4, 4]]  # better by 20 errors of the difference, worse by 3
    assert not pareto.dominates(losses, errors, better=4.0, worse=2.0).any()
    assert pareto.dominates(losses, errors, better=4.0, worse=4.0).tolist() == [[False, True], [False, False]]


@given(rows_with_errors(), st.sampled_from([(1.0, 1.0), (2.0, 1.0), (3.0, 0.0)]))
def test_domination_beyond_noise_is_what_its_definition_says(drawn, quantiles):
    losses, errors = drawn
    expected = [
        [dominates_beyond_noise(losses[a], losses[b], errors[a], errors[b], *quantiles) for b in range(len(losses))]
        for a in range(len(losses))
    ]
    assert pareto.dominates(losses, errors, *quantiles).tolist() == expected


@given(rows())
def test_without_errors_it_is_plain_domination(losses):
    dominating = pareto.dominates(losses, np.zeros_like(losses))
    assert dominating.tolist() == [[bool(dominates(a, b)) for b in losses] for a in losses]
    assert (~dominating.any(axis=0)).tolist() == pareto.front(losses).tolist()


@given(rows_with_errors(), st.sampled_from([(1.96, 1.96), (4.0, 2.0), (4.0, 0.0)]))
def test_no_row_dominates_itself_nor_one_that_dominates_it(drawn, quantiles):
    dominating = pareto.dominates(*drawn, *quantiles)
    assert not (dominating & dominating.T).any()


@given(rows_with_errors(), st.sampled_from([2.0, 4.0, 8.0]))
def test_a_larger_gain_to_ask_for_excludes_less_and_a_larger_loss_to_allow_excludes_more(drawn, quantile):
    losses, errors = drawn
    dominating = pareto.dominates(losses, errors, better=quantile, worse=2.0)
    assert not (dominating & ~pareto.dominates(losses, errors, better=2.0, worse=2.0)).any()
    assert not (dominating & ~pareto.dominates(losses, errors, better=quantile, worse=quantile)).any()


@given(rows_with_errors(), st.data())
def test_domination_beyond_noise_follows_a_permutation_a_shift_and_a_scale(drawn, data):
    losses, errors = drawn
    order = np.array(data.draw(st.permutations(range(len(losses)))), dtype=int)
    scale = data.draw(SCALES)
    moved = pareto.dominates((losses * scale + data.draw(SHIFTS))[order], (errors * scale)[order], 2.0)
    assert moved.tolist() == pareto.dominates(losses, errors, 2.0)[np.ix_(order, order)].tolist()


# ---- the quantile of a front


@pytest.mark.parametrize(("num_rows", "table"), [(2, 2.77), (3, 3.31), (10, 4.47), (20, 5.01), (60, 5.76)])
def test_the_quantile_of_a_front_of_one_objective_is_that_of_tukeys_tables(num_rows, table):
    # The studentized range at 5 % with infinitely many degrees of freedom, in errors of one row.
    assert pareto.front_quantile(np.ones((num_rows, 1))) * math.sqrt(2) == pytest.approx(table, abs=0.005)


@pytest.mark.parametrize("num_rows", [2, 3, 16, 200])
@pytest.mark.parametrize("num_noisy", [1, 2, 3])
def test_the_quantile_of_a_front_is_scipys(num_rows, num_noisy):
    """The module itself does not import scipy.stats, which takes half a second."""
    from scipy.stats import studentized_range

    exact = studentized_range.ppf(1 - 0.05 / num_noisy, num_rows, np.inf) / math.sqrt(2)
    assert pareto.front_quantile(np.ones((num_rows, num_noisy))) == pytest.approx(exact, rel=1e-10)


def test_a_front_is_found_without_scipy_stats():
    code = "import sys; from vsam_tune.analysis import pareto; pareto.front_quantile([[1.0], [2.0]])"
    run = f"{code}; print('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True).stdout == "False\n"


def test_two_rows_of_two_noisy_objectives_are_corrected_for_two_comparisons():
    assert pareto.front_quantile([[1.0, 2.0], [3.0, 4.0]]) == pytest.approx(2.2414, abs=1e-4)  # normal, at 1.25 %


def test_an_objective_without_errors_is_no_comparison():
    errors = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]])
    assert pareto.front_quantile(errors) == pareto.front_quantile(errors[:, :1]) > pareto.PAIRWISE
    assert pareto.front_quantile(np.zeros((9, 2))) == pareto.PAIRWISE


@pytest.mark.parametrize("errors", [np.empty((0, 2)), [[1.0, 1.0]]])
def test_fewer_than_two_rows_have_nothing_to_correct_for(errors):
    assert pareto.front_quantile(errors) == pareto.PAIRWISE


@pytest.mark.parametrize("errors", [[1.0, 1.0], [0.2, 3.0]], ids=["equal", "unlike"])
@pytest.mark.parametrize("num_rows", [2, 12, 40])
def test_of_equal_rows_noise_excludes_one_in_at_most_five_percent_of_fronts(num_rows, errors):
    draws, num_fronts = np.random.default_rng(0), 1000
    widths = draws.choice(errors, size=(num_rows, 2))
    losses = draws.normal(scale=widths, size=(num_fronts, num_rows, 2))
    quantile = pareto.front_quantile(widths)
    found = sum(pareto.dominates(each, widths, quantile).any() for each in losses)
    assert found <= 0.05 * num_fronts + 2 * math.sqrt(0.05 * 0.95 * num_fronts)
    pairwise = sum(pareto.dominates(each, widths).any() for each in losses)
    assert pairwise >= {2: 0.05, 12: 0.7, 40: 0.95}[num_rows] * num_fronts


# ---- what is refused


def test_errors_of_another_shape_or_below_zero_are_refused():
    with pytest.raises(ValueError, match=r"errors have the shape \(2,\), but must have that of the losses, \(1, 2\)"):
        pareto.dominates([[1, 2]], [1, 2])
    with pytest.raises(ValueError, match="row 1 of the errors"):
        pareto.dominates([[1], [2]], [[1], [-1]])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("function", [pareto.front, pareto.reference_point, pareto.knee])
def test_losses_that_are_not_finite_are_refused_with_their_row(function, bad):
    with pytest.raises(ValueError, match="row 1 of the losses"):
        function([[1, 2], [bad, 2], [0, 3]])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_hypervolume_refuses_what_is_not_finite(bad):
    with pytest.raises(ValueError, match="row 0 of the losses"):
        pareto.hypervolume([[bad, 1]], [2, 2])
    with pytest.raises(ValueError, match="the reference point is"):
        pareto.hypervolume([[1, 1]], [bad, 2])


def test_hypervolume_refuses_a_reference_point_of_another_size():
    with pytest.raises(ValueError, match="must be 2 finite numbers"):
        pareto.hypervolume([[1, 1]], [2, 2, 2])


@pytest.mark.parametrize("losses", [[], [1.0, 2.0], [[]], [[[1.0]]]])
def test_losses_that_are_no_table_are_refused(losses):
    with pytest.raises(ValueError, match=r"must be \(n, k\)"):
        pareto.front(losses)


@pytest.mark.parametrize("function", [pareto.reference_point, pareto.knee])
def test_no_rows_have_neither_reference_point_nor_knee(function):
    with pytest.raises(ValueError, match="0 rows"):
        function(np.empty((0, 2)))


def test_the_losses_are_left_alone():
    losses = np.array([[1.0, 4.0], [2.0, 2.0], [4.0, 1.0]])
    losses.setflags(write=False)
    before = losses.copy()
    pareto.knee(losses[pareto.front(losses)])
    pareto.hypervolume(losses, pareto.reference_point(losses))
    np.testing.assert_array_equal(losses, before)
