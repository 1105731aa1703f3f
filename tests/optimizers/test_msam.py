"""MSAM against its equations."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.reference import msam as reference
from tests.support.gradient_problems import Quadratic, TinyNetwork, assert_follows, train
from tests.support.tiny_trial import TinyTrial
from vsam_tune.optimizers import MSAM

BASE = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}


def sgd(problem, **changed):
    return torch.optim.SGD(problem.parameters, **BASE | changed)


@pytest.mark.parametrize("rho", [0.1, 3.0])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_follows_the_reference(make, nesterov, rho):
    problem = make()
    optimizer = MSAM(sgd(problem, nesterov=nesterov), rho=rho)
    expected = reference.trajectory(problem.weights, problem.gradient, 50, rho=rho, nesterov=nesterov, **BASE)
    assert_follows(problem, optimizer, expected)
    assert optimizer.gradient_evaluations == 50


def test_worked_numbers():
    """METHODS 10.2: L = 0.5 (w1^2 + 10 w2^2) from (1, 1), without weight decay."""
    problem = Quadratic([[1.0, 0.0], [0.0, 10.0]], [1.0, 1.0])
    optimizer = MSAM(sgd(problem, lr=0.1, weight_decay=0.0), rho=0.1)
    problem.step(optimizer)
    assert problem.weights == pytest.approx([0.9, 0.0], rel=1e-13, abs=1e-15)
    problem.step(optimizer)
    assert problem.weights == pytest.approx([0.72099503719021, -0.800496280979001], rel=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rho_zero_is_the_base_optimizer_bit_for_bit(dtype):
    ours, theirs = TinyTrial("msam", rho=0.0, dtype=dtype), TinyTrial("sgd", dtype=dtype)
    assert ours.train(20) == theirs.train(20)
    assert torch.equal(ours.weights, theirs.weights)


def test_without_momentum_it_is_the_base_optimizer_bit_for_bit():
    ours, theirs = Quadratic.random(), Quadratic.random()
    found = train(ours, MSAM(sgd(ours, momentum=0.0), rho=3.0), 20)
    assert np.array_equal(found, train(theirs, sgd(theirs, momentum=0.0), 20))


def test_the_only_pass_runs_rho_away_along_the_coming_step_and_returns_its_loss():
    trial = TinyTrial("msam", rho=0.7)
    trial.train(1)
    for _ in range(12):
        seen, start = [], trial.weights
        trial.before_backward = lambda seen=seen: seen.append(trial.weights)
        buffers = [trial.base.state[parameter]["momentum_buffer"].flatten() for parameter in trial.network.parameters()]
        buffer = torch.cat(buffers).clone()
        loss = trial.step()
        assert torch.allclose(seen[0] - start, -0.7 * buffer / buffer.norm(), atol=1e-6)
        assert len(seen) == 1
        assert loss.item() != pytest.approx(loss_at(trial, start), rel=1e-6)


def loss_at(trial, weights):
    """Return the loss of the last batch at some weights."""
    twin = TinyTrial("sgd")
    nn.utils.vector_to_parameters(weights, twin.network.parameters())
    twin.iterations = trial.iterations - 1
    return twin.loss().item()


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda parameters: torch.optim.AdamW(parameters, lr=0.01), "exp_avg"),
        (lambda parameters: torch.optim.Adam(parameters, lr=0.01, weight_decay=0.1), "exp_avg"),
        (lambda parameters: torch.optim.RMSprop(parameters, lr=0.01, momentum=0.9), "momentum_buffer"),
    ],
)
def test_other_bases_look_ahead_along_the_buffer_that_they_keep(make, key):
    problem, twin = Quadratic.random(), Quadratic.random()
    optimizer, base = MSAM(make(problem.parameters), rho=0.2), make(twin.parameters)
    for t in range(20):
        w = twin.weights
        if t:
            buffer = torch.cat([base.state[parameter][key] for parameter in twin.parameters]).numpy()
            w = w - 0.2 * buffer / np.linalg.norm(buffer)
        gradient = torch.from_numpy(twin.gradient(w, t)).split([1, len(w) - 1])
        for parameter, part in zip(twin.parameters, gradient, strict=True):
            parameter.grad = part.clone()
        base.step()
        problem.step(optimizer)
        assert problem.weights == pytest.approx(twin.weights, rel=1e-12)


def test_a_base_without_momentum_of_any_kind_is_left_alone():
    ours, theirs = Quadratic.random(), Quadratic.random()
    found = train(ours, MSAM(torch.optim.Adagrad(ours.parameters, lr=0.1)), 12)
    assert np.array_equal(found, train(theirs, torch.optim.Adagrad(theirs.parameters, lr=0.1), 12))


def test_groups_have_their_own_rho_and_may_stay_unperturbed():
    """The norm is over the perturbed groups; a parameter that is frozen is in it no longer."""
    parameters = [nn.Parameter(torch.full((2,), float(i), dtype=torch.float64)) for i in range(1, 5)]
    base = torch.optim.SGD(
        [
            {"params": parameters[:1], "rho": 0.5},
            {"params": parameters[1:2], "rho": 0.0},
            {"params": parameters[2:3], "perturbed": False},
            {"params": parameters[3:]},
        ],
        lr=0.0,
        momentum=0.9,
    )
    optimizer, moved = MSAM(base, rho=0.25), []
    start = [parameter.detach().clone() for parameter in parameters]

    def closure():
        optimizer.zero_grad()
        moved[:] = [parameter.detach() - before for parameter, before in zip(parameters, start, strict=True)]
        loss = sum(parameter.square().sum() / 2 for parameter in parameters)
        loss.backward()
        return loss

    optimizer.step(closure)  # the buffers are the gradients now, 1, 2, 3 and 4
    assert not any(move.any() for move in moved)
    parameters[3].requires_grad_(requires_grad=False)
    optimizer.step(closure)
    norm = (2 * 1**2 + 2 * 2**2) ** 0.5
    assert moved[0].tolist() == pytest.approx([-0.5 / norm] * 2)
    assert not any(move.any() for move in moved[1:])
    assert all(map(torch.equal, parameters, start))


@pytest.mark.parametrize("spoiled", [float("inf"), float("nan")])
def test_momentum_that_is_not_finite_perturbs_nothing(spoiled):
    trial, seen = TinyTrial("msam"), []
    trial.train(3)
    start = trial.weights
    trial.base.state[trial.network[0].weight]["momentum_buffer"][0] = spoiled
    trial.before_backward = lambda: seen.append(trial.weights)
    trial.base.step = lambda: None
    trial.step()
    assert torch.equal(seen[0], start)
    assert torch.equal(trial.weights, start)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_weights_are_restored_bit_for_bit(dtype):
    trial, seen = TinyTrial("msam", dtype=dtype), []
    trial.train(2)
    for group in trial.optimizer.param_groups:
        group["lr"] = 0.0
    start = trial.weights
    trial.before_backward = lambda: seen.append(trial.weights)
    trial.step()
    assert not torch.equal(seen[0], start)
    assert torch.equal(trial.weights, start)


def test_observation_has_the_norm_of_its_gradient_and_no_sample():
    problem = Quadratic.random()
    optimizer = MSAM(sgd(problem), norm_layers=0)
    train(problem, optimizer, 3)
    observation = optimizer.observation
    assert observation.l2_sgd.item() == pytest.approx(np.linalg.norm(problem.gradients[0]), rel=1e-14)
    assert (observation.sampled, observation.l2_psf, observation.sampling_rate) == (False, None, 0.0)
