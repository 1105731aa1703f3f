"""AE-SAM around an optimizer: its equations, and what METHODS 3.8 says must hold. The rule has tests of its own."""

import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.reference import ae_sam as reference
from tests.support.gradient_problems import Quadratic, TinyNetwork, assert_follows, train
from tests.support.tiny_trial import (
    TinyTrial,
    equal_state,
    same_trajectory,
    saved_and_loaded,
    step_and_repeat_if_interrupted,
)
from vsam_tune.optimizers import AESAM

BASE = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}
ALWAYS = {"threshold_start": -math.inf, "threshold_end": -math.inf}
NEVER = {"threshold_start": math.inf, "threshold_end": math.inf}


def sgd(problem, **changed):
    return torch.optim.SGD(problem.parameters, **BASE | changed)


@pytest.mark.parametrize(("decay", "start", "end"), [(0.9, 1.0, -1.0), (0.8, 2.0, 0.0), (0.5, 0.3, 0.3)])
@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_follows_the_reference(make, decay, start, end):
    problem = make()
    rule = reference.Rule(delta=decay, lambda1=end, lambda2=start, T=50)
    expected, sampled = reference.trajectory(problem.weights, problem.gradient, 50, 0.1, rule, **BASE)
    optimizer = AESAM(
        sgd(problem),
        rho=0.1,
        decay=decay,
        threshold_start=start,
        threshold_end=end,
        num_iterations=50,
        model=getattr(problem, "network", None),
    )
    assert_follows(problem, optimizer, expected)
    assert optimizer.gradient_evaluations == 50 + sum(sampled)
    assert 5 <= sum(sampled) <= 45  # or the comparison says little about the rule


def test_observations_show_what_was_compared():
    problem, seen, expected = Quadratic.random(), [], []
    rule = reference.Rule(delta=0.9, lambda1=-1.0, lambda2=1.0, T=30)
    optimizer = AESAM(sgd(problem), rho=0.1, num_iterations=30)
    for t in range(30):
        x = reference.squared_norm(problem.gradient(problem.weights, t))
        problem.step(optimizer)
        seen.append(optimizer.observation)
        expected.append((x, rule.fires(x, t), rule.thresholds[-1]))
    assert [row.sampled for row in seen] == [fired for _, fired, _ in expected]
    assert [row.squared_norm for row in seen] == pytest.approx([x for x, _, _ in expected], rel=1e-12)
    assert [row.threshold for row in seen] == pytest.approx([threshold for _, _, threshold in expected], rel=1e-12)
    assert all(math.isnan(row.sampling_rate) for row in seen)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_always_is_sam_bit_for_bit(dtype):
    ours = TinyTrial("ae_sam", dtype=dtype, dropout=0.5, **ALWAYS)
    assert same_trajectory(ours, TinyTrial("sam", dtype=dtype, dropout=0.5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_never_is_the_base_optimizer_bit_for_bit(dtype):
    ours = TinyTrial("ae_sam", dtype=dtype, dropout=0.5, **NEVER)
    assert same_trajectory(ours, TinyTrial("sgd", dtype=dtype, dropout=0.5))
    assert ours.optimizer.gradient_evaluations == 20


@pytest.mark.parametrize("settings", [{"decay": 0.0}, {"threshold_start": -3.3, "threshold_end": -3.3}])
def test_without_memory_or_far_below_the_mean_it_is_sam_bit_for_bit(settings):
    assert same_trajectory(TinyTrial("ae_sam", **settings), TinyTrial("sam"))


@pytest.mark.parametrize("power", [-12, 5])
def test_scaling_the_loss_by_a_power_of_two_changes_no_decision(power):
    sampled = []
    for factor in (1.0, 2.0**power):
        problem = Quadratic.random()
        problem.hessian, problem.linear = factor * problem.hessian, factor * problem.linear
        optimizer = AESAM(sgd(problem, lr=0.05 / factor, weight_decay=0.0), rho=0.1, num_iterations=40)
        sampled.append([problem.step(optimizer) and optimizer.observation.sampled for _ in range(40)])
    assert sampled[0] == sampled[1]
    assert 5 <= sum(sampled[0]) <= 35


def test_without_a_planned_length_the_threshold_is_halfway():
    ours, theirs = Quadratic.random(), Quadratic.random()
    found = train(ours, AESAM(sgd(ours), threshold_start=1.5, threshold_end=-0.5), 30)
    halfway = AESAM(sgd(theirs), threshold_start=0.5, threshold_end=0.5, num_iterations=30)
    assert np.array_equal(found, train(theirs, halfway, 30))


class Reads(TorchDispatchMode):
    """Counts the values that are read from tensors."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["ae_sam", "ae_looksam"])
def test_an_iteration_reads_one_value(name):
    trial = TinyTrial(name)
    for _ in range(20):
        with Reads() as reads:
            trial.step()
        assert reads.count == 1


@pytest.mark.parametrize("cut", [0, 1, 6, 13])
@pytest.mark.parametrize("name", ["ae_sam", "ae_looksam"])
def test_a_trial_cut_anywhere_goes_on_with_the_same_decisions(name, cut, tmp_path):
    straight, first, resumed = (TinyTrial(name) for _ in range(3))
    straight.train(20)
    first.train(cut)
    saved_and_loaded(first, resumed, tmp_path / "checkpoint.pt")
    resumed.train(20 - cut)
    assert torch.equal(resumed.weights, straight.weights)
    assert equal_state(resumed.state_dict(), straight.state_dict())


@pytest.mark.parametrize("name", ["ae_sam", "ae_looksam"])
def test_an_iteration_that_fails_and_is_repeated_leaves_the_averages_of_one(name):
    whole, repeated = TinyTrial(name), TinyTrial(name)
    for _ in range(12):
        whole.step()
        step_and_repeat_if_interrupted(repeated, 2)
        averages = [
            {key: trial.optimizer.state_dict()[key] for key in ("mean", "variance")} for trial in (whole, repeated)
        ]
        assert averages[0] == averages[1]


class Halving:
    """Stands for two workers, the other of which has a gradient of zero."""

    def average(self, gradients):
        own = [gradient.clone() for gradient in gradients]
        torch._foreach_mul_(gradients, 0.5)
        return own


def test_with_workers_the_averaged_gradient_decides():
    problem = Quadratic.random()
    optimizer = AESAM(sgd(problem))
    optimizer._workers = Halving()
    problem.step(optimizer)
    expected = reference.squared_norm(0.5 * problem.gradients[0])
    assert optimizer.observation.squared_norm == pytest.approx(expected, rel=1e-13)


def test_a_group_that_is_not_perturbed_is_not_in_the_norm():
    problem = Quadratic.random()
    a, b = problem.parameters
    optimizer = AESAM(torch.optim.SGD([{"params": [a]}, {"params": [b], "perturbed": False}], lr=0.1))
    problem.step(optimizer)
    expected = problem.gradients[0][0] ** 2
    assert optimizer.observation.squared_norm == pytest.approx(expected, rel=1e-13)


def test_weight_decay_is_not_in_the_norm():
    problem = Quadratic.random()
    optimizer = AESAM(sgd(problem, weight_decay=10.0))
    problem.step(optimizer)
    expected = reference.squared_norm(problem.gradients[0])
    assert optimizer.observation.squared_norm == pytest.approx(expected, rel=1e-13)
