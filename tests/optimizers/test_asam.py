"""ASAM against its equations."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.reference import asam as reference
from tests.support.gradient_problems import Quadratic, TinyNetwork, assert_follows, train
from tests.support.tiny_trial import TinyTrial
from vsam_tune.optimizers import ASAM, SAM

BASE = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}


def sgd(problem):
    return torch.optim.SGD(problem.parameters, **BASE)


@pytest.mark.parametrize(("rho", "eta"), [(0.5, 0.01), (1.0, 0.0), (0.1, 1.0)])
@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_follows_the_reference(make, rho, eta):
    problem = make()
    is_weight = np.concatenate([np.full(parameter.numel(), parameter.ndim >= 2) for parameter in problem.parameters])
    settings = {"rho": rho, "eta": eta}
    expected = reference.trajectory(problem.weights, problem.gradient, 50, **settings, is_weight=is_weight, **BASE)
    assert_follows(problem, ASAM(sgd(problem), **settings), expected)


class Product:
    """L = (a b x - 1)^2 / 2 through two weights of 1x1 and a bias; what the closure saw is in `seen`."""

    def __init__(self, a, b, **settings):
        self.a, self.b = (nn.Parameter(torch.tensor([[value]], dtype=torch.float64)) for value in (a, b))
        self.bias = nn.Parameter(torch.tensor([0.25], dtype=torch.float64))
        self.optimizer = ASAM(torch.optim.SGD([self.a, self.b, self.bias], lr=0.0), **settings)
        self.seen = []
        self.optimizer.step(self.closure)

    def closure(self):
        self.optimizer.zero_grad()
        loss = (self.a @ self.b + self.bias - 1).square().sum() / 2
        loss.backward()
        self.seen.append((self.a.item(), self.b.item(), self.bias.item(), loss.item()))
        return loss


def test_worked_numbers():
    """By hand: residual 2 * 0.5 + 0.25 - 1 = 0.25, so g = (0.125, 0.5, 0.25), T = (2.5, 1, 1)."""
    problem = Product(2.0, 0.5, rho=0.3, eta=0.5)
    norm = (0.3125**2 + 0.5**2 + 0.25**2) ** 0.5
    expected = [2 + 0.3 * 2.5**2 * 0.125 / norm, 0.5 + 0.3 * 0.5 / norm, 0.25 + 0.3 * 0.25 / norm]
    assert problem.seen[1][:3] == pytest.approx(expected, rel=1e-14)


def test_networks_that_compute_the_same_are_perturbed_to_the_same():
    losses = [Product(2.0 * scale, 0.5 / scale, rho=0.3, eta=0.0).seen[1][3] for scale in (1.0, 100.0, 0.01)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-12)


def test_where_every_size_is_one_it_is_sam_bit_for_bit():
    ours, theirs = Quadratic.random(), Quadratic.random()  # its tensors have one dimension
    assert np.array_equal(train(ours, ASAM(sgd(ours), rho=0.3), 20), train(theirs, SAM(sgd(theirs), rho=0.3), 20))
    seen = []
    for name, settings in (("asam", {"eta": 0.5}), ("sam", {})):
        trial = TinyTrial(name, **settings)
        for parameter in trial.network.parameters():
            parameter.data.copy_(torch.where(parameter < 0, -0.5, 0.5))
        trial.train(1)
        seen.append(trial.weights)
    assert torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rho_zero_is_the_base_optimizer_bit_for_bit(dtype):
    ours, theirs = TinyTrial("asam", rho=0.0, dtype=dtype), TinyTrial("sgd", dtype=dtype)
    assert ours.train(20) == theirs.train(20)
    assert torch.equal(ours.weights, theirs.weights)


def test_groups_have_their_own_rho_and_may_stay_unperturbed():
    problem = Product(2.0, 0.5)
    problem.optimizer.param_groups[0]["params"] = [problem.b]
    problem.optimizer.add_param_group({"params": [problem.a], "perturbed": False})
    problem.optimizer.add_param_group({"params": [problem.bias], "rho": 0.1})
    problem.optimizer.step(problem.closure)
    norm = (0.51**2 * 0.5**2 + 0.25**2) ** 0.5
    expected = [2.0, 0.5 + 0.5 * 0.51**2 * 0.5 / norm, 0.25 + 0.1 * 0.25 / norm]
    assert problem.seen[-1][:3] == pytest.approx(expected, rel=1e-14)
