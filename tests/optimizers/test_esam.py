"""ESAM against its equations, and what each of its two shortcuts leaves out."""

import copy
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from tests.reference import esam as reference
from tests.support.gradient_problems import assert_follows, train
from tests.support.sample_problems import SampleNetwork, SampleQuadratic, ranges
from tests.support.tiny_trial import TinyTrial
from vsam_tune.optimizers import ESAM, SAM
from vsam_tune.optimizers.esam import largest, num_selected

BASE = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
WITHOUT_EFFECT = ("0.bias", "3.bias")  # batch norm takes them off again: their gradient is 0 or rounding


def sgd(problem):
    return torch.optim.SGD(problem.parameters, **BASE)


def documented_draws(iterations, num_tensors, keep, seed=0):
    """Return what is active in each iteration: all at first, then one number a tensor from a generator of its own."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.rand(num_tensors, generator=generator) < keep for _ in range(iterations - 1)]
    return [[True] * num_tensors, *(active.tolist() for active in drawn)]


def script(monkeypatch, active):
    """Replace the draws: 0 for a tensor that is active from the second iteration on, and 1 for another."""
    monkeypatch.setattr(ESAM, "_draw", lambda _: [0.0 if is_active else 1.0 for is_active in active])


class Calls:
    """What each closure call of a trial found: weights, gradients, random state, samples that it was asked for."""

    def __init__(self, trial):
        self.trial, self.weights, self.having_gradient, self.random_states, self.samples = trial, [], [], [], []
        forward = trial.losses

        def losses(samples=None):
            self.weights.append([parameter.detach().clone() for parameter in trial.network.parameters()])
            self.having_gradient.append([parameter.grad is not None for parameter in trial.network.parameters()])
            self.random_states.append(torch.get_rng_state())
            self.samples.append(None if samples is None else samples.tolist())
            return forward(samples)

        trial.losses = losses

    def step(self):
        for kept in (self.weights, self.having_gradient, self.random_states, self.samples):
            kept.clear()
        return self.trial.step()

    def perturbation(self):
        return [after - before for before, after in zip(self.weights[0], self.weights[-1], strict=True)]


@pytest.mark.parametrize(("swp_keep", "sds_keep"), [(0.6, 0.5), (0.5, 1.0), (1.0, 0.5), (1.0, 1.0), (0.3, 0.9)])
@pytest.mark.parametrize("make", [SampleQuadratic, SampleNetwork])
def test_follows_the_reference(make, swp_keep, sds_keep):
    problem, tensors = make(), ranges(make().parameters)
    expected = reference.trajectory(
        problem.weights,
        problem.losses,
        problem.gradient,
        tensors,
        documented_draws(50, len(tensors), swp_keep, seed=3),
        50,
        rho=0.1,
        beta=swp_keep,
        gamma=sds_keep,
        **BASE,
    )
    assert_follows(problem, ESAM(sgd(problem), rho=0.1, swp_keep=swp_keep, sds_keep=sds_keep, seed=3), expected)


def test_worked_selection():
    """METHODS 10.2: ties by index, where taking those above the fourth largest keeps none."""
    increases = [0.3, 0.1, 0.3, 0.2, 0.3, 0.0, 0.3, 0.3]
    assert largest(torch.tensor(increases), num_selected(8, 0.5)).tolist() == [0, 2, 4, 6]
    assert reference.selected(increases, 0.5) == [0, 2, 4, 6]


@given(values=st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=200), data=st.data())
def test_the_largest_are_found_and_the_first_of_equal_ones(values, data):
    count = data.draw(st.integers(1, len(values)))
    expected = sorted(sorted(range(len(values)), key=lambda i: (-values[i], i))[:count])
    assert largest(torch.tensor(values), count).tolist() == expected


@example(percent=29, batch_size=100)  # 0.29 * 100 is 28.999999999999996
@given(percent=st.integers(1, 100), batch_size=st.integers(1, 4096))
def test_the_number_selected_is_the_exact_product_rounded_down(percent, batch_size):
    exact = math.floor(Fraction(percent, 100) * batch_size)
    assert num_selected(batch_size, percent / 100) == max(1, exact)


@pytest.mark.parametrize(("rho", "other"), [(0.1, "sam"), (0.0, "sgd")])
def test_without_its_shortcuts_it_is_sam_bit_for_bit(rho, other):
    trajectories = []
    for name, settings in (("esam", {"swp_keep": 1.0, "sds_keep": 1.0}), (other, {})):
        with torch.random.fork_rng():
            torch.random.manual_seed(0)
            trial = TinyTrial(name, dropout=0.5, rho=rho, **settings)
            trajectories.append((trial.train(20), trial.weights.tolist()))
        assert name == "sgd" or trial.optimizer.forward_passes == 0
    assert trajectories[0] == trajectories[1]


def test_with_no_tensor_active_and_no_selection_the_base_optimizer_is_left(monkeypatch):
    script(monkeypatch, [False] * 10)
    efficient, sam, plain = SampleNetwork(), SampleNetwork(), SampleNetwork()
    optimizer = ESAM(sgd(efficient), rho=0.1, swp_keep=1.0, sds_keep=1.0, norm_layers=0, model=efficient.network)
    base = sgd(plain)
    assert np.array_equal(train(efficient, optimizer, 1), train(sam, SAM(sgd(sam), rho=0.1, model=sam.network), 1))
    plain.network.load_state_dict(efficient.network.state_dict())
    base.load_state_dict(copy.deepcopy(optimizer.base.state_dict()))
    plain.iteration = 1
    assert np.array_equal(train(efficient, optimizer, 12), train(plain, base, 12))
    assert (optimizer.gradient_evaluations, optimizer.forward_passes) == (2 + 12, 12)
    assert optimizer.observation.l2_sgd == optimizer.observation.l2_psf == 0


@pytest.mark.parametrize("sds_keep", [0.5, 0.3])
def test_without_a_radius_the_first_samples_are_selected_with_dropout_too(sds_keep):
    calls = Calls(TinyTrial("esam", dropout=0.5, rho=0.0, sds_keep=sds_keep))
    for size in (8, 8, 8, 8, 3):
        calls.step()
        assert calls.samples == [None, None, list(range(max(1, math.floor(sds_keep * size))))]


def test_every_pass_starts_from_the_same_random_state():
    calls = Calls(TinyTrial("esam", dropout=0.5))
    for _ in range(6):
        calls.step()
        assert len(calls.random_states) == 3
        assert torch.equal(calls.random_states[1], calls.random_states[0])
        assert torch.equal(calls.random_states[2], calls.random_states[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_active_tensors_alone_are_perturbed_to_the_radius_over_the_part_that_is_kept(dtype):
    trial = TinyTrial("esam", dtype=dtype, rho=0.1, swp_keep=0.5)
    calls = Calls(trial)
    # the order of the optimizer's parameters, weights before the rest, is the order of the draws
    parameters = [parameter for group in trial.optimizer.param_groups for parameter in group["params"]]
    position = {id(parameter): i for i, parameter in enumerate(parameters)}
    for active in documented_draws(20, 10, 0.5):
        calls.step()
        e = calls.perturbation()
        for (name, parameter), part in zip(trial.network.named_parameters(), e, strict=True):
            is_active = active[position[id(parameter)]]
            assert bool(part.any()) == is_active or (is_active and name in WITHOUT_EFFECT)
        norm = torch.cat([part.flatten() for part in e]).norm().item()
        assert norm == pytest.approx(0.1 / 0.5, rel=1e-4 if dtype == torch.float32 else 1e-12)


def test_a_group_that_is_not_perturbed_is_in_no_norm_and_is_trained():
    trial = TinyTrial("esam", swp_keep=1.0, dtype=torch.float64)
    trial.optimizer.param_groups[1]["perturbed"] = False
    calls = Calls(trial)
    calls.step()
    assert calls.having_gradient[1] == [parameter.ndim > 1 for parameter in trial.network.parameters()]
    e = calls.perturbation()
    for (name, parameter), part, before in zip(trial.network.named_parameters(), e, calls.weights[0], strict=True):
        assert bool(part.any()) == (parameter.ndim > 1)
        assert not torch.equal(parameter, before) or name in WITHOUT_EFFECT
    assert torch.cat([part.flatten() for part in e]).norm().item() == pytest.approx(0.1, rel=1e-12)


def test_the_share_of_active_tensors_is_the_probability():
    problem, num_active = SampleQuadratic(), 0
    optimizer = ESAM(sgd(problem), swp_keep=0.3, sds_keep=1.0, norm_layers=0)
    optimizer.base.step = lambda: None
    for _ in range(2000):
        problem.step(optimizer)
        num_active += 3 - len(optimizer.state_dict()["inactive"])
    assert num_active / 6000 == pytest.approx(0.3, abs=3 * math.sqrt(0.3 * 0.7 / 6000))


def test_the_seed_decides_on_the_draws():
    found = []
    for seed in (0, 0, 1):
        problem = SampleNetwork()
        found.append(train(problem, ESAM(sgd(problem), seed=seed, model=problem.network), 8))
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


class ConvolutionBackwards(TorchDispatchMode):
    """Keep, for each backward pass through a convolution, whether its weight's gradient was computed."""

    def __init__(self):
        super().__init__()
        self.with_weight = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.convolution_backward.default:
            self.with_weight.append(args[-1][1])
        return func(*args, **(kwargs or {}))


