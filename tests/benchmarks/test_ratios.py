"""Ratios are paired by round, kinds of iterations are weighted by their share, ideals are sums of parts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.ideal import Parts, linear, passes
from benchmarks.ratios import Estimate, Ratios
from tests.support.properties import expensive

PERIOD = 5


def rounds(num_rounds, **seconds):
    """Return times and kinds: SGD 1 s, SAM 2 s, passes 0.9 s and 0.3 s, and others; `looksam` samples each fifth."""
    held = {"sgd": 1.0, "sam": 2.0, "evaluation": 0.9, "forward": 0.3, **seconds}
    measured = {key: np.broadcast_to(value, num_rounds).astype(float) for key, value in held.items()}
    never, always = np.zeros(num_rounds, dtype=bool), np.ones(num_rounds, dtype=bool)
    sampled = {key: always if key == "sam" else never for key in measured}
    return measured, sampled | {"looksam": np.arange(num_rounds) % PERIOD == 0}


@given(st.lists(st.floats(1e-3, 1e3), min_size=4, max_size=8))
@expensive
def test_a_slower_round_changes_no_ratio(slower):
    measured, sampled = rounds(len(slower), sam=np.linspace(1.9, 2.1, len(slower)))
    disturbed = {key: values * slower for key, values in measured.items()}
    quiet, busy = Ratios(measured, sampled), Ratios(disturbed, sampled)
    assert busy.time("sam").value == pytest.approx(quiet.time("sam").value, rel=1e-12)
    assert busy.time("sam").low == pytest.approx(quiet.time("sam").low, rel=1e-12)


def test_a_ratio_is_the_median_over_rounds_not_the_ratio_of_medians():
    measured, sampled = rounds(3, sgd=[1.0, 2.0, 4.0], sam=[2.0, 2.0, 12.0])
    assert Ratios(measured, sampled).time("sam").value == 2.0  # of 2, 1, 3


def test_an_iteration_that_was_interrupted_does_not_move_the_median():
    seconds = np.full(20, 1.2)
    seconds[3] = 50.0
    measured, sampled = rounds(20, looksam=np.where(np.arange(20) % PERIOD == 0, 2.1, seconds))
    assert Ratios(measured, sampled).time("looksam").value == pytest.approx(0.8 * 1.2 + 0.2 * 2.1)


def test_kinds_are_weighted_by_how_often_they_came():
    is_sampled = np.arange(20) % PERIOD == 0
    measured, sampled = rounds(20, looksam=np.where(is_sampled, 2.5, 1.1))
    ratios = Ratios(measured, sampled)
    assert ratios.fraction("looksam") == 0.2
    assert ratios.of_kind("looksam", sampled=True) == 2.5
    assert ratios.of_kind("looksam", sampled=False) == 1.1
    assert math.isnan(ratios.of_kind("sgd", sampled=True))
    assert ratios.time("looksam").value == pytest.approx(0.8 * 1.1 + 0.2 * 2.5)


def test_the_interval_holds_the_noise_and_not_the_share_of_samples():
    generator = np.random.default_rng(0)
    is_sampled = generator.random(60) < 0.3
    noise = generator.normal(1.0, 0.01, 60)
    measured, sampled = rounds(60, vsam=np.where(is_sampled, 2.0, 1.0) * noise)
    sampled["vsam"] = is_sampled
    found = Ratios(measured, sampled).over_ideal("vsam", linear)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(1.0, abs=0.01)
    assert found.high - found.low < 0.02  # resampled without regard to the kind it would be 0.2


@pytest.mark.parametrize("num_rounds", [1, 6])
def test_a_kind_that_occurred_once_has_no_interval(num_rounds):
    measured, sampled = rounds(num_rounds, looksam=1.0)
    sampled["looksam"] = np.arange(num_rounds) == 0
    found = Ratios(measured, sampled).time("looksam")
    assert found.value == pytest.approx(1.0)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_linear_ideal_is_that_of_the_exact_fraction():
    measured, sampled = rounds(12, looksam=1.5, sam=2.1)
    ratios = Ratios(measured, sampled)
    fraction = 3 / 12  # iterations 0, 5, 10
    assert ratios.ideal("looksam", linear) == pytest.approx((1 - fraction) + fraction * 2.1)
    assert ratios.over_ideal("looksam", linear).value == pytest.approx(1.5 / ((1 - fraction) + fraction * 2.1))


@pytest.mark.parametrize(
    ("ideal", "expected"),
    [
        (passes(1), 1.0),
        (passes(2), 1.9),
        (passes(2 / 3 + 0.6 / 3 + 0.5, forwards=1), 1 + (2 / 3 + 0.2 + 0.5 - 1) * 0.9 + 0.3),
        (passes(1, forwards=1), 1.3),
    ],
)
def test_ideal_of_passes_adds_them_to_an_iteration_of_sgd(ideal, expected):
    parts = Parts(fraction=1.0, sam=np.array(2.0), evaluation=np.array(0.9), forward=np.array(0.3))
    assert ideal(parts) == pytest.approx(expected)


def test_comparison_with_another_is_paired_and_can_be_inverted():
    drift = np.linspace(1, 3, 10)
    measured, sampled = rounds(10, sgd=drift, sam=2 * drift, peer=2.5 * drift)
    sampled["peer"] = np.ones(10, dtype=bool)
    found = Ratios(measured, sampled).over("sam", "peer")
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.8, 0.8))
    assert Estimate(0.5, 0.4, 0.8).inverse() == Estimate(2.0, 1.25, 2.5)
