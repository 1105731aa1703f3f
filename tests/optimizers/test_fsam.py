"""F-SAM against its equations."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.reference import fsam as reference
from tests.support.gradient_problems import Quadratic, TinyNetwork, assert_follows, train
from tests.support.tiny_trial import InterruptedPassError, TinyTrial, fail_in_call
from vsam_tune.optimizers import FSAM

BASE = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}
SETTINGS = {"rho": 0.1, "sigma": 1.0, "decay": 0.9}


def sgd(problem):
    return torch.optim.SGD(problem.parameters, **BASE)


@pytest.mark.parametrize("changed", [{}, {"sigma": 0.4, "decay": 0.6}, {"decay": 0.0}, {"decay": 1.0}])
@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_follows_the_reference(make, changed):
    problem, settings = make(), SETTINGS | changed
    expected = reference.trajectory(problem.weights, problem.gradient, 50, **settings, **BASE)
    assert_follows(problem, FSAM(sgd(problem), **settings), expected)


class Linear:
    """L = g_t' w, so that the gradients are what a test says; the weights do not move."""

    def __init__(self, **settings):
        self.weight = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.optimizer = FSAM(torch.optim.SGD([self.weight], lr=0.0), **settings)

    def perturbation(self, *gradient):
        """Take one iteration; return e."""
        seen = []

        def closure():
            self.optimizer.zero_grad()
            loss = torch.tensor(gradient, dtype=torch.float64) @ self.weight
            loss.backward()
            seen.append(self.weight.tolist())
            return loss

        self.optimizer.step(closure)
        assert seen[0] == [0.0, 0.0]
        return seen[1]


def test_worked_numbers():
    """By hand: m = (4, 0), then (2, 3): 0.5 * (4, 0) + 0.5 * (0, 6); d = (0, 6) - (2, 0), then (5, 2) - (1, 1.5)."""
    problem = Linear(rho=0.5, sigma=0.5, decay=0.5)
    assert problem.perturbation(4.0, 0.0) == pytest.approx([0.5, 0.0])  # SAM's
    assert problem.perturbation(0.0, 6.0) == pytest.approx([-0.5 * 2 / 40**0.5, 0.5 * 6 / 40**0.5])
    assert problem.perturbation(5.0, 2.0) == pytest.approx([0.5 * 4 / 16.25**0.5, 0.5 * 0.5 / 16.25**0.5])


def test_a_gradient_that_is_always_the_same_is_friendly():
    problem = Linear(rho=0.5)
    assert problem.perturbation(3.0, 1.0) != [0.0, 0.0]
    for _ in range(5):
        assert problem.perturbation(3.0, 1.0) == [0.0, 0.0]


@pytest.mark.parametrize("spoiled", [float("inf"), float("nan")])
def test_a_gradient_that_is_not_finite_counts_as_zero_in_the_average(spoiled):
    problem = Linear(rho=0.5, decay=0.5)
    problem.optimizer.base.step = lambda: None
    problem.perturbation(4.0, 0.0)
    assert problem.perturbation(spoiled, 1.0) == [0.0, 0.0]
    assert problem.optimizer.state_dict()["average"][0].tolist() == [2.0, 0.0]
    assert problem.perturbation(2.0, 1.0) == pytest.approx([0.0, 0.5])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sigma_zero_is_sam_and_rho_zero_the_base_optimizer_bit_for_bit(dtype):
    for settings, other in (({"sigma": 0.0}, "sam"), ({"rho": 0.0}, "sgd")):
        ours, theirs = TinyTrial("fsam", dtype=dtype, **settings), TinyTrial(other, dtype=dtype)
        assert ours.train(20) == theirs.train(20)
        assert torch.equal(ours.weights, theirs.weights)


def test_the_first_iteration_is_sams_and_the_second_is_not():
    ours, theirs = TinyTrial("fsam"), TinyTrial("sam")
    for equal in (True, False):
        ours.step()
        theirs.step()
        assert torch.equal(ours.weights, theirs.weights) == equal


def test_a_second_pass_that_fails_leaves_the_average():
    trial = TinyTrial("fsam")
    trial.train(3)
    before = {i: average.clone() for i, average in trial.optimizer.state_dict()["average"].items()}

    fail_in_call(trial, 2)
    with pytest.raises(InterruptedPassError):
        trial.step()
    after = trial.optimizer.state_dict()["average"]
    assert len(after) == 10
    assert all(torch.equal(after[i], average) for i, average in before.items())


def test_a_group_that_is_not_perturbed_has_no_average_and_is_not_in_the_norm():
    kept, other = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    base = torch.optim.SGD([{"params": [other], "perturbed": False}, {"params": [kept]}], lr=0.0)
    optimizer, seen = FSAM(base, rho=0.5, decay=0.5), []

    def closure():
        optimizer.zero_grad()
        loss = (len(seen) + 1) * (kept + 100 * other).sum()
        loss.backward()
        seen.append((kept.item(), other.item()))
        return loss

    optimizer.step(closure)
    optimizer.step(closure)
    assert seen == [(0.0, 0.0), (0.5, 0.0)] * 2
    assert list(optimizer.state_dict()["average"]) == [1]


def test_a_parameter_whose_first_gradient_comes_later_starts_its_average_then():
    late, always = (nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in range(2))
    optimizer = FSAM(torch.optim.SGD([late, always], lr=0.0), rho=0.5, decay=0.5)

    def step(*gradients):
        seen = []

        def closure():
            optimizer.zero_grad()
            parts = zip((always, late), gradients, strict=False)
            loss = sum(gradient * parameter.sum() for parameter, gradient in parts)
            loss.backward()
            seen.append((always.item(), late.item()))
            return loss

        optimizer.step(closure)
        return seen[1]

    assert step(8.0) == pytest.approx((0.5, 0.0))
    assert step(5.0, 4.0) == pytest.approx((-0.5 * 3 / 5, 0.5 * 4 / 5))  # d = (5 - 8, 4)
    assert step(9.5, 8.0) == pytest.approx((0.5 * 3 / 5, 0.5 * 4 / 5))  # d = (9.5 - 6.5, 8 - 4)


def test_what_it_keeps_is_one_copy_of_the_gradients_in_the_same_buffers():
    trial = TinyTrial("fsam")
    trial.step()
    kept = [average.data_ptr() for average in trial.optimizer.state_dict()["average"].values()]
    trial.train(3)
    assert [average.data_ptr() for average in trial.optimizer.state_dict()["average"].values()] == kept


def test_observation_is_sams():
    ours = Quadratic.random()
    train(ours, optimizer := FSAM(sgd(ours), norm_layers=0), 3)
    first, second = ours.gradients
    assert optimizer.observation.sampled
    assert optimizer.observation.l2_sgd.item() == pytest.approx(np.linalg.norm(first), rel=1e-14)
    assert optimizer.observation.l2_psf.item() == pytest.approx(np.linalg.norm(second - first), rel=1e-12)
