"""LookSAM: its equations, and what METHODS 3.4 says must hold."""

import copy

import numpy as np
import pytest
import torch

from tests.reference import looksam as reference
from tests.support.gradient_problems import Quadratic, TinyNetwork, assert_follows, train
from tests.support.tiny_trial import TinyTrial, equal_state, same_trajectory, saved_and_loaded
from vsam_tune.optimizers import SAM, LookSAM

BASE = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}


def sgd(problem, **changed):
    return torch.optim.SGD(problem.parameters, **BASE | changed)


@pytest.mark.parametrize(("period", "alpha"), [(5, 0.7), (2, 0.3), (3, 1.5), (1, 0.7)])
@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_follows_the_reference(make, period, alpha):
    problem, settings = make(), {"rho": 0.1, "period": period, "alpha": alpha}
    expected = reference.trajectory(problem.weights, problem.gradient, 50, **settings, **BASE)
    assert_follows(problem, LookSAM(sgd(problem), model=getattr(problem, "network", None), **settings), expected)


def test_follows_the_reference_around_adam():
    """One reuse iteration of another base, by hand: Adam gets g1 + alpha * ||g1|| * u."""
    problem, settings = Quadratic.random(), {"rho": 0.1, "period": 2, "alpha": 0.7}
    optimizer = LookSAM(torch.optim.Adam(problem.parameters, lr=0.01), **settings)
    train(problem, optimizer, 1)
    u = reference.direction(*problem.gradients)
    plain = copy.deepcopy(problem.parameters)
    adam = torch.optim.Adam(plain, lr=0.01)
    adam.load_state_dict(copy.deepcopy(optimizer.base.state_dict()))
    d = reference.reused(problem.gradient(problem.weights, 1), u, 0.7)
    for parameter, part in zip(plain, np.split(d, [1]), strict=True):
        parameter.grad = torch.from_numpy(part)
    adam.step()
    train(problem, optimizer, 1)
    assert problem.weights == pytest.approx(torch.cat(plain).detach().numpy(), rel=1e-13)


def test_worked_numbers():
    """METHODS 10.2: LookSAM, k = 2, alpha = 0.7, after two iterations."""
    problem = Quadratic([[1.0, 0.0], [0.0, 10.0]], [1.0, 1.0])
    optimizer = LookSAM(sgd(problem, lr=0.1), rho=0.1, period=2, alpha=0.7)
    problem.step(optimizer)
    u = torch.cat(list(optimizer.state_dict()["direction"].values()))
    assert u.tolist() == pytest.approx([-0.9950371902100, 0.0995037190210], rel=1e-11)
    problem.step(optimizer)
    assert problem.weights == pytest.approx([0.809387358713632, -0.9997404864617602], rel=1e-13)
    assert optimizer.gradient_evaluations == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_period_one_is_sam_bit_for_bit(dtype):
    ours = TinyTrial("looksam", dtype=dtype, period=1, dropout=0.5)
    assert same_trajectory(ours, TinyTrial("sam", dtype=dtype, dropout=0.5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_alpha_zero_is_sam_k_bit_for_bit(dtype):
    ours = TinyTrial("looksam", dtype=dtype, alpha=0.0, dropout=0.5)
    assert same_trajectory(ours, TinyTrial("periodic_sam", dtype=dtype, dropout=0.5))


@pytest.mark.parametrize("cut", [0, 1, 3, 4])
def test_a_trial_cut_between_two_sam_iterations_goes_on_with_the_same_direction(cut, tmp_path):
    straight, first, resumed = (TinyTrial("looksam", period=4) for _ in range(3))
    straight.train(10)
    first.train(cut)
    saved_and_loaded(first, resumed, tmp_path / "checkpoint.pt")
    resumed.train(10 - cut)
    assert torch.equal(resumed.weights, straight.weights)
    assert equal_state(resumed.state_dict(), straight.state_dict())


def test_sam_iterations_come_every_period_and_show_what_sam_shows():
    ours, theirs, seen = TinyNetwork(), TinyNetwork(), []
    optimizer = LookSAM(sgd(ours), rho=0.1, period=3, norm_layers=2, model=ours.network)
    sam = SAM(sgd(theirs), rho=0.1, norm_layers=2, model=theirs.network)
    for _ in range(9):
        ours.step(optimizer)
        seen.append(optimizer.observation)
    theirs.step(sam)
    assert [row.sampled for row in seen] == [True, False, False] * 3
    assert all(row.sampling_rate == 1 / 3 for row in seen)
    assert seen[0].l2_psf.item() == pytest.approx(sam.observation.l2_psf.item(), rel=1e-14)
    assert seen[0].l2_sgd.item() == sam.observation.l2_sgd.item()
    assert optimizer.gradient_evaluations == 12
