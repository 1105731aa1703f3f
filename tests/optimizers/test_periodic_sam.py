"""SAM-k against its equations."""

import pytest
import torch

from tests.reference import periodic_sam as reference
from tests.support.gradient_problems import Quadratic, TinyNetwork, assert_follows, train
from tests.support.tiny_trial import TinyTrial, same_trajectory
from vsam_tune.optimizers import PeriodicSAM

BASE = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}


def sgd(problem):
    return torch.optim.SGD(problem.parameters, **BASE)


@pytest.mark.parametrize(("period", "offset"), [(5, 0), (3, 4), (1, 0)])
@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_follows_the_reference(make, period, offset):
    problem, settings = make(), {"rho": 0.1, "period": period, "offset": offset}
    expected = reference.trajectory(problem.weights, problem.gradient, 50, **settings, **BASE)
    assert_follows(problem, PeriodicSAM(sgd(problem), **settings), expected)


def test_worked_numbers():
    """METHODS 10.2: SAM-2 after two iterations, the second one SGD's with the same momentum buffer."""
    problem = Quadratic([[1.0, 0.0], [0.0, 10.0]], [1.0, 1.0])
    train(problem, optimizer := PeriodicSAM(sgd(problem), rho=0.1, period=2), 2)
    assert problem.weights == pytest.approx([0.7155109280948122, -0.990352843399878], rel=1e-13)
    assert optimizer.gradient_evaluations == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_period_one_is_sam_bit_for_bit(dtype):
    ours = TinyTrial("periodic_sam", dtype=dtype, dropout=0.5, period=1)
    assert same_trajectory(ours, TinyTrial("sam", dtype=dtype, dropout=0.5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_offset_past_the_end_is_the_base_optimizer_bit_for_bit(dtype):
    ours = TinyTrial("periodic_sam", dtype=dtype, dropout=0.5, period=1, offset=20)
    assert same_trajectory(ours, TinyTrial("sgd", dtype=dtype, dropout=0.5))


@pytest.mark.parametrize(("period", "offset", "iterations"), [(5, 0, 21), (5, 0, 20), (3, 4, 20), (7, 6, 20)])
def test_number_of_sam_iterations(period, offset, iterations):
    problem = Quadratic.random()
    optimizer = PeriodicSAM(sgd(problem), period=period, offset=offset)
    sampled = []
    for _ in range(iterations):
        problem.step(optimizer)
        sampled.append(optimizer.observation.sampled)
        assert optimizer.observation.sampling_rate == 1 / period
    assert sum(sampled) == -(-(iterations - offset) // period)
    assert sampled.index(True) == offset
