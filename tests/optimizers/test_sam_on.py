"""SAM-ON against its equations, and which layers it perturbs."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.reference import sam as sam_reference
from tests.reference import sam_on as reference
from tests.support.gradient_problems import assert_follows, train
from tests.support.sample_problems import SampleNetwork, SampleQuadratic, ranges
from tests.support.tiny_trial import TinyTrial
from vsam_tune.optimizers import SAM, SAMON

BASE = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
BATCH_NORMS = (2, 3, 6, 7)  # of the tiny network's tensors: weight and bias of its two batch norms


def sgd(problem, **changed):
    return torch.optim.SGD(problem.parameters, **BASE | changed)


def perturbation(network, optimizer, losses):
    """Take one step; return e of each parameter, as the second pass found it."""
    seen = []

    def recorded(samples):
        seen.append([parameter.detach().clone() for parameter in network.parameters()])
        return losses(samples)

    optimizer.step(recorded)
    return [after - before for before, after in zip(*seen, strict=True)]


@pytest.mark.parametrize("nesterov", [False, True])
def test_follows_the_reference(nesterov):
    problem = SampleNetwork()
    tensors = ranges(problem.parameters)
    normalisation = [j for i in BATCH_NORMS for j in tensors[i]]
    expected = reference.trajectory(
        problem.weights, problem.gradient, 50, rho=0.1, normalisation=normalisation, nesterov=nesterov, **BASE
    )
    assert_follows(problem, SAMON(sgd(problem, nesterov=nesterov), rho=0.1, model=problem.network), expected)


@pytest.mark.parametrize("make", [SampleQuadratic, SampleNetwork])
def test_without_a_model_it_follows_the_reference_of_sam(make):
    problem = make()
    expected = sam_reference.trajectory(problem.weights, problem.gradient, 50, rho=0.1, **BASE)
    assert_follows(problem, SAMON(sgd(problem), rho=0.1), expected)


def without_normalisation():
    with torch.random.fork_rng():
        torch.random.manual_seed(1)
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(48, 5))


def test_of_a_model_without_normalisation_it_is_sam_bit_for_bit():
    weights = []
    for method in (SAMON, SAM):
        network, draws = without_normalisation(), torch.Generator().manual_seed(0)
        optimizer = method(torch.optim.SGD(network.parameters(), **BASE), rho=0.1, model=network)
        with torch.random.fork_rng():
            torch.random.manual_seed(0)
            for _ in range(12):
                images = torch.randn(8, 1, 6, 6, generator=draws)

                def closure(_=None, images=images, network=network, optimizer=optimizer):
                    optimizer.zero_grad()
                    losses = network(images).square().mean(dim=1)
                    if optimizer.sample_losses:
                        return losses
                    losses.mean().backward()
                    return losses.mean()

                optimizer.step(closure)
        weights.append(nn.utils.parameters_to_vector(network.parameters()))
    assert torch.equal(*weights)


def test_with_all_perturbed_it_is_sam_bit_for_bit_in_float64():
    on, every = SampleNetwork(), SampleNetwork()
    optimizer = SAMON(sgd(on), rho=0.1, model=on.network)
    optimizer._normalisation = set(on.parameters)
    assert np.array_equal(train(on, optimizer, 20), train(every, SAM(sgd(every), rho=0.1, model=every.network), 20))


def test_rho_zero_is_the_base_optimizer_bit_for_bit_with_dropout_too():
    trajectories = []
    for trial in (TinyTrial("sam_on", rho=0.0, dropout=0.5), TinyTrial("sgd", dropout=0.5)):
        with torch.random.fork_rng():
            torch.random.manual_seed(0)
            trajectories.append((trial.train(20), trial.weights.tolist()))
    assert trajectories[0] == trajectories[1]


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm1d(4),
        nn.SyncBatchNorm(4),
        nn.InstanceNorm1d(4, affine=True),
        nn.GroupNorm(2, 4),
        nn.LayerNorm([4, 3]),
        nn.RMSNorm([4, 3]),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_the_parameters_of_every_kind_of_normalisation_are_perturbed_and_no_others(layer):
    layer = layer.eval() if isinstance(layer, nn.SyncBatchNorm) else layer  # its training mode is for GPUs alone
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        network = nn.Sequential(nn.Conv1d(2, 4, 1), nn.Sequential(layer), nn.Flatten(), nn.Linear(12, 5)).double()
        x = torch.randn(6, 2, 3).double()
    optimizer = SAMON(torch.optim.SGD(network.parameters(), lr=0.1), rho=0.1, model=network)
    start = [parameter.detach().clone() for parameter in network.parameters()]
    e = perturbation(network, optimizer, lambda _: network(x).square().mean(dim=1))
    of_the_layer = {id(parameter) for parameter in layer.parameters()}
    for parameter, part, before in zip(network.parameters(), e, start, strict=True):
        assert bool(part.any()) == (id(parameter) in of_the_layer)
        assert not torch.equal(parameter, before) or parameter is network[0].bias  # a norm takes that off again
    assert torch.cat([part.flatten() for part in e]).norm().item() == pytest.approx(0.1, rel=1e-12)


def freeze(trial, *, frozen):
    for layer in (trial.network[1], trial.network[4]):
        layer.requires_grad_(not frozen)


def leave_unperturbed(trial, *, frozen):
    trial.optimizer.param_groups[0]["perturbed"] = not frozen


def normalisation_first(network):
    parameters = list(network.parameters())
    rest = [parameter for i, parameter in enumerate(parameters) if i not in BATCH_NORMS]
    return [{"params": [parameters[i] for i in BATCH_NORMS]}, {"params": rest}]


@pytest.mark.parametrize("leave_out", [freeze, leave_unperturbed])
def test_where_no_normalisation_is_to_be_perturbed_all_others_are(leave_out):
    trial = TinyTrial("sam_on", dtype=torch.float64, groups=normalisation_first)
    leave_out(trial, frozen=True)
    e = perturbation(trial.network, trial.optimizer, trial.losses)
    assert torch.cat([part.flatten() for part in e]).norm().item() == pytest.approx(0.1, rel=1e-12)
    assert not any(e[i].any() for i in BATCH_NORMS)
    assert all(part.any() for part in e if part.ndim > 1)
    leave_out(trial, frozen=False)
    e = perturbation(trial.network, trial.optimizer, trial.losses)
    assert [bool(part.any()) for part in e] == [i in BATCH_NORMS for i in range(10)]


def test_the_first_pass_gives_normalisation_alone_a_gradient_and_the_second_all(monkeypatch):
    trial, having = TinyTrial("sam_on"), []
    second_pass = SAMON._second_pass

    def seen(self, closure):
        having.append([parameter.grad is not None for parameter in trial.network.parameters()])
        second_pass(self, closure)
        having.append([parameter.grad is not None for parameter in trial.network.parameters()])

    monkeypatch.setattr(SAMON, "_second_pass", seen)
    trial.step()
    assert having == [[i in BATCH_NORMS for i in range(10)], [True] * 10]


def test_the_observation_has_the_norms_of_the_last_normalisation():
    problem = SampleNetwork()
    tensors, optimizer = ranges(problem.parameters), SAMON(sgd(problem), rho=0.1, model=problem.network)
    last = [j for i in BATCH_NORMS[2:] for j in tensors[i]]
    for t in range(5):
        g = problem.gradient(problem.weights, t)
        problem.step(optimizer)
        assert optimizer.observation.l2_sgd.item() == pytest.approx(np.linalg.norm(g[last]), rel=1e-9)
        assert optimizer.observation.l2_psf > 0
        assert optimizer.observation.sampling_rate == 1.0
