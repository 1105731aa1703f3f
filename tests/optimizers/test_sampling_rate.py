"""The controller of the sampling rate: eq. 8 to 15, no tensors."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.vsam import Controller, sigma_of
from vsam_tune.optimizers.sampling_rate import SamplingRate, change_rate, next_expected, slice_variance

norms = st.floats(1e-6, 1e6)
awkward = st.one_of(norms, st.sampled_from([0.0, 1.0, 1.0 + 1e-9, 1e-30, 1e100, math.inf, math.nan]))
windows = st.lists(norms, min_size=8, max_size=40)
changes = st.sampled_from(["relative", "log"])


def rate(**changed):
    small = {"beta": 0.13, "num_slices": 2, "warmup_iterations": 0, "window": 4, "interval": 10}
    return SamplingRate(**small | {"initial_rate": 0.1, "max_rate": 0.5, "change": "relative"} | changed)


@given(windows, st.integers(1, 4), st.randoms(use_true_random=False))
def test_sigma_does_not_depend_on_the_order(window, num_slices, shuffler):
    shuffled = list(window)
    shuffler.shuffle(shuffled)
    assert slice_variance(shuffled, num_slices) == slice_variance(window, num_slices)


@given(windows, st.integers(1, 4), st.integers(-20, 20))
def test_sigma_scales_with_the_square(window, num_slices, exponent):
    scaled = [2.0**exponent * h for h in window]  # powers of two are exact
    assert slice_variance(scaled, num_slices) == 4.0**exponent * slice_variance(window, num_slices)


@given(windows, st.integers(1, 4))
def test_sigma_is_the_references(window, num_slices):
    tolerance = 1e-12 * max(window) ** 2
    expected = sigma_of(window, num_slices)
    assert slice_variance(window, num_slices) == pytest.approx(expected, rel=1e-9, abs=tolerance)


@given(windows)
def test_sigma_of_one_slice_is_the_variance_and_more_slices_vary_less(window):
    sigma = slice_variance(window, 1)
    assert sigma == pytest.approx(np.var(window), rel=1e-9, abs=1e-15 * max(window) ** 2)
    if len(window) % 2 == 0:
        assert slice_variance(window, 2) <= sigma * (1 + 1e-9) + 1e-15 * max(window) ** 2


def test_sigma_by_hand():
    # sorted 1 2 4 | 5 9: the longer slice comes first; variances 14/9 and 4
    assert slice_variance([9.0, 1.0, 5.0, 4.0, 2.0], 2) == pytest.approx((14 / 9 + 4) / 2, rel=1e-15)
    assert slice_variance([3.0] * 8, 4) == 0.0


@pytest.mark.parametrize("spoiled", [math.inf, math.nan, 1e200])
def test_sigma_of_what_is_not_finite_is_not_finite_and_warns_of_nothing(spoiled):
    assert not math.isfinite(slice_variance([1.0, 2.0, 3.0, spoiled], 2))


@given(norms, norms, st.floats(1e-3, 1e3), changes)
def test_a_change_rate_has_no_scale(previous, current, scale, change):
    expected = change_rate(previous, current, smallest=0.0, change=change)
    found = change_rate(scale * previous, scale * current, smallest=0.0, change=change)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(norms, norms)
def test_relative_and_log_are_two_forms_of_the_same_change(previous, current):
    relative = change_rate(previous, current, smallest=0.0, change="relative")
    logarithm = change_rate(previous, current, smallest=0.0, change="log")
    assert relative == pytest.approx(current / previous - 1, rel=1e-9, abs=1e-12)
    assert logarithm == pytest.approx(-change_rate(current, previous, smallest=0.0, change="log"), abs=1e-12)
    assert math.exp(logarithm) == pytest.approx(1 + relative, rel=1e-9)


@given(awkward, awkward, st.floats(0, 10), changes)
def test_a_change_rate_is_finite_or_none(previous, current, smallest, change):
    found = change_rate(previous, current, smallest=smallest, change=change)
    assert found is None or math.isfinite(found)
    if previous <= smallest or not (math.isfinite(previous) and math.isfinite(current)):
        assert found is None


@given(st.floats(0, 100), st.floats(0, 10), st.floats(-10, 1e12), st.floats(0.1, 100))
def test_the_next_expected_number_is_within_its_bounds(expected, beta, change, ceiling):
    found = next_expected(expected, beta=beta, change=change, ceiling=ceiling)
    assert min(1.0, ceiling) <= found <= ceiling


def test_the_next_expected_number_by_hand():
    assert next_expected(10.0, beta=0.13, change=0.5, ceiling=50.0) == pytest.approx(10.65)
    assert next_expected(10.0, beta=0.13, change=-20.0, ceiling=50.0) == 1.0
    assert next_expected(10.0, beta=0.13, change=1000.0, ceiling=50.0) == 50.0


intervals = st.lists(st.lists(st.tuples(awkward, awkward), max_size=5), max_size=12)


@settings(deadline=None)
@given(intervals, st.sampled_from([0.05, 0.13, 2.0]), changes, st.integers(0, 60), st.sampled_from([4, 7]))
def test_follows_the_reference_on_any_norms(samples, beta, change, warmup_iterations, window):
    ours = rate(beta=beta, change=change, warmup_iterations=warmup_iterations, window=window)
    theirs = Controller(beta, 2, warmup_iterations, window, 10, 0.1, 0.5, change)
    for number, interval in enumerate(samples, start=1):
        ours.end_interval(interval, iterations=10 * number)
        for h, q in interval:
            theirs.sample(h, q)
        theirs.end_interval(10 * number - 1, len(interval))
        assert ours.expected == pytest.approx(theirs.N, rel=1e-6)
        assert ours.rate == pytest.approx(theirs.p(), rel=1e-6)
        assert ours.adaptation_start == theirs.adaptation_start
        assert ours.guarded == theirs.guarded


ordinary = st.lists(st.lists(st.tuples(norms, norms), max_size=5), max_size=12)


@settings(deadline=None)
@given(ordinary, changes, st.integers(-30, 30), st.integers(-30, 30))
def test_the_rate_does_not_depend_on_the_size_of_the_norms(samples, change, psf, sgd):
    """Both v and u are scale-free: a power of two, which is exact but under a logarithm, leaves them as they are."""
    ours, scaled = rate(change=change), rate(change=change)
    for number, interval in enumerate(samples, start=1):
        ours.end_interval(interval, iterations=10 * number)
        scaled.end_interval([(2.0**psf * h, 2.0**sgd * q) for h, q in interval], iterations=10 * number)
        assert (scaled.adaptation_start, scaled.guarded) == (ours.adaptation_start, ours.guarded)
        for name in ("rate", "v", "u"):
            expected, tolerance = getattr(ours, name), 0.0 if change == "relative" else 1e-9
            assert getattr(scaled, name) == pytest.approx(expected, rel=tolerance, abs=tolerance, nan_ok=True)


@settings(deadline=None)
@given(intervals, changes, st.sampled_from([(1.0, 3), (0.5, 10), (0.29, 100), (0.5, 1), (0.01, 10)]))
def test_the_rate_is_never_out_of_bounds_whatever_the_norms(samples, change, bounds):
    max_rate, interval = bounds
    controller = rate(change=change, max_rate=max_rate, initial_rate=max_rate / 2, interval=interval)
    for number, pairs in enumerate(samples, start=1):
        controller.end_interval(pairs, iterations=interval * number)
        assert 0 <= controller.rate <= max_rate
        if controller.adaptation_start is not None:
            assert controller.rate >= min(1 / interval, max_rate)


def test_values_that_are_equal_but_for_float32_rounding_do_not_move_the_rate():
    controller = rate()
    equal = [float(np.float32(0.3) * np.float32(1 + 1e-7 * k)) for k in (0, 1, 0, 2, 1, 0, 3, 1, 2, 0)]
    for number in range(1, 6):
        controller.end_interval([(h, 1.0) for h in equal], iterations=10 * number)
    assert controller.v == 0.0
    assert controller.rate == pytest.approx(0.1, rel=1e-5)
    assert controller.guarded > 0


def test_it_adapts_with_one_sample_more_than_the_window_and_not_before():
    controller = rate(window=4)
    samples = [(1.0, 1.0), (2.0, 1.0), (4.0, 1.0), (7.0, 1.0), (11.0, 1.0)]
    controller.end_interval(samples[:4], iterations=10)
    assert (controller.adaptation_start, controller.rate) == (None, 0.1)
    assert math.isfinite(controller.sigma)
    assert math.isnan(controller.v)
    controller.end_interval(samples[4:], iterations=20)
    assert controller.adaptation_start == 20
    # sigma 1.25 of 1 2 | 4 7, then 2.5 of 2 4 | 7 11; r doubles, doubles, 7/4, 11/7
    assert controller.v == pytest.approx(1.0)
    assert controller.u == pytest.approx((1 + 1 + 3 / 4 + 4 / 7) / 4)
    assert controller.expected == pytest.approx(1 * (1 + 0.13 * (controller.v + controller.u)))


@pytest.mark.parametrize("warmup_iterations", [25, 30])
def test_it_does_not_adapt_before_the_warm_up_ends(warmup_iterations):
    controller = rate(warmup_iterations=warmup_iterations)
    for number in range(1, 5):
        controller.end_interval([(float(number * k), 1.0) for k in range(1, 6)], iterations=10 * number)
        assert (controller.adaptation_start is None) == (10 * number < warmup_iterations)


@pytest.mark.parametrize(
    ("max_rate", "interval", "most"), [(0.29, 100, 29), (0.5, 7, 3), (1.0, 6, 6), (0.5, 1, 1), (0.05, 10, 1)]
)
def test_an_interval_may_hold_the_largest_rate_rounded_down_and_at_least_one(max_rate, interval, most):
    assert rate(max_rate=max_rate, initial_rate=0.0, interval=interval).most_samples == most


def test_an_interval_without_a_sample_leaves_the_rate():
    controller = rate()
    controller.end_interval([(float(k * k), 1.0) for k in range(1, 7)], iterations=10)
    before = controller.state_dict()
    assert controller.adaptation_start == 10
    controller.end_interval([], iterations=20)
    assert controller.state_dict() == before


@pytest.mark.parametrize("change", ["relative", "log"])
def test_only_the_relative_form_drifts_on_noise_without_signal(change):
    """VSAM.md, drift without signal: h and q independent, log-normal, spread 10 %; f is 0.33 for beta 0.13."""
    draws = np.random.default_rng(0)
    controller = rate(change=change, num_slices=4, window=40, interval=100)
    num_samples = 0
    for number in range(1, 783):
        sampled = min((draws.random(100) < controller.rate).sum(), controller.most_samples)
        pairs = np.exp(0.1 * draws.standard_normal((sampled, 2))).tolist()
        controller.end_interval([(h, q) for h, q in pairs], iterations=100 * number)
        num_samples += sampled
    expected = 0.33 if change == "relative" else 0.1  # the initial rate
    assert num_samples / 78_200 == pytest.approx(expected, abs=0.02)


def test_its_state_is_plain_numbers_and_continues_exactly():
    draws = np.random.default_rng(1)
    intervals = [[tuple(pair) for pair in np.exp(draws.standard_normal((3, 2))).tolist()] for _ in range(12)]
    straight, first, second = rate(), rate(), rate()
    for number, interval in enumerate(intervals, start=1):
        straight.end_interval(interval, iterations=10 * number)
        (first if number <= 5 else second).end_interval(interval, iterations=10 * number)
        if number == 5:
            second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.state_dict() == straight.state_dict()
    incomplete = first.state_dict()
    del incomplete["ratios"]
    with pytest.raises(KeyError, match="ratios"):
        rate().load_state_dict(incomplete)
