"""SAM against its equations."""

import numpy as np
import pytest
import torch

from tests.reference import sam as reference
from tests.reference import sgd as sgd_reference
from tests.support.gradient_problems import Quadratic, TinyNetwork, assert_follows, train
from vsam_tune.optimizers import SAM

BASE = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}


def sgd(problem, **changed):
    return torch.optim.SGD(problem.parameters, **BASE | changed)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_follows_the_reference(make, nesterov):
    problem = make()
    optimizer = SAM(sgd(problem, nesterov=nesterov), rho=0.1)
    expected = reference.trajectory(problem.weights, problem.gradient, 50, rho=0.1, nesterov=nesterov, **BASE)
    assert_follows(problem, optimizer, expected)


@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_the_reference_of_sgd_is_torchs(make):
    problem = make()
    assert_follows(problem, sgd(problem), sgd_reference.trajectory(problem.weights, problem.gradient, 50, **BASE))


def test_worked_numbers():
    """METHODS 10.2: L = 0.5 (w1^2 + 10 w2^2) from (1, 1)."""
    problem = Quadratic([[1.0, 0.0], [0.0, 10.0]], [1.0, 1.0])
    base = sgd(problem)
    optimizer = SAM(base, rho=0.1)
    problem.step(optimizer)
    assert problem.gradients[0] == pytest.approx([1.0, 10.0], rel=1e-14)
    assert problem.gradients[1] == pytest.approx([1.0099503719021, 10.995037190209988], rel=1e-13)
    assert problem.weights == pytest.approx([0.89800496280979, -0.10050371902099875], rel=1e-13)
    buffers = torch.cat([base.state[parameter]["momentum_buffer"] for parameter in problem.parameters])
    assert buffers.tolist() == pytest.approx([1.0199503719021, 11.005037190209988], rel=1e-13)
    problem.step(optimizer)
    assert problem.weights == pytest.approx([0.7088480859908984, -0.9157830538746866], rel=1e-13)


@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_rho_zero_is_the_base_optimizer_bit_for_bit(make):
    ours, theirs = make(), make()
    assert np.array_equal(train(ours, SAM(sgd(ours), rho=0.0), 20), train(theirs, sgd(theirs), 20))


def test_the_second_gradient_is_that_at_the_perturbed_weights():
    problem = Quadratic.random()
    hessian = problem.hessian.numpy()
    optimizer = SAM(sgd(problem), rho=0.3)
    for _ in range(12):
        problem.step(optimizer)
        first, second = problem.gradients
        assert second - first == pytest.approx(0.3 * hessian @ first / np.linalg.norm(first), rel=1e-9, abs=1e-12)


def test_scaling_the_loss_does_not_change_the_perturbation():
    scales = []
    for factor in (1.0, 1e-3, 1e4):
        problem = Quadratic([[factor, 0.0], [0.0, 10.0 * factor]], [1.0, 1.0])
        optimizer = SAM(torch.optim.SGD(problem.parameters, lr=0.0), rho=0.1)
        problem.step(optimizer)
        scales.append((problem.gradients[1] - problem.gradients[0]) / factor)
    assert scales[1] == pytest.approx(scales[0], rel=1e-9)
    assert scales[2] == pytest.approx(scales[0], rel=1e-9)


def test_observation_has_the_norms_of_the_last_layer():
    problem = Quadratic.random()
    optimizer = SAM(sgd(problem), rho=0.1, norm_layers=0)
    problem.step(optimizer)
    first, second = problem.gradients
    observation = optimizer.observation
    assert observation.l2_sgd.item() == pytest.approx(np.linalg.norm(first), rel=1e-14)
    assert observation.l2_psf.item() == pytest.approx(np.linalg.norm(second - first), rel=1e-12)
    assert observation.sampling_rate == 1.0
    assert np.isnan([observation.sigma, observation.v, observation.u]).all()


def test_looking_at_more_layers_changes_no_bit():
    trajectories = []
    for norm_layers in (0, 1, 3):
        problem = TinyNetwork()
        optimizer = SAM(sgd(problem), rho=0.1, norm_layers=norm_layers, model=problem.network)
        trajectories.append(train(problem, optimizer, 12))
    assert np.array_equal(trajectories[0], trajectories[1])
    assert np.array_equal(trajectories[0], trajectories[2])


def test_groups_have_their_own_rho_and_may_stay_unperturbed():
    """The norm is over all groups that are perturbed; one that is not takes the second gradient."""
    parameters = [torch.nn.Parameter(torch.full((2,), float(i), dtype=torch.float64)) for i in range(1, 4)]
    groups = [{"params": parameters[:1], "rho": 0.5}, {"params": parameters[1:2]}]
    base = torch.optim.SGD([*groups, {"params": parameters[2:], "perturbed": False}], lr=1.0)
    optimizer, seen = SAM(base, rho=0.25), []

    def closure():
        optimizer.zero_grad()
        seen.append([parameter[0].item() for parameter in parameters])
        loss = (parameters[0].square() + parameters[1].square() + 7 * parameters[1] * parameters[2]).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    first = (2.0, 2 * 2 + 7 * 3)
    norm = (2 * first[0] ** 2 + 2 * first[1] ** 2) ** 0.5
    there = (1 + 0.5 * first[0] / norm, 2 + 0.25 * first[1] / norm)
    assert seen[1] == pytest.approx([*there, 3.0], rel=1e-14)
    expected = [1 - 2 * there[0], 2 - (2 * there[1] + 7 * 3), 3 - 7 * there[1]]
    assert [parameter[0].item() for parameter in parameters] == pytest.approx(expected, rel=1e-13)
