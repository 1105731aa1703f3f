"""Standard errors, against what stands in a textbook, written out in plain Python."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsam_tune.training.standard_errors import accuracy_error, over_replicates

METRICS = st.fixed_dictionaries(
    {"x": st.floats(-1e3, 1e3), "epoch": st.integers(1, 9), "iteration": st.integers(1, 99)},
    optional={"x_error": st.floats(0, 10), "x_seed_error": st.floats(0, 10)},
)


@pytest.mark.parametrize(
    ("accuracy", "num_images", "error"),
    [
        (90.0, 1000, 0.9520403621),  # 901 of 1002: 100 * sqrt(0.8992016 * 0.1007984 / 1000)
        (50.0, 2, 35.3553390593),  # 2 of 4
        (100.0, 98, 1.0050890914),  # 99 of 100: 100 * sqrt(0.99 * 0.01 / 98)
        (0.0, 98, 1.0050890914),
    ],
)
def test_the_error_of_an_accuracy_is_binomial(accuracy, num_images, error):
    assert accuracy_error(accuracy, num_images) == pytest.approx(error, rel=1e-9)


@given(correct=st.integers(0, 10_000), wrong=st.integers(0, 10_000))
def test_no_accuracy_is_without_error_and_right_and_wrong_are_alike(correct, wrong):
    num_images = correct + wrong
    if num_images:
        error = accuracy_error(100 * correct / num_images, num_images)
        assert 0 < error <= 50 / math.sqrt(num_images) * (1 + 1e-12)
        assert error == pytest.approx(accuracy_error(100 * wrong / num_images, num_images))


def test_one_replicate_is_the_trial():
    metrics = {
        "val_accuracy": 91.0,
        "val_accuracy_error": 0.9,
        "sampled_fraction": 0.3,
        "sampled_fraction_seed_error": 0.02,
        "epoch": 4,
        "iteration": 72,
    }
    assert over_replicates([metrics]) == metrics


def test_two_replicates_have_a_mean_a_spread_and_an_error_that_is_the_larger_of_two():
    first = {"a": 90.0, "a_error": 3.0, "b": 1.0, "b_seed_error": 0.1, "epoch": 4, "iteration": 72}
    second = {"a": 92.0, "a_error": 1.0, "b": 3.0, "b_seed_error": 0.1, "epoch": 8, "iteration": 144}
    combined = over_replicates([first, second])
    assert combined == pytest.approx({
        "epoch": 8,
        "iteration": 144,
        "a": 91.0,
        "a_std": math.sqrt(2),
        "a_error": math.sqrt((3.0**2 + 1.0**2) / 2) / math.sqrt(2),  # 1.58, above 1.41 / 1.41
        "b": 2.0,
        "b_std": math.sqrt(2),
        "b_error": 1.0,  # the spread's: 1.41 / 1.41, above 0.07
    })


def test_an_error_that_a_replicate_does_not_report_is_none():
    combined = over_replicates([{"a": 1.0, "a_error": 2.0}, {"a": 1.0}])
    assert combined == pytest.approx({"a": 1.0, "a_std": 0.0, "a_error": math.sqrt(2.0**2 / 2 / 2)})


def test_a_value_that_a_replicate_withholds_is_left_out_of_the_mean():
    first, second, third = {"a": math.nan, "a_error": math.nan}, {"a": 2.0, "a_error": 0.5}, {"a": 4.0, "a_error": 0.5}
    assert over_replicates([first, second]) == {"a": 2.0, "a_error": 0.5}
    assert over_replicates([first, second, third]) == over_replicates([second, third])
    assert math.isnan(over_replicates([first, first])["a"])


@given(replicates=st.lists(METRICS, min_size=2, max_size=6))
def test_the_errors_are_those_of_plain_loops(replicates):
    n = len(replicates)
    total = 0.0
    for each in replicates:
        total += each["x"]
    spread = own = 0.0
    for each in replicates:
        spread += (each["x"] - total / n) ** 2 / (n - 1)
        own += (each.get("x_error", 0.0) ** 2 + each.get("x_seed_error", 0.0) ** 2) / n
    combined = over_replicates(replicates)
    assert combined.keys() == {"x", "x_std", "x_error", "epoch", "iteration"}
    assert combined["x"] == pytest.approx(total / n, abs=1e-9)
    assert combined["x_std"] == pytest.approx(math.sqrt(spread), rel=1e-6, abs=1e-6)
    assert combined["x_error"] == pytest.approx(math.sqrt(max(spread, own) / n), rel=1e-6, abs=1e-6)
    assert (combined["epoch"], combined["iteration"]) == (replicates[-1]["epoch"], replicates[-1]["iteration"])
