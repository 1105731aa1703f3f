"""Attainment surfaces: literal ones, and the definition on all points of a grid."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsam_tune.analysis.attainment import attainment_surfaces

REPEATS = [np.array([[1.0, 5], [2, 2], [6, 1], [3, 3]]), np.array([[1.0, 6], [3, 1]]), np.array([[4.0, 4]])]


def surfaces(repeats):
    found = attainment_surfaces(repeats)
    return found and {name: points.tolist() for name, points in found.items()}


def test_of_three_repeats_one_two_and_all_attain_a_surface():
    assert surfaces(REPEATS) == {
        "best": [[1, 5], [2, 2], [3, 1]],
        "median": [[1, 6], [3, 2], [6, 1]],
        "worst": [[4, 4]],
    }


def test_of_one_study_all_surfaces_are_its_front():
    front = [[1, 5], [2, 2], [6, 1]]
    assert surfaces(REPEATS[:1]) == {"best": front, "median": front, "worst": front}


def test_half_of_four_repeats_attain_the_median():
    repeats = [np.array([[float(value), value]]) for value in (4, 1, 3, 2)]
    assert surfaces(repeats) == {"best": [[1, 1]], "median": [[2, 2]], "worst": [[4, 4]]}


def test_of_one_objective_a_surface_is_a_value():
    repeats = [np.array([[7.0], [3.0]]), np.array([[1.0]]), np.array([[2.0]])]
    assert surfaces(repeats) == {"best": [[1.0]], "median": [[2.0]], "worst": [[3.0]]}


def test_four_objectives_have_none():
    assert attainment_surfaces([np.ones((1, 4))]) is None


@given(st.integers(1, 3).flatmap(
    lambda k: st.lists(
        st.lists(st.lists(st.integers(0, 3), min_size=k, max_size=k), min_size=1, max_size=4), min_size=1, max_size=4
    )
))  # fmt: skip
def test_a_surface_is_the_border_of_what_enough_repeats_attain(values):
    repeats = [np.array(rows, dtype=np.float64) for rows in values]
    found = attainment_surfaces(repeats)
    assert found is not None
    needed = {"best": 1, "median": math.ceil(len(repeats) / 2), "worst": len(repeats)}
    for name, count in needed.items():
        for point in itertools.product(range(4), repeat=repeats[0].shape[1]):
            attained = sum((rows <= point).all(axis=1).any() for rows in repeats) >= count
            assert attained == (found[name] <= point).all(axis=1).any()
        points = found[name]
        dominated = [(np.delete(points, row, axis=0) <= points[row]).all(axis=1).any() for row in range(len(points))]
        assert not any(dominated)


def test_the_losses_of_a_repeat_must_be_finite():
    with pytest.raises(ValueError, match="must be finite"):
        attainment_surfaces([np.array([[np.inf, 1.0]])])
