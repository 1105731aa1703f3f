"""GSAM against its equations."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.reference import gsam as reference
from tests.support.gradient_problems import Quadratic, TinyNetwork, assert_follows, train
from tests.support.tiny_trial import TinyTrial
from vsam_tune.optimizers import GSAM, SAM

BASE = {"momentum": 0.9, "weight_decay": 0.01}
SETTINGS = {"rho": 0.2, "rho_min": 0.05, "alpha": 0.4}


def sgd(problem, **changed):
    return torch.optim.SGD(problem.parameters, **{"lr": 0.05} | BASE | changed)


class Scheduled:
    """An optimizer whose scheduler moves after each step, as one object to a problem."""

    def __init__(self, optimizer, factor):
        self.optimizer, self.scheduler = optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        self.zero_grad = optimizer.zero_grad

    def step(self, closure):
        loss = self.optimizer.step(closure)
        self.scheduler.step()
        return loss


def half_a_cosine(t):
    return 0.5 * (1 + math.cos(math.pi * t / 50))


@pytest.mark.parametrize("changed", [{}, {"alpha": 1.5}, {"rho_min": 0.0}])
@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_follows_the_reference(make, changed):
    problem, settings = make(), SETTINGS | changed
    lrs = [0.05 * half_a_cosine(t) for t in range(50)]
    expected = reference.trajectory(problem.weights, problem.gradient, lrs, **settings, **BASE)
    assert_follows(problem, Scheduled(GSAM(sgd(problem), **settings), half_a_cosine), expected)


def test_worked_numbers():
    """METHODS 10.2's g1 and g2; w is 1 and lr 1, so that the step is d."""
    problem = Quadratic([[1.0, 0.0], [0.0, 10.0]], [1.0, 1.0])
    problem.step(GSAM(torch.optim.SGD(problem.parameters, lr=1.0), rho=0.1, alpha=0.5))
    share = (1.0099503719021 + 10 * 10.995037190209988) / (1.0099503719021**2 + 10.995037190209988**2)
    across = [1 - share * 1.0099503719021, 10 - share * 10.995037190209988]
    expected = [1 - (1.0099503719021 - 0.5 * across[0]), 1 - (10.995037190209988 - 0.5 * across[1])]
    assert problem.weights == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_alpha_zero_is_sam_and_rho_zero_the_base_optimizer_bit_for_bit(dtype):
    for settings, other in (({"alpha": 0.0}, "sam"), ({"alpha": 0.0, "rho": 0.0}, "sgd")):
        ours, theirs = TinyTrial("gsam", dtype=dtype, **settings), TinyTrial(other, dtype=dtype)
        assert ours.train(20) == theirs.train(20)
        assert torch.equal(ours.weights, theirs.weights)


def test_what_is_taken_off_is_across_the_second_gradient():
    problem = Quadratic.random()
    optimizer = GSAM(sgd(problem, lr=1.0, momentum=0.0, weight_decay=0.0), rho=0.3, alpha=0.7)
    for _ in range(5):
        before = problem.weights
        problem.step(optimizer)
        first, second = problem.gradients
        taken_off = second - (before - problem.weights)
        assert taken_off @ second == pytest.approx(0.0, abs=1e-9 * np.linalg.norm(second) ** 2)
        assert taken_off @ first > 0


def test_gradients_of_one_direction_have_nothing_to_take_off():
    """On c * I, g2 is (1 + rho / ||w||) * g1."""
    ours, theirs = (Quadratic(2.0 * np.eye(3), [1.0, -2.0, 0.5]) for _ in range(2))
    found = train(ours, GSAM(sgd(ours), rho=0.3, alpha=1.0), 12)
    assert found == pytest.approx(train(theirs, SAM(sgd(theirs), rho=0.3), 12), rel=1e-12)


def radii(optimizer, factors):
    """Return how far a weight of one element is perturbed at multiples of its learning rate."""
    (group,) = optimizer.param_groups
    (weight,) = group["params"]
    start, found = group["lr"], []

    def closure():
        optimizer.zero_grad()
        loss = weight.sum()
        loss.backward()
        seen.append(weight.item())
        return loss

    for factor in factors:
        group["lr"], seen = factor * start, []
        optimizer.step(closure)
        found.append(seen[1] - seen[0])
    return found


def one_weight(lr=0.5, **group):
    return torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1, dtype=torch.float64))], **group}], lr=lr)


def test_rho_follows_the_learning_rate_between_its_bounds():
    optimizer = GSAM(one_weight(), rho=0.3, rho_min=0.1)
    assert radii(optimizer, [1.0, 0.5, 0.25, 0.0, 4.0]) == pytest.approx([0.3, 0.2, 0.15, 0.1, 0.3])


def test_the_start_of_a_schedule_counts_and_not_a_warm_up_below_it():
    base = one_weight()
    torch.optim.lr_scheduler.LinearLR(base, start_factor=0.1, total_iters=10)
    optimizer = GSAM(base, rho=0.3)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    assert radii(optimizer, [1.0, 10.0]) == pytest.approx([0.03, 0.3])


def test_a_rate_that_starts_at_zero_leaves_rho():
    assert radii(GSAM(one_weight(lr=0.0), rho=0.3), [1.0]) == pytest.approx([0.3])


def test_a_group_may_have_a_smaller_rho_than_rho_min():
    assert radii(GSAM(one_weight(rho=0.05), rho=0.3, rho_min=0.1), [1.0, 0.5, 0.0]) == pytest.approx([0.05] * 3)
    assert radii(GSAM(one_weight(rho=0.0), rho=0.3, rho_min=0.1), [0.5]) == [0.0]


def test_the_start_is_saved_with_the_groups():
    optimizer = GSAM(one_weight(), rho=0.3)
    optimizer.param_groups[0]["lr"] = 0.25
    resumed = GSAM(one_weight(lr=0.1), rho=0.3)
    resumed.load_state_dict(optimizer.state_dict())
    assert radii(resumed, [1.0]) == pytest.approx([0.15])


def test_a_group_that_is_not_perturbed_takes_the_second_gradient_and_is_in_no_norm():
    weight, other = (nn.Parameter(torch.ones(2, dtype=torch.float64)) for _ in range(2))
    base = torch.optim.SGD([{"params": [weight]}, {"params": [other], "perturbed": False}], lr=1.0)
    optimizer, gradients = GSAM(base, rho=0.5, alpha=0.4), []

    def closure():
        optimizer.zero_grad()
        loss = (torch.tensor([1.0, 10.0]) * weight.square() * other).sum() / 2
        loss.backward()
        gradients.append((weight.grad.numpy().copy(), other.grad.numpy().copy()))
        return loss

    optimizer.step(closure)
    (first, _), (second, of_other) = gradients
    assert weight.detach().numpy() == pytest.approx(1 - reference.descent(first, second, 0.4), rel=1e-12)
    assert np.array_equal(other.detach().numpy(), 1 - of_other)


def test_rho_min_above_rho_is_refused():
    with pytest.raises(ValueError, match=r"the value of rho_min is 0.2, but must be at most rho = 0.1"):
        GSAM(one_weight(), rho=0.1, rho_min=0.2)


def test_observation_is_sams():
    problem = Quadratic.random()
    problem.step(optimizer := GSAM(sgd(problem), rho=0.1, norm_layers=0))
    first, second = problem.gradients
    assert optimizer.observation.sampled
    assert optimizer.observation.l2_sgd.item() == pytest.approx(np.linalg.norm(first), rel=1e-14)
    assert optimizer.observation.l2_psf.item() == pytest.approx(np.linalg.norm(second - first), rel=1e-12)
