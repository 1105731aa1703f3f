"""Paired differences, t-intervals and corrected signed-rank tests, against numbers worked by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsam_tune.analysis import paired_tests

ACCURACIES = st.dictionaries(st.integers(0, 20), st.integers(0, 1000).map(lambda hits: hits / 10), max_size=12)
SAMPLES = st.lists(st.integers(-100, 100).map(lambda hits: hits / 10), max_size=12).map(np.array)
P_VALUES = st.lists(st.floats(0, 1), max_size=12)


# ---- differences


def test_differences_are_of_the_replicates_in_common():
    found = paired_tests.differences({0: 97.0, 2: 95.0, 1: 96.0}, {2: 94.5, 1: 96.5, 7: 10.0})
    assert found.tolist() == [-0.5, 0.5]
    assert paired_tests.differences({0: 1.0}, {1: 1.0}).shape == (0,)


@given(ACCURACIES, ACCURACIES)
def test_differences_turn_their_sign_when_the_methods_change_places(ours, theirs):
    assert paired_tests.differences(ours, theirs).tolist() == (-paired_tests.differences(theirs, ours)).tolist()


@given(ACCURACIES)
def test_a_method_does_not_differ_from_itself(ours):
    assert paired_tests.differences(ours, ours).tolist() == [0.0] * len(ours)


def test_differences_that_are_equal_tie_to_the_last_bit():
    assert 95.71 - 95.5 != 95.84 - 95.63
    assert np.ptp(paired_tests.differences({0: 95.71, 1: 95.84}, {0: 95.5, 1: 95.63})) == 0


# ---- the interval


def test_the_interval_of_a_worked_example():
    """1, 2, 3, 4, 5: mean 3, standard error sqrt(2.5 / 5), and 2.776445105 is t's quantile for four degrees."""
    low, high = paired_tests.mean_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    half = 2.7764451051977987 * math.sqrt(0.5)
    assert (low, high) == (pytest.approx(3 - half), pytest.approx(3 + half))


@given(SAMPLES)
def test_an_interval_lies_around_the_mean_and_turns_with_the_signs(values):
    interval = paired_tests.mean_interval(values)
    if len(set(values.tolist())) < 2:
        assert interval is None
        return
    low, high = interval
    assert low < values.mean() < high
    assert paired_tests.mean_interval(-values) == (pytest.approx(-high), pytest.approx(-low))


# ---- the signed-rank test


def enumerated_p(values):
    """Return the two-sided p-value from all assignments of signs, in plain loops."""
    held = [value for value in values if value != 0]
    if not held:
        return 1.0
    sizes = [abs(value) for value in held]
    ranks = [sum(other < size for other in sizes) + (sum(other == size for other in sizes) + 1) / 2 for size in sizes]
    observed = sum(rank for rank, value in zip(ranks, held, strict=True) if value > 0)
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in itertools.product([False, True], repeat=len(held))
    ]
    below = sum(each <= observed for each in sums) / len(sums)
    above = sum(each >= observed for each in sums) / len(sums)
    return min(1.0, 2 * min(below, above))


@given(st.lists(st.integers(-4, 4).map(float), max_size=7))
def test_the_test_is_exact_with_ties_and_zeros(values):
    assert paired_tests.signed_rank_p(np.array(values)) == pytest.approx(enumerated_p(values))


@pytest.mark.parametrize("pairs", [2, 5, 9, 10])
def test_the_smallest_p_value_is_that_of_equal_signs(pairs):
    assert paired_tests.signed_rank_p(np.arange(1.0, pairs + 1)) == pytest.approx(2.0 ** (1 - pairs))


def test_the_same_configuration_twice_claims_nothing():
    nothing = np.zeros(10)
    assert paired_tests.signed_rank_p(nothing) == 1.0
    assert paired_tests.mean_interval(nothing) is None
    assert paired_tests.corrected_p_values([nothing, nothing]) == [1.0, 1.0]


# ---- the correction


def test_a_worked_example_of_holm():
    assert paired_tests.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert paired_tests.holm([0.5, 0.9]) == [1.0, 1.0]
    assert paired_tests.holm([]) == []


@given(P_VALUES)
def test_a_correction_keeps_the_order_and_lowers_none(raw):
    corrected = paired_tests.holm(raw)
    assert all(p <= after <= 1 for p, after in zip(raw, corrected, strict=True))
    pairs = list(zip(raw, corrected, strict=True))
    assert all(after <= other for (p, after), (q, other) in itertools.product(pairs, pairs) if p <= q)


@given(st.floats(0, 1))
def test_one_comparison_needs_no_correction(p):
    assert paired_tests.holm([p]) == [p]


@given(P_VALUES, st.floats(0, 1))
def test_one_comparison_more_lowers_no_other(raw, p):
    assert all(less <= more for less, more in zip(paired_tests.holm(raw), paired_tests.holm([*raw, p]), strict=False))


# ---- whether a test can say anything


def test_ten_comparisons_take_nine_seeds():
    assert [paired_tests.can_reject(n, 10) for n in (8, 9)] == [False, True]
    assert paired_tests.pairs_needed(10) == 9


@given(st.integers(1, 200))
def test_the_pairs_needed_are_the_fewest_that_can_reject(comparisons):
    needed = paired_tests.pairs_needed(comparisons)
    assert paired_tests.can_reject(needed, comparisons)
    assert not paired_tests.can_reject(needed - 1, comparisons)


def test_too_few_pairs_get_no_p_value_and_count_all_the_same():
    many, few = np.arange(1.0, 8.0), np.array([1.0, 2.0, 3.0])
    assert paired_tests.corrected_p_values([many]) == pytest.approx([2 / 128])
    assert paired_tests.corrected_p_values([few, many, few]) == [None, pytest.approx(3 * 2 / 128), None]
    assert paired_tests.corrected_p_values([]) == []
