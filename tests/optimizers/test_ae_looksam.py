"""AE-LookSAM: its equations, and what METHODS 3.9 says must hold."""

import math

import pytest
import torch

from tests.reference import ae_looksam as reference
from tests.reference.ae_sam import Rule
from tests.reference.looksam import direction
from tests.support.gradient_problems import Quadratic, TinyNetwork, assert_follows
from tests.support.tiny_trial import TinyTrial, same_trajectory
from vsam_tune.optimizers import AELookSAM

BASE = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}


def sgd(problem, **changed):
    return torch.optim.SGD(problem.parameters, **BASE | changed)


@pytest.mark.parametrize(("alpha", "decay", "start", "end"), [(0.7, 0.9, 2.0, 0.0), (0.3, 0.8, 1.0, -1.0)])
@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_follows_the_reference(make, alpha, decay, start, end):
    problem = make()
    rule = Rule(delta=decay, lambda1=end, lambda2=start, T=50)
    expected, sampled = reference.trajectory(problem.weights, problem.gradient, 50, 0.1, alpha, rule, **BASE)
    optimizer = AELookSAM(
        sgd(problem),
        rho=0.1,
        alpha=alpha,
        decay=decay,
        threshold_start=start,
        threshold_end=end,
        num_iterations=50,
        model=getattr(problem, "network", None),
    )
    assert_follows(problem, optimizer, expected)
    assert optimizer.gradient_evaluations == 50 + sum(sampled)
    assert 5 <= sum(sampled) <= 45  # or the comparison says little about the rule


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_alpha_zero_is_ae_sam_bit_for_bit(dtype):
    settings = {"dtype": dtype, "dropout": 0.5, "threshold_start": 1.0, "threshold_end": -1.0}
    ours = TinyTrial("ae_looksam", alpha=0.0, **settings)
    assert same_trajectory(ours, TinyTrial("ae_sam", **settings))
    assert 20 < ours.optimizer.gradient_evaluations < 40


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_always_is_sam_and_never_the_base_optimizer_bit_for_bit(dtype):
    for value, name in ((-math.inf, "sam"), (math.inf, "sgd")):
        ours = TinyTrial("ae_looksam", dtype=dtype, dropout=0.5, threshold_start=value, threshold_end=value)
        assert same_trajectory(ours, TinyTrial(name, dtype=dtype, dropout=0.5))


def test_a_sam_iteration_renews_the_direction_and_the_others_keep_it():
    problem, held = Quadratic.random(), None
    optimizer, kinds = AELookSAM(sgd(problem), rho=0.3, num_iterations=40), []
    for _ in range(40):
        problem.step(optimizer)
        kinds.append(optimizer.observation.sampled)
        u = torch.cat(list(optimizer.state_dict()["direction"].values()))
        if kinds[-1]:
            assert u.numpy() == pytest.approx(direction(*problem.gradients), rel=1e-11)
            assert held is None or not torch.equal(u, held)
        else:
            assert torch.equal(u, held)
        held = u
    assert kinds[0]
    assert 5 <= sum(kinds) <= 35


def test_observations_show_what_was_compared():
    problem = Quadratic.random()
    optimizer = AELookSAM(sgd(problem), rho=0.1, num_iterations=30)
    for t in range(30):
        x = float((problem.gradient(problem.weights, t) ** 2).sum())
        problem.step(optimizer)
        seen = optimizer.observation
        assert seen.squared_norm == pytest.approx(x, rel=1e-12)
        assert seen.sampled == (seen.squared_norm >= seen.threshold)
        assert (seen.l2_psf is None) == (not seen.sampled)
        assert math.isnan(seen.sampling_rate)
