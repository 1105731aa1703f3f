import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from search_spaces.schema import CategoricalDimension, FloatDimension, IntDimension, same

reals = st.floats(-1e6, 1e6)
integers = st.integers(-1000, 1000)


@given(low=reals, high=reals, value=reals)
def test_a_float_dimension_contains_its_range_ends_included(low: float, high: float, value: float) -> None:
    assume(low < high)
    dimension = FloatDimension(type="float", low=low, high=high)
    assert dimension.contains(low)
    assert dimension.contains(high)
    assert dimension.contains(value) == (low <= value <= high)


@given(low=integers, high=integers, value=integers)
def test_an_int_dimension_contains_whole_numbers_alone(low: int, high: int, value: int) -> None:
    assume(low < high)
    dimension = IntDimension(type="int", low=low, high=high)
    assert dimension.contains(value) == (low <= value <= high)
    assert not dimension.contains(float(low))
    assert not dimension.contains(True)


@given(low=integers, steps=st.integers(1, 20), step=st.integers(1, 9), value=integers)
def test_a_step_leaves_the_grid_from_low(low: int, steps: int, step: int, value: int) -> None:
    whole = IntDimension(type="int", low=low, high=low + steps * step, step=step)
    real = FloatDimension(type="float", low=low / 8, high=(low + steps * step) / 8, step=step / 8)
    on_grid = value in range(low, low + steps * step + 1, step)
    assert whole.contains(value) == on_grid
    assert real.contains(value / 8) == on_grid


def test_a_categorical_dimension_tells_true_from_one() -> None:
    dimension = CategoricalDimension(type="categorical", choices=(1, "one", False))
    assert [dimension.contains(value) for value in (1, 1.0, True, "one", False, 0)] == [
        True,
        True,
        False,
        True,
        True,
        False,
    ]
    assert not same(1, True)


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, float("nan"), "0.3", True])
def test_a_range_contains_no_other_types(value: object) -> None:
    assert not FloatDimension(type="float", low=0.0, high=1.0).contains(value)


def test_all_parts_of_a_condition_have_to_hold() -> None:
    dimension = FloatDimension(type="float", low=0, high=1, when={"reuse": ("constant",), "num_slices": (2, 4)})
    assert dimension.applies({"reuse": "constant", "num_slices": 4})
    assert not dimension.applies({"reuse": "constant", "num_slices": 3})
    assert not dimension.applies({"reuse": "none", "num_slices": 4})
    assert not dimension.applies({"reuse": "constant"})


def test_without_a_condition_a_parameter_always_exists() -> None:
    assert FloatDimension(type="float", low=0, high=1).applies({})


@pytest.mark.parametrize(
    ("fields", "key", "rule"),
    [
        ({"low": 2, "high": 1}, "low", "must be < high, 1"),
        ({"low": 1, "high": 1}, "low", "must be < high, 1"),
        ({"low": 0, "high": 1, "log": True}, "low", "must be > 0 on a log scale"),
        ({"low": 1, "high": 2, "log": True, "step": 1}, "step", "has no effect on a log scale"),
        ({"low": 0, "high": 1, "step": 0.3}, "step", "must divide high - low"),
    ],
)
def test_a_range_that_cannot_be_drawn_from_is_refused(fields: dict[str, object], key: str, rule: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FloatDimension.model_validate({"type": "float", **fields})
    (error,) = caught.value.errors()
    assert (error["ctx"]["key"], error["ctx"]["rule"]) == (key, rule)
    assert error["ctx"]["fix"]


@pytest.mark.parametrize("choices", [[], ["a"], ["a", "a"], [1, 1.0], [None, 1], [[1], [2]]])
def test_choices_are_two_different_values_or_more(choices: list[object]) -> None:
    with pytest.raises(ValidationError) as caught:
        CategoricalDimension.model_validate({"type": "categorical", "choices": choices})
    assert {error["type"] for error in caught.value.errors()} == {"rule"}


def test_true_is_no_number() -> None:
    with pytest.raises(ValidationError):
        IntDimension.model_validate({"type": "int", "low": False, "high": 3})