def test_the_first_pass_computes_no_gradient_of_an_inactive_convolution(monkeypatch):
    script(monkeypatch, [True, False, True, *[True] * 7])  # of three weights, then the rest
    trial = TinyTrial("esam")
    for first_pass in ([True, True], [False, True]):
        with ConvolutionBackwards() as seen:
            trial.step()
        assert seen.with_weight == [*first_pass, True, True]  # from the last layer to the first


def test_passes_are_counted_by_the_part_of_the_batch():
    trial = TinyTrial("esam", sds_keep=0.5)
    for size in (8, 8, 8, 8, 3):
        before = trial.optimizer.gradient_evaluations
        trial.step()
        assert trial.optimizer.gradient_evaluations - before == pytest.approx(1 + (size // 2) / size, rel=1e-12)
    assert trial.optimizer.forward_passes == 5


def test_a_batch_of_one_sample_is_selected_without_a_forward_pass():
    weight, sizes = torch.nn.Parameter(torch.ones(2)), []
    optimizer = ESAM(torch.optim.SGD([weight], lr=0.1), sds_keep=0.5)

    def losses(samples):
        sizes.append(1 if samples is None else len(samples))
        return weight.square().sum().reshape(1)

    optimizer.step(losses)
    assert sizes == [1, 1]
    assert (optimizer.gradient_evaluations, optimizer.forward_passes) == (2, 0)


@pytest.mark.parametrize("failing_call", [1, 2, 3])
def test_after_a_failing_pass_the_step_can_be_repeated_with_the_same_tensors(failing_call):
    trial, undisturbed = TinyTrial("esam"), TinyTrial("esam")
    trial.train(3)
    undisturbed.train(3)
    calls = []

    def fail():
        calls.append(None)
        if len(calls) == failing_call:
            raise ZeroDivisionError

    start, trial.before_backward = trial.weights, fail
    statistics = trial.network[1].running_mean.clone()
    with pytest.raises(ZeroDivisionError):
        trial.step()
    assert torch.equal(trial.weights, start)
    assert trial.network[1].track_running_stats
    assert not torch.equal(trial.network[1].running_mean, statistics)  # of the first pass, which ran
    trial.before_backward = lambda: None
    trial.train(5)
    undisturbed.train(5)
    assert torch.equal(trial.weights, undisturbed.weights)


def test_the_observation_has_the_norms_over_the_active_tensors():
    problem = SampleQuadratic()
    tensors, optimizer = ranges(problem.parameters), ESAM(sgd(problem), rho=0.1, norm_layers=0, seed=1)
    for t, active in enumerate(documented_draws(12, 3, 0.6, seed=1)):
        w = problem.weights
        problem.step(optimizer)
        positions = [j for tensor, is_active in zip(tensors, active, strict=True) if is_active for j in tensor]
        g = problem.gradient(w, t)
        e = np.zeros(7)
        e[positions] = 0.1 / 0.6 * g[positions] / np.linalg.norm(g[positions])
        increases = np.subtract(problem.losses(w + e, t), problem.losses(w, t))
        g_sam = problem.gradient(w + e, t, reference.selected(increases.tolist(), 0.5))
        assert optimizer.observation.sampled
        assert optimizer.observation.l2_sgd.item() == pytest.approx(np.linalg.norm(g[positions]), rel=1e-9)
        assert optimizer.observation.l2_psf.item() == pytest.approx(np.linalg.norm((g_sam - g)[positions]), rel=1e-9)
