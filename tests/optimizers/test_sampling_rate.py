"""The controller of vSAM's sampling rate: eq. 8 to 15, no tensors."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.vsam import Controller, sigma_of
from vsam_tune.optimizers.sampling_rate import SamplingRate, change_rate, mean_change, next_expected, slice_variance

norms = st.floats(1e-6, 1e6)
awkward = st.one_of(norms, st.sampled_from([0.0, 1.0, 1.0 + 1e-9, 1e-30, 1e100, math.inf, math.nan]))
windows = st.lists(norms, min_size=8, max_size=40)
changes = st.sampled_from(["relative", "log"])
seeds = st.integers(0, 2**31 - 1)
AWKWARD = (0.0, 1.0, 1.0 + 1e-9, 1e-30, 1e100, math.inf, math.nan)


def uniform_of(seed):
    return np.random.default_rng(seed).random(80).tolist().__getitem__


def ordinary_pairs(seed):
    """Return t -> (h, q) of 80 iterations, log-normal over some decades."""
    return [tuple(pair) for pair in np.exp(2 * np.random.default_rng(seed).standard_normal((80, 2))).tolist()]


def awkward_pairs(seed):
    """Return the same with one value in eight replaced by one that makes trouble."""
    draws = np.random.default_rng(seed + 1)
    return [
        tuple(AWKWARD[draws.integers(len(AWKWARD))] if draws.random() < 1 / 8 else value for value in pair)
        for pair in ordinary_pairs(seed)
    ]


def controller_of(**changed):
    small = {"beta": 0.13, "num_slices": 2, "warmup_iterations": 0, "interval": 5, "max_rate": 0.8}
    return SamplingRate(**small | {"change": "relative"} | changed)


def run(controller, iterations, norms_of, uniform, start=0):
    """Take iterations as the optimizer does; return which were sampled, and N after each."""
    pending, sampled, expected = [], [], []
    for t in range(start, start + iterations):
        if controller.begins_interval(t):
            controller.record(pending)
            pending.clear()
            controller.begin_interval(t)
        sampled.append(controller.is_sampled(t, uniform))
        if sampled[-1]:
            controller.count_sample(t)
            pending.append(norms_of(t))
        expected.append(controller.expected)
    controller.record(pending)
    return sampled, expected


def never(_):
    raise AssertionError("no u is needed here")


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
def test_sigma_follows_the_reference(window, num_slices):
    tolerance = 1e-12 * max(window) ** 2
    expected = sigma_of(window, num_slices)
    assert slice_variance(window, num_slices) == pytest.approx(expected, rel=1e-9, abs=tolerance)


def test_sigma_by_hand():
    # sorted 1 2 | 4 5 | 9: two runs of two, and the remainder at the top is left out; variances 1/2 and 1/2
    assert slice_variance([9.0, 1.0, 5.0, 4.0, 2.0], 2) == pytest.approx(0.5, rel=1e-15)
    assert slice_variance([1.0, 2.0, 6.0], 1) == pytest.approx(7.0, rel=1e-15)  # 14 / (3 - 1)
    assert slice_variance([3.0] * 8, 4) == 0.0


@pytest.mark.parametrize("spoiled", [math.inf, math.nan, 1e200])
def test_sigma_is_not_finite_where_a_value_is_not_and_raises_no_warning(spoiled):
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


def test_the_mean_is_clipped_not_the_changes():
    assert mean_change([3.0, -1.0]) == 1.0
    assert mean_change([3.0, -2.5]) == pytest.approx(0.25)
    assert mean_change([-4.0, 1.0]) == -1.0
    assert mean_change([]) == 0.0


@given(st.floats(1, 100), st.floats(0, 10), st.floats(-1, 1), st.floats(-1, 1), st.integers(1, 100))
def test_the_next_expected_number_is_within_its_bounds(expected, beta, u, v, most):
    assert 1.0 <= next_expected(expected, beta=beta, u=u, v=v, most=most) <= most


def test_the_next_expected_number_by_hand():
    assert next_expected(10.0, beta=0.13, u=0.2, v=0.3, most=40) == pytest.approx(10.65)
    assert next_expected(10.0, beta=2.0, u=-1.0, v=-1.0, most=40) == 1.0
    assert next_expected(39.0, beta=0.13, u=1.0, v=1.0, most=40) == 40.0


@settings(deadline=None, max_examples=40)
@given(
    seeds,
    st.sampled_from([0.05, 0.5, 5.0]),
    changes,
    st.integers(0, 40),
    st.sampled_from([4, 5, 7]),
)
def test_follows_the_reference_on_any_norms(seed, beta, change, warmup_iterations, interval):
    pairs, uniform = awkward_pairs(seed), uniform_of(seed)
    ours = controller_of(beta=beta, change=change, warmup_iterations=warmup_iterations, interval=interval)
    theirs = Controller(beta, 2, warmup_iterations, interval, 0.8, change)
    sampled, expected = run(ours, 80, pairs.__getitem__, uniform)
    for t in range(80):
        assert theirs.is_sampled(t, uniform) == sampled[t]
        assert expected[t] == pytest.approx(theirs.N, rel=1e-6)
        if sampled[t]:
            theirs.sample(*pairs[t])
    assert ours.adaptation_start == theirs.adaptation_start
    assert ours.guarded == theirs.guarded


@settings(deadline=None, max_examples=40)
@given(seeds, changes, st.integers(-30, 30), st.integers(-30, 30))
def test_decisions_do_not_depend_on_the_size_of_the_norms(seed, change, psf, sgd):
    """Both v and u are scale-free: a power of two, which is exact but under a logarithm, leaves them as they are."""
    pairs, uniform = ordinary_pairs(seed), uniform_of(seed)
    scaled_pairs = [(2.0**psf * h, 2.0**sgd * q) for h, q in pairs]
    first, second = (controller_of(beta=2.0, change=change, warmup_iterations=12) for _ in range(2))
    _, expected = run(first, 80, pairs.__getitem__, uniform)
    _, scaled = run(second, 80, scaled_pairs.__getitem__, uniform)
    tolerance = 0.0 if change == "relative" else 1e-9
    assert scaled == pytest.approx(expected, rel=tolerance, abs=0.0)
    assert first.guarded == second.guarded


@settings(deadline=None, max_examples=40)
@given(
    seeds,
    changes,
    st.sampled_from([(1.0, 4), (0.5, 10), (0.29, 20), (0.01, 10)]),
    st.sampled_from([0, 1, 17]),
)
def test_an_interval_has_exactly_the_floor_of_n_whatever_the_norms(seed, change, bounds, warmup_iterations):
    pairs, uniform = awkward_pairs(seed), uniform_of(seed)
    max_rate, interval = bounds
    controller = controller_of(
        beta=3.0, change=change, max_rate=max_rate, interval=interval, warmup_iterations=warmup_iterations
    )
    sampled, expected = run(controller, 80, pairs.__getitem__, uniform)
    assert all(sampled[:warmup_iterations])
    assert all(1 <= n <= controller.most_samples for n in expected)
    start = max(warmup_iterations - 1, 0)
    first = start + interval if warmup_iterations else 0
    assert not any(sampled[warmup_iterations:first])  # nothing in the K - 1 iterations before the first adaptation
    for begin in range(first, 80 - interval + 1, interval):
        n = math.floor(expected[begin] + 1e-9)
        assert sum(sampled[begin : begin + interval]) == n
        assert len(set(expected[begin : begin + interval])) == 1


def test_what_is_missing_is_taken_at_the_end_of_the_interval():
    controller = controller_of(interval=6, max_rate=1.0)
    controller.expected = 3.0
    sampled, _ = run(controller, 6, lambda _: (1.0, 1.0), lambda _: 0.0)  # no u is ever high enough
    assert sampled == [False, False, False, True, True, True]


def test_the_first_of_an_interval_are_taken_where_every_u_is_high():
    controller = controller_of(interval=6, max_rate=1.0)
    controller.expected = 2.5
    sampled, _ = run(controller, 6, lambda _: (1.0, 1.0), lambda _: 0.99)
    assert sampled == [True, True, False, False, False, False]


def test_an_iteration_is_sampled_where_u_reaches_one_minus_p():
    controller = controller_of(interval=8, max_rate=1.0)
    controller.expected = 2.0
    assert controller.is_sampled(0, lambda _: 0.75)
    assert not controller.is_sampled(0, lambda _: 0.7499)


def test_u_is_asked_for_only_where_it_decides():
    warm = controller_of(warmup_iterations=3)
    sampled, _ = run(warm, 7, lambda _: (1.0, 1.0), never)  # the warm-up, then the rest of the first interval
    assert sampled == [True] * 3 + [False] * 4


@pytest.mark.parametrize(
    ("max_rate", "interval", "most"), [(0.8, 50, 40), (0.29, 100, 29), (0.5, 7, 3), (1.0, 6, 6), (0.05, 10, 1)]
)
def test_an_interval_may_hold_the_largest_rate_rounded_down_and_one_at_least(max_rate, interval, most):
    assert controller_of(max_rate=max_rate, interval=interval).most_samples == most


def test_values_that_are_equal_but_for_float32_rounding_do_not_move_n():
    controller = controller_of(interval=4, warmup_iterations=12)
    equal = [float(np.float32(0.3) * np.float32(1 + 1e-7 * k)) for k in (0, 1, 0, 2, 1, 0, 3, 1, 2, 0, 1, 2)]
    controller.record([(h, 1.0) for h in equal])
    controller.begin_interval(15)
    assert controller.v == 0.0
    assert controller.expected == pytest.approx(1.0, rel=1e-5)
    assert controller.guarded > 0


def test_n_stays_without_a_change_and_adapts_to_the_changes_that_there_are():
    controller = controller_of(interval=4)
    controller.record([(1.0, 1.0)])
    controller.begin_interval(0)
    assert (controller.adaptation_start, controller.expected) == (None, 1.0)
    controller.record([(1.5, 1.0)])
    controller.begin_interval(4)
    assert (controller.adaptation_start, controller.u, controller.v) == (4, pytest.approx(0.5), 0.0)
    assert controller.expected == pytest.approx(1 + 0.13 * 0.5)


def test_v_and_u_by_hand():
    controller = controller_of(interval=4)
    controller.record([(1.0, 1.0), (2.0, 1.0), (4.0, 1.0), (7.0, 1.0), (11.0, 2.0)])
    controller.begin_interval(4)
    # sigma 1/2 and 9/2 of 1 2 | 4 7, then 4/2 and 16/2 of 2 4 | 7 11: it doubles. The last K - 1 = 3 ratio changes:
    # 4/2, 7/4, 5.5/7
    assert controller.v == pytest.approx(1.0)
    assert controller.u == pytest.approx((1 + 3 / 4 + (5.5 / 7 - 1)) / 3)


@pytest.mark.parametrize(("beta", "samples"), [(0.05, 5_196), (0.13, 28_349)])
def test_pure_noise_gives_the_sampling_numbers_of_table_1(beta, samples):
    """docs/vsam.md, "Drift without signal": h and q independent, log-normal, a spread of 10 %, 78,200 iterations."""
    assert noise_samples(beta, "relative") == pytest.approx(samples, rel=0.25)


def test_log_changes_do_not_drift_on_noise():
    assert noise_samples(0.13, "log") < 4_000  # one an interval is 1,541, and the warm-up 1,173


def noise_samples(beta, change):
    draws = np.random.default_rng(0)
    controller = controller_of(
        beta=beta, num_slices=5, warmup_iterations=1_173, interval=50, max_rate=0.8, change=change
    )
    pairs = np.exp(0.1 * draws.standard_normal((78_200, 2))).tolist()
    uniform = draws.random(78_200).tolist()
    sampled, _ = run(controller, 78_200, pairs.__getitem__, uniform.__getitem__)
    return sum(sampled)


@pytest.mark.parametrize("cut", [0, 3, 11, 23, 40])
def test_its_state_is_plain_numbers_and_continues_exactly(cut):
    draws = np.random.default_rng(1)
    pairs, uniform = np.exp(draws.standard_normal((60, 2))).tolist(), draws.random(60).tolist()
    straight, first, second = (controller_of(warmup_iterations=12, beta=2.0) for _ in range(3))
    sampled, _ = run(straight, cut, pairs.__getitem__, uniform.__getitem__)
    again, _ = run(first, cut, pairs.__getitem__, uniform.__getitem__)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert run(straight, 60 - cut, pairs.__getitem__, uniform.__getitem__, start=cut) == run(
        second, 60 - cut, pairs.__getitem__, uniform.__getitem__, start=cut
    )
    assert again == sampled
    assert json.dumps(second.state_dict()) == json.dumps(straight.state_dict())
    incomplete = first.state_dict()
    del incomplete["ratios"]
    with pytest.raises(KeyError, match="ratios"):
        controller_of().load_state_dict(incomplete)


def test_an_interval_begins_once_even_if_the_iteration_is_tried_again():
    controller = controller_of(warmup_iterations=6, beta=2.0)
    controller.record([(float(k), 1.0) for k in range(1, 7)])
    assert controller.begins_interval(10)
    controller.begin_interval(10)
    assert not controller.begins_interval(10)
    assert controller.begins_interval(15)
