"""The points of a grid, and what has none."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.schema import CategoricalDimension, Dimension, FloatDimension, IntDimension
from tests.support.toy_study import toy_study
from vsam_tune.errors import InputError
from vsam_tune.study.file.grid import grid_point, num_points

A = CategoricalDimension(type="categorical", choices=("u", "v", "w"))
VALUES = {"a": ("u", "v", "w"), "b": (1, 2, 3), "c": (0.0, 0.5, 1.0), "d": (2, 4), "f": (False, True)}


@st.composite
def spaces(draw: st.DrawFn) -> dict[str, Dimension]:
    """Parameters of which each may depend on those before it, and on a fixed one."""
    space: dict[str, Dimension] = {}
    known = ["f"]
    for name in draw(st.lists(st.sampled_from("abcd"), unique=True)):
        conditions = {other: tuple(draw(st.sets(st.sampled_from(VALUES[other]), min_size=1))) for other in known}
        when = {other: values for other, values in conditions.items() if draw(st.booleans())} or None
        space[name] = {
            "a": A.model_copy(update={"when": when}),
            "b": IntDimension(type="int", low=1, high=3, when=when),
            "c": FloatDimension(type="float", low=0, high=1, step=0.5, when=when),
            "d": IntDimension(type="int", low=2, high=4, step=2, when=when),
        }[name]
        known.append(name)
    return space


@given(space=spaces(), fixed=st.booleans())
def test_the_number_of_points_is_that_of_all_combinations_under_the_conditions(
    space: dict[str, Dimension], fixed: bool
) -> None:
    points = set()
    for combination in product(*(VALUES[name] for name in space)):
        params: dict[str, Any] = {}
        for name, value in zip(space, combination, strict=True):
            if space[name].applies({"f": fixed, **params}):
                params[name] = value
        points.add(grid_point(space, params))
    assert num_points(space, {"f": fixed}) == len(points)


def test_values_that_differ_by_rounding_are_one_point() -> None:
    space: dict[str, Dimension] = {"x": FloatDimension(type="float", low=0, high=1, step=0.1)}
    assert grid_point(space, {"x": 0.1 + 0.2}) == grid_point(space, {"x": 0.3})


def test_the_points_of_many_parameters_are_counted_without_a_list_of_them() -> None:
    dimension = IntDimension(type="int", low=1, high=1000)
    assert num_points({f"x{i}": dimension for i in range(20)}, {}) == 1000**20


@pytest.mark.parametrize(
    ("dimension", "rule", "fix"),
    [
        (
            {"type": "float", "low": 0.0, "high": 1.0},
            "space.x: has no step, so a grid has no end",
            "write step: 0.25, or {type: categorical, choices: [...]}",
        ),
        (
            {"type": "float", "low": 0.1, "high": 1.0, "log": True},
            "space.x: has no step, so a grid has no end",
            "write {type: categorical, choices: [0.1, 1]}, with more values",
        ),
        (
            {"type": "int", "low": 1, "high": 1001},
            "space.x: has 1,001 values, and a grid at most 1,000",
            "write a larger step, or {type: categorical, choices: [...]}",
        ),
    ],
)
def test_a_parameter_without_a_list_of_values_is_refused(
    dimension: dict[str, Any], rule: str, fix: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        toy_study(tmp_path, sampler={"kind": "grid"}, space={"x": dimension})
    assert str(caught.value) == f"{tmp_path / 'toy.yaml'}: {rule}. Fix: {fix}."


def test_the_fixes_work(tmp_path: Path) -> None:
    for dimension in (
        {"type": "float", "low": 0.0, "high": 1.0, "step": 0.25},
        {"type": "categorical", "choices": [0.1, 1]},
    ):
        toy_study(tmp_path, sampler={"kind": "grid"}, space={"x": dimension})
