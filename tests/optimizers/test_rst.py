"""RST: its equations, and what METHODS 8 says must hold."""

import math

import pytest
import torch

from tests.reference import rst as reference
from tests.support.gradient_problems import Quadratic, TinyNetwork, assert_follows, train
from tests.support.tiny_trial import (
    TinyTrial,
    equal_state,
    same_trajectory,
    saved_and_loaded,
    step_and_repeat_if_interrupted,
)
from vsam_tune.optimizers import RST

BASE = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}


def sgd(problem):
    return torch.optim.SGD(problem.parameters, **BASE)


def drawn(iterations, seed):
    """Return the documented draws: one an iteration, from a generator with this seed."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(1, generator=generator).item() for _ in range(iterations)]


def sampled(optimizer, problem, iterations):
    return [problem.step(optimizer) and optimizer.observation.sampled for _ in range(iterations)]


@pytest.mark.parametrize(("probability", "schedule"), [(0.5, "constant"), (0.2, "constant"), (0.9, "linear")])
@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_follows_the_reference(make, probability, schedule):
    problem = make()
    expected, kinds = reference.trajectory(
        problem.weights, problem.gradient, drawn(50, seed=3), probability, 0.1, schedule, T=50, **BASE
    )
    optimizer = RST(
        sgd(problem),
        rho=0.1,
        probability=probability,
        schedule=schedule,
        seed=3,
        num_iterations=50,
        model=getattr(problem, "network", None),
    )
    assert_follows(problem, optimizer, expected)
    assert optimizer.gradient_evaluations == 50 + sum(kinds)
    assert 5 <= sum(kinds) <= 45


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probability_one_is_sam_and_zero_the_base_optimizer_bit_for_bit(dtype):
    for probability, name in ((1.0, "sam"), (0.0, "sgd")):
        ours = TinyTrial("rst", dtype=dtype, dropout=0.5, probability=probability)
        assert same_trajectory(ours, TinyTrial(name, dtype=dtype, dropout=0.5))


def test_a_probability_of_zero_does_not_sample_even_at_the_smallest_draw(monkeypatch):
    monkeypatch.setattr(RST, "_draw", lambda _: 0.0)
    problem = Quadratic.random()
    assert not any(sampled(RST(sgd(problem), probability=0.0), problem, 12))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.8])
def test_the_share_of_sam_iterations_is_the_probability(probability):
    problem = Quadratic.random()
    kinds = sampled(RST(sgd(problem), probability=probability), problem, 1000)
    assert sum(kinds) / 1000 == pytest.approx(probability, abs=3 * math.sqrt(probability * (1 - probability) / 1000))


def test_the_linear_schedule_rises_from_zero_to_the_probability_and_stays():
    problem, rates = Quadratic.random(), []
    optimizer = RST(sgd(problem), probability=0.8, schedule="linear", num_iterations=4)
    for _ in range(6):
        assert optimizer.sampling_rate == pytest.approx(0.8 * min(len(rates) / 4, 1.0))
        problem.step(optimizer)
        rates.append(optimizer.observation.sampling_rate)
    assert rates == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 0.8])


def test_draws_are_its_own():
    state, problem = torch.get_rng_state(), Quadratic.random()
    train(problem, RST(sgd(problem)), 12)
    assert torch.equal(torch.get_rng_state(), state)
    kinds = []
    for seed in (0, 0, 1):
        problem = Quadratic.random()
        kinds.append(sampled(RST(sgd(problem), seed=seed), problem, 40))
    assert kinds[0] == kinds[1] != kinds[2]


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_a_trial_cut_anywhere_goes_on_with_the_same_draws(cut, tmp_path):
    straight, first, resumed = TinyTrial("rst"), TinyTrial("rst"), TinyTrial("rst", seed=5)
    straight.train(20)
    first.train(cut)
    saved_and_loaded(first, resumed, tmp_path / "checkpoint.pt")
    resumed.train(20 - cut)
    assert torch.equal(resumed.weights, straight.weights)
    assert equal_state(resumed.state_dict(), straight.state_dict())


def test_an_iteration_that_fails_and_is_repeated_has_the_same_draw():
    trial, undisturbed = TinyTrial("rst"), TinyTrial("rst")
    for _ in range(20):
        step_and_repeat_if_interrupted(trial, 2)
        undisturbed.step()
        assert trial.optimizer.observation.sampled == undisturbed.optimizer.observation.sampled


def test_wrong_settings_name_argument_value_and_rule():
    problem = Quadratic.random()
    with pytest.raises(ValueError, match="num_iterations is None, but must be an integer >= 1"):
        RST(sgd(problem), schedule="linear")
    with pytest.raises(ValueError, match="num_iterations is 0, but must be an integer >= 1"):
        RST(sgd(problem), num_iterations=0)
    with pytest.raises(ValueError, match="seed is -1, but must be an integer >= 0"):
        RST(sgd(problem), seed=-1)
