"""LookSAM's direction u: what it is, what it is not made of, how it is added."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.reference import looksam as reference
from tests.support.gradient_problems import Quadratic
from tests.support.tiny_trial import TinyTrial, same_trajectory
from vsam_tune.optimizers import LookSAM
from vsam_tune.optimizers.orthogonal_direction import projection


def direction(optimizer):
    """Return u over all parameters that have one, as one vector."""
    return torch.cat([u.flatten() for u in optimizer.state_dict()["direction"].values()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_rho_zero_leaves_no_direction_and_is_the_base_optimizer_bit_for_bit(dtype):
    ours = TinyTrial("looksam", dtype=dtype, rho=0.0, dropout=0.5)
    assert same_trajectory(ours, TinyTrial("sgd", dtype=dtype, dropout=0.5))
    assert not direction(ours.optimizer).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("curvature", [1.0, 7.3])
def test_without_a_part_across_the_gradient_there_is_no_direction(dtype, curvature):
    """On L = c/2 |w|^2 the second gradient is along the first; what is left of it is rounding."""
    paths = []
    for make in (lambda base: LookSAM(base, rho=0.1, period=4), lambda base: LookSAM(base, rho=0.1, period=4, alpha=0)):
        draws = torch.Generator().manual_seed(0)
        weights = [torch.nn.Parameter(torch.randn(size, generator=draws, dtype=dtype)) for size in (500, 3)]
        optimizer = make(torch.optim.SGD(weights, lr=0.01))
        path = []
        for _ in range(8):
            optimizer.step(closure_over(optimizer, weights, lambda w: curvature / 2 * w.square().sum()))
            assert not direction(optimizer).any()
            path.append(torch.cat(weights).detach().clone())
        paths.append(torch.stack(path))
    assert torch.equal(*paths)


def closure_over(optimizer, parameters, loss_of):
    def closure():
        optimizer.zero_grad()
        loss = loss_of(torch.cat(parameters))
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
def test_the_direction_is_a_unit_vector_across_the_plain_gradient(dtype, tolerance):
    trial, calls = TinyTrial("looksam", dtype=dtype, period=2), []
    evaluate, groups = trial.closure, trial.optimizer.param_groups

    def closure():
        loss = evaluate()
        calls.append(torch.cat([parameter.grad.flatten() for group in groups for parameter in group["params"]]))
        return loss

    trial.closure = closure
    for _ in range(3):
        calls.clear()
        trial.step()
        u = direction(trial.optimizer)
        assert u.norm().item() == pytest.approx(1.0, rel=tolerance)
        assert abs((u @ calls[0]).item()) <= tolerance * calls[0].norm().item()
        assert (u @ calls[1]).item() > 0.0
        trial.step()


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=1, max_size=6))
def test_the_projection_is_an_inner_product_over_a_square(pairs):
    g1, g2 = torch.tensor(pairs, dtype=torch.float64).unbind(1)
    assume(g1.norm() > 1e-3)
    found = projection(g1.norm(), g2.norm(), (g2 - g1).norm())
    expected = math.fsum(a * b for a, b in pairs) / math.fsum(a * a for a, _ in pairs)
    scale = 1 + (g2.norm() / g1.norm()).item() ** 2
    assert found.item() == pytest.approx(expected, abs=1e-14 * scale, rel=1e-12)
    assert projection(g1.norm(), g1.norm(), (g1 - g1).norm()).item() == 1.0


class TwoBranches:
    """L = (a1^2 + 3 a2^2) / 2 + 2 |b|^2 where a branch is used; `uses` says for each closure call which are."""

    curvatures = torch.tensor([[1.0, 3.0], [4.0, 4.0]], dtype=torch.float64)

    def __init__(self, *, separate=False, **settings):
        starts = torch.tensor([[1.0, 2.0], [2.0, 3.0]], dtype=torch.float64)
        self.a, self.b = map(torch.nn.Parameter, starts.clone().unbind())
        groups = [{"params": [self.a]}, {"params": [self.b], "perturbed": not separate}]
        self.optimizer = LookSAM(torch.optim.SGD(groups, lr=0.5), rho=0.5, **settings)

    def step(self, *uses):
        """Return the descent directions of a and b, and their gradients in the first pass."""
        calls, curvatures = iter(uses), dict(zip("ab", self.curvatures, strict=True))

        def closure():
            self.optimizer.zero_grad()
            terms = (curvatures[name] @ getattr(self, name).square() / 2 for name in next(calls))
            loss = sum(terms, torch.zeros(()))
            if loss.requires_grad:
                loss.backward()
            return loss

        before = self.a.detach().clone(), self.b.detach().clone()
        self.optimizer.step(closure)
        moved = [(old - new.detach()) / 0.5 for old, new in zip(before, (self.a, self.b), strict=True)]
        return moved, [curvature * old for curvature, old in zip(self.curvatures, before, strict=True)]


def test_reuse_adds_a_vector_as_long_as_alpha_gradients_at_any_age():
    branches = TwoBranches(period=100, alpha=0.4)
    branches.step("ab", "ab")
    u = direction(branches.optimizer)
    for _ in range(3):
        moved, g = branches.step("ab")
        added = torch.cat(moved) - torch.cat(g)
        assert torch.allclose(added, 0.4 * torch.cat(g).norm() * u, rtol=1e-12)


@pytest.mark.parametrize("uses", [("a", "a"), ("ab", "a"), ("a", "ab")])
def test_a_parameter_without_gradient_in_a_pass_has_no_part_in_the_direction(uses):
    branches = TwoBranches(period=2)
    branches.step("ab", "ab")
    branches.step("ab")
    branches.step(*uses)
    assert list(branches.optimizer.state_dict()["direction"]) == [0]
    moved, g = branches.step("ab")
    assert torch.equal(moved[1], g[1])


def test_the_direction_is_across_what_both_passes_have():
    """A branch that the second pass leaves out perturbs, but is in no norm."""
    branches = TwoBranches(period=100)
    (moved, _), (g1, _) = branches.step("ab", "a")
    assert direction(branches.optimizer).numpy() == pytest.approx(reference.direction(g1.numpy(), moved.numpy()))


def test_a_parameter_without_gradient_in_a_reuse_iteration_keeps_its_part():
    branches = TwoBranches(period=100)
    branches.step("ab", "ab")
    before = direction(branches.optimizer).clone()
    moved, g = branches.step("a")
    assert not moved[1].any()
    assert torch.allclose(moved[0], g[0] + 0.7 * g[0].norm() * before[:2], rtol=1e-12)
    assert torch.equal(direction(branches.optimizer), before)


def test_a_group_that_is_not_perturbed_takes_the_plain_gradient_and_is_in_no_norm():
    branches, alone = TwoBranches(period=2, separate=True), TwoBranches(period=2)
    branches.step("ab", "ab")
    alone.step("a", "a")
    assert list(branches.optimizer.state_dict()["direction"]) == [0]
    (moved_a, moved_b), (_, g_b) = branches.step("ab")
    (expected, _), _ = alone.step("a")
    assert torch.equal(moved_a, expected)
    assert torch.allclose(moved_b, g_b, rtol=1e-14)


def test_a_second_pass_that_fails_leaves_no_direction():
    branches = TwoBranches(period=2)
    branches.step("ab", "ab")
    branches.step("ab")
    with pytest.raises(StopIteration):
        branches.step("ab")  # the script of this step has no second call
    assert branches.optimizer.state_dict()["direction"] == {}


@pytest.mark.parametrize("value", [math.inf, math.nan])
@pytest.mark.parametrize("failing_pass", [0, 1])
def test_a_gradient_that_is_not_finite_leaves_a_direction_of_zeros(value, failing_pass):
    weights = [torch.nn.Parameter(torch.tensor([1.0, 2.0])), torch.nn.Parameter(torch.tensor([3.0]))]
    optimizer = LookSAM(torch.optim.SGD(weights, lr=0.0), period=2)
    passes = []

    def loss_of(w):
        passes.append(None)
        factor = value if len(passes) - 1 == failing_pass else 1.0
        return w[:2].square().sum() + factor * w[2]

    optimizer.step(closure_over(optimizer, weights, loss_of))
    assert torch.equal(direction(optimizer), torch.zeros(3))


def test_a_reuse_iteration_whose_gradient_is_not_finite_spoils_no_other_element():
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    optimizer = LookSAM(torch.optim.SGD([weight], lr=0.1), rho=0.5, period=2)
    optimizer.step(closure_over(optimizer, [weight], lambda w: (w * torch.tensor([1.0, 2.0, 3.0])).square().sum()))
    assert direction(optimizer).all()
    before = weight.detach().clone()
    optimizer.step(closure_over(optimizer, [weight], lambda w: w[:2].sum() + math.inf * w[2]))
    assert torch.allclose(before[:2] - weight.detach()[:2], torch.tensor([0.1, 0.1]))
    assert weight[2].isinf()


def test_what_it_keeps_is_one_copy_of_the_gradients_in_the_same_buffers():
    trial = TinyTrial("looksam", period=2)
    trial.step()
    kept = [u.data_ptr() for u in trial.optimizer.state_dict()["direction"].values()]
    assert len(kept) == len(list(trial.network.parameters()))
    trial.train(4)
    assert [u.data_ptr() for u in trial.optimizer.state_dict()["direction"].values()] == kept


class Averaging:
    """Stands for workers whose averages are `factor` times this one's gradient, in its first tensor."""

    def __init__(self, factor):
        self.factor = factor

    def average(self, gradients):
        own = [gradient.clone() for gradient in gradients]
        gradients[0].mul_(self.factor)
        return own


def test_with_workers_the_direction_is_across_the_averaged_gradient():
    problem = Quadratic.random()
    optimizer = LookSAM(torch.optim.SGD(problem.parameters, lr=0.0), rho=0.3, period=100)
    optimizer._workers = Averaging(3.0)
    problem.step(optimizer)
    g1, g2 = (g * np.array([3.0, *[1.0] * 6]) for g in problem.gradients)
    assert direction(optimizer).numpy() == pytest.approx(reference.direction(g1, g2), rel=1e-12)
