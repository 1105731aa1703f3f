"""AE-SAM's rule on the host: its worked numbers, and what METHODS 3.8 says must hold."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.reference.ae_sam import Rule
from vsam_tune.optimizers.adaptive_threshold import AdaptiveThreshold, Moments

norms = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30)


def rule(*, decay=0.9, start=1.0, end=-1.0, num_iterations=30):
    return AdaptiveThreshold(decay=decay, threshold_start=start, threshold_end=end, num_iterations=num_iterations)


def decisions(subject, gradient_norms):
    found = []
    for t, norm in enumerate(gradient_norms):
        found.append(subject.decide(norm, t))
        subject.carried_out(found[-1])
    return found


def test_worked_numbers():
    """METHODS 10.2: squared norms 4, 1, 1, 9, 2, 2, 2, 8 of a run of 8."""
    found = decisions(rule(num_iterations=8), [math.sqrt(x) for x in (4, 1, 1, 9, 2, 2, 2, 8)])
    thresholds = [4, 4.340361, 3.988254, 4.463638, 3.7883, 3.142353, 2.533117, 2.27863]
    assert [one.threshold for one in found] == pytest.approx(thresholds, abs=1e-6)
    assert [t for t, one in enumerate(found) if one.sampled] == [0, 3, 7]


@given(norms, st.floats(0.0, 1.0), st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_follows_the_reference(values, decay, start, end):
    literal = Rule(delta=decay, lambda1=end, lambda2=start, T=30)
    for t, found in enumerate(decisions(rule(decay=decay, start=start, end=end), values)):
        x = values[t] * values[t]
        fires = literal.fires(x, t)
        assert found.squared_norm == x
        assert found.threshold == pytest.approx(literal.thresholds[-1], rel=1e-10, abs=1e-7 * max(values) ** 2)
        if abs(x - found.threshold) > 1e-6 * max(values) ** 2:
            assert found.sampled == fires


@given(st.floats(1e-3, 1e3), st.floats(0.0, 1.0))
def test_the_first_iteration_is_sams_at_any_finite_threshold(norm, decay):
    assert rule(decay=decay, start=3.0).decide(norm, 0).sampled


@given(norms, st.floats(-3.0, 3.0))
def test_without_memory_every_iteration_is_sams(values, threshold):
    """At a decay of 0, mu is x and sigma2 is 0."""
    found = decisions(rule(decay=0.0, start=threshold, end=-threshold), values)
    assert all(one.sampled for one in found)
    assert [one.moments for one in found] == [Moments(mean=v * v, variance=0.0) for v in values]


@given(norms, st.floats(0.0, 1.0))
def test_an_infinite_threshold_is_always_or_never_at_any_decay(values, decay):
    always = rule(decay=decay, start=-math.inf, end=-math.inf)
    never = rule(decay=decay, start=math.inf, end=math.inf)
    assert all(one.sampled and one.threshold == -math.inf for one in decisions(always, values))
    assert not any(one.sampled or one.threshold < math.inf for one in decisions(never, values))


@given(norms)
def test_below_what_x_can_be_from_the_mean_it_is_always(values):
    """At a decay of 0.9, |x - mu| <= sqrt(10) * sigma, whatever came before."""
    assert all(one.sampled for one in decisions(rule(start=-3.2, end=-3.2), values))
    for one in decisions(rule(start=3.2, end=3.2), values):
        assert not one.sampled or math.isclose(one.squared_norm, one.threshold)  # where all were equal


@given(norms, st.integers(-20, 20))
def test_scaling_the_loss_by_a_power_of_two_changes_no_decision(values, power):
    found = decisions(rule(), values)
    scaled = decisions(rule(), [math.ldexp(value, power) for value in values])
    assert [one.sampled for one in found] == [one.sampled for one in scaled]
    assert [math.ldexp(one.threshold, 2 * power) for one in found] == [one.threshold for one in scaled]


def standard_deviations(subject, iteration):
    """Return c, from a threshold between averages that are known: mu = 2, sigma2 = 8."""
    subject.load_state_dict({"mean": 0.0, "variance": 0.0})
    return (subject.decide(2.0, iteration).threshold - 2.0) / math.sqrt(2.0)


@pytest.mark.parametrize(
    ("num_iterations", "iteration", "expected"),
    [(10, 0, 3.0), (10, 1, 2.6), (10, 5, 1.0), (10, 10, -1.0), (10, 99, -1.0), (None, 0, 1.0), (None, 99, 1.0)],
)
def test_the_threshold_moves_evenly_from_start_to_end(num_iterations, iteration, expected):
    subject = rule(decay=0.5, start=3.0, end=-1.0, num_iterations=num_iterations)
    assert standard_deviations(subject, iteration) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("value", [math.inf, math.nan])
@pytest.mark.parametrize("start", [1.0, -math.inf])
def test_a_norm_that_is_not_finite_is_not_sampled_and_moves_no_average(value, start):
    subject = rule(start=start, end=-1.0 if math.isfinite(start) else start)
    assert not subject.decide(value, 0).sampled
    decisions(subject, [1.0, 2.0])
    before = subject.state_dict()
    found = subject.decide(value, 2)
    subject.carried_out(found)
    assert not found.sampled
    assert math.isnan(found.threshold)
    assert subject.state_dict() == before


@given(norms)
def test_a_decision_moves_nothing_before_it_is_carried_out(values):
    assume(len(values) > 1)
    once, twice = rule(), rule()
    decisions(once, values)
    for t, norm in enumerate(values):
        twice.decide(norm, t)  # the second pass failed, the iteration is taken again
        twice.carried_out(twice.decide(norm, t))
    assert once.state_dict() == twice.state_dict()


@given(norms, norms)
def test_a_state_continues_with_the_same_decisions(before, after):
    first, second = rule(), rule()
    decisions(first, before)
    second.load_state_dict(first.state_dict())
    assert decisions(first, after) == decisions(second, after)


@pytest.mark.parametrize(("start", "end"), [(1.0, -math.inf), (math.inf, 1.0), (math.inf, -math.inf), (0.0, math.nan)])
def test_one_infinite_threshold_alone_is_refused(start, end):
    with pytest.raises(ValueError, match=r"threshold_(start|end) is .*, but must be a finite number, or as infinite"):
        rule(start=start, end=end)


@pytest.mark.parametrize("num_iterations", [0, -1, 2.5])
def test_a_length_that_is_none_is_refused(num_iterations):
    with pytest.raises(ValueError, match=r"num_iterations is .*, but must be an integer >= 1"):
        rule(num_iterations=num_iterations)
