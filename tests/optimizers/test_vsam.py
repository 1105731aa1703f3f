"""vSAM: what docs/vsam.md says must hold, and the whole method against its equations."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.reference import vsam as reference
from tests.support.gradient_problems import Quadratic, TinyNetwork, assert_follows, train
from tests.support.tiny_trial import TinyTrial, same_trajectory
from vsam_tune.optimizers import SAM, VSAM, PeriodicSAM
from vsam_tune.registry.never_adapted import rate_never_adapted

BASE = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}
QUICK = {"num_slices": 2, "interval": 5, "warmup_iterations": 12, "max_rate": 0.8}


def sgd(problem):
    return torch.optim.SGD(problem.parameters, **BASE)


def generator_draws(seed):
    """Return t -> u as documented: the next number of a generator with this seed."""
    generator = torch.Generator().manual_seed(seed)
    return lambda _: torch.rand((), generator=generator, dtype=torch.float64).item()


def reference_controller(*, beta=0.13, change="relative", quick=QUICK):
    return reference.Controller(
        beta=beta,
        s=quick["num_slices"],
        t0=quick["warmup_iterations"],
        K=quick["interval"],
        p_max=quick["max_rate"],
        change=change,
    )


@pytest.mark.parametrize("reuse", ["geometric", "none"])
@pytest.mark.parametrize("change", ["relative", "log"])
@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_follows_the_reference(make, change, reuse):
    problem, controller = make(), reference_controller(beta=2.0, change=change)
    expected, sampled, n = reference.trajectory(
        problem.weights,
        problem.gradient,
        generator_draws(3),
        50,
        getattr(problem, "last", range(len(problem.weights))),
        rho=0.1,
        kappa=0.7,
        controller=controller,
        max_age=2,
        reuse=reuse == "geometric",
        **BASE,
    )
    optimizer = VSAM(
        sgd(problem),
        rho=0.1,
        beta=2.0,
        kappa=0.7,
        max_age=2,
        norm_tensors=2,
        reuse=reuse,
        change=change,
        seed=3,
        model=getattr(problem, "network", None),
        **QUICK,
    )
    assert_follows(problem, optimizer, expected)
    assert optimizer.gradient_evaluations == 50 + sum(sampled)
    assert optimizer.expected == pytest.approx(n[-1], rel=1e-9)
    assert optimizer.adaptation_start == controller.adaptation_start == 16
    assert max(n) > 1.5 or change == "log"  # or the comparison says nothing about eq. 8 to 15
    assert optimizer.guarded == controller.guarded


def test_observations_are_the_references_trajectory():
    problem, controller = Quadratic.random(), reference_controller(beta=1.0)
    _, sampled, n = reference.trajectory(
        problem.weights,
        problem.gradient,
        generator_draws(0),
        50,
        range(7),
        rho=0.05,
        kappa=0.7,
        controller=controller,
        **BASE,
    )
    optimizer, seen = VSAM(sgd(problem), beta=1.0, **QUICK), []
    for _ in range(50):
        problem.step(optimizer)
        seen.append(optimizer.observation)
    assert [row.sampled for row in seen] == sampled
    assert [row.expected for row in seen] == pytest.approx(n, rel=1e-9)
    assert [row.l2_psf.item() for row in seen if row.sampled] == pytest.approx(controller.h, rel=1e-8)
    ratios = [row.l2_psf.item() / row.l2_sgd.item() for row in seen if row.sampled]
    assert ratios == pytest.approx(controller.r, rel=1e-8)
    assert [row.sampling_rate for row in seen[:12]] == [1.0] * 12
    assert [row.sampling_rate for row in seen[12:]] == pytest.approx([each / 5 for each in n[12:]], rel=1e-9)
    assert np.isnan([seen[0].sigma, seen[0].v, seen[0].u]).all()
    known = seen[optimizer.adaptation_start]
    assert np.isfinite([known.sigma, known.v, known.u]).all()
    ages = [row.age for row in seen]
    assert all((age == 0) == row.sampled for age, row in zip(ages, seen, strict=True))
    assert all(b == a + 1 for a, b, row in zip(ages, ages[1:], seen[1:], strict=False) if not row.sampled)


@pytest.mark.parametrize("num_iterations", [60, 160, 720])
def test_a_warm_up_and_an_interval_that_fit_a_run_let_the_rate_adapt_in_it(num_iterations):
    weight = nn.Parameter(torch.ones(3))
    optimizer = VSAM.for_run(torch.optim.SGD([weight], lr=0.01), num_iterations)
    generator = torch.Generator().manual_seed(0)

    def closure():
        optimizer.zero_grad()
        loss = (weight.square() * torch.rand(3, generator=generator)).sum()
        loss.backward()
        return loss

    for _ in range(num_iterations):
        optimizer.step(closure)
    assert optimizer.adaptation_start < num_iterations
    assert optimizer.warnings() == []


def test_settings_that_do_not_fit_a_run_are_refused_with_values_that_do():
    base = torch.optim.SGD([nn.Parameter(torch.ones(3))], lr=0.01)
    with pytest.raises(ValueError, match="first adapts there") as caught:
        VSAM.for_run(base, 160, warmup_iterations=1173)
    assert str(caught.value) == (
        "the value of num_iterations is 160, but must be more than 1182: the sampling rate first adapts there."
        " Fix: warmup_iterations=11, interval=10"
    )
    VSAM.for_run(base, 160, warmup_iterations=11, interval=10)
    with pytest.raises(ValueError, match="Fix: a longer run"):
        VSAM.for_run(base, 20)


@pytest.mark.parametrize("reuse", ["geometric", "none"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_warm_up_past_the_end_is_sam_bit_for_bit(dtype, reuse):
    ours = TinyTrial("vsam", dtype=dtype, warmup_iterations=1000, reuse=reuse, dropout=0.5)
    assert same_trajectory(ours, TinyTrial("sam", dtype=dtype, dropout=0.5))


def test_without_a_warm_up_the_first_interval_has_one_sample_and_is_plain_before_it():
    ours, theirs = TinyTrial("vsam", warmup_iterations=0, interval=20, uniform=lambda _: 0.0), TinyTrial("sgd")
    assert same_trajectory(ours, theirs, iterations=19)  # the one sample is the last iteration of the interval
    assert ours.optimizer.gradient_evaluations == 19
    ours.step()
    assert ours.optimizer.gradient_evaluations == 21


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_reuse_and_with_one_sample_an_interval_it_is_sam_k_bit_for_bit(dtype):
    settings = {"warmup_iterations": 1, "interval": 5, "beta": 0.0, "uniform": lambda _: 0.99}
    ours = TinyTrial("vsam", dtype=dtype, reuse="none", **settings)
    assert same_trajectory(ours, TinyTrial("periodic_sam", dtype=dtype, period=5))
    assert ours.optimizer.gradient_evaluations == 20 + 20 // 5


@pytest.mark.parametrize("settings", [{"kappa": 0.0}, {"max_age": 0}, {"reuse": "none"}])
def test_steps_between_samples_are_plain_without_kappa_without_an_age_and_without_reuse(settings):
    plain = TinyTrial("vsam", reuse="none", warmup_iterations=3)
    assert same_trajectory(TinyTrial("vsam", warmup_iterations=3, **settings), plain)


def test_draws_are_its_own():
    problem = Quadratic.random()
    state = torch.get_rng_state()
    train(problem, VSAM(sgd(problem), **QUICK), 30)
    assert torch.equal(torch.get_rng_state(), state)

    def sampled(seed):
        problem = Quadratic.random()
        optimizer = VSAM(sgd(problem), seed=seed, **QUICK)
        return [problem.step(optimizer) and optimizer.observation.sampled for _ in range(60)]

    assert sampled(0) == sampled(0)
    assert sampled(0) != sampled(1)


def test_the_host_reads_norms_once_an_interval(monkeypatch):
    reads, read = [], VSAM._read_norms
    monkeypatch.setattr(VSAM, "_read_norms", lambda self: reads.append(self.iterations) or read(self))
    problem = Quadratic.random()
    train(problem, VSAM(sgd(problem), **QUICK), 31)
    assert reads == [4, 9, 16, 21, 26]  # K samples of the warm-up, twice; then where an interval begins


class TwoBranches:
    """L = |a|^2 / 2 + |b|^2 / 2 where a branch is used; `uses` says for each closure call which are."""

    def __init__(self, samples=1, **settings):
        starts = torch.tensor([[1.0, 1.0], [2.0, 2.0]], dtype=torch.float64)
        self.a, self.b = map(torch.nn.Parameter, starts.clone().unbind())
        self.optimizer = VSAM(torch.optim.SGD([self.a, self.b], lr=1.0), rho=0.5, warmup_iterations=samples, **settings)

    def step(self, *uses):
        calls = iter(uses)

        def closure():
            self.optimizer.zero_grad()
            loss = sum((getattr(self, name).square().sum() / 2 for name in next(calls)), torch.zeros(()))
            if loss.requires_grad:
                loss.backward()
            return loss

        before = self.a.detach().clone(), self.b.detach().clone()
        self.optimizer.step(closure)
        # lr is 1 without momentum: how far it moved is what it descended along
        return before[0] - self.a.detach(), before[1] - self.b.detach(), before


@pytest.mark.parametrize("max_age", [0, 2, 6])
def test_reuse_adds_the_psf_damped_by_its_age_until_it_is_too_old(max_age):
    branches = TwoBranches(kappa=0.5, max_age=max_age)
    moved, _, (a, b) = branches.step("ab", "ab")
    psf = 0.5 * a / torch.cat([a, b]).norm()
    assert torch.allclose(moved, a + psf, rtol=1e-12)
    for age in range(1, 9):
        moved, _, (a, _) = branches.step("ab")
        expected = a + 0.5**age * psf if age <= max_age else a
        assert torch.allclose(moved, expected, rtol=1e-12, atol=0)


def test_a_parameter_without_gradient_in_a_reuse_iteration_ages_its_psf_untouched():
    branches = TwoBranches(kappa=0.5)
    _, _, (a, b) = branches.step("ab", "ab")
    psf = 0.5 * b / torch.cat([a, b]).norm()
    _, moved, _ = branches.step("a")
    assert not moved.any()
    _, moved, (_, b) = branches.step("ab")
    assert torch.allclose(moved, b + 0.5**2 * psf, rtol=1e-12)


@pytest.mark.parametrize("uses", [("a", "a"), ("ab", "a"), ("a", "ab")])
def test_a_parameter_without_gradient_in_a_sample_has_no_psf_until_the_next(uses):
    branches = TwoBranches(samples=2)
    branches.step("ab", "ab")
    branches.step(*uses)
    _, moved, (_, b) = branches.step("ab")
    assert torch.equal(moved, b)


def test_a_sample_that_fails_leaves_no_psf():
    branches = TwoBranches(samples=1)
    branches.step("ab", "ab")
    branches.optimizer._controller.warmup_iterations = 2
    with pytest.raises(StopIteration):
        branches.step("ab")  # the script of this step has no second call
    branches.optimizer._controller.warmup_iterations = 1
    moved, _, (a, _) = branches.step("ab")
    assert torch.equal(moved, a)


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_a_trial_cut_between_two_samples_goes_on_with_the_same_psf_at_the_same_age(cut):
    straight, first, resumed = (TinyTrial("vsam", interval=20, warmup_iterations=1) for _ in range(3))
    straight.train(8)
    first.train(cut)
    resumed.load_state_dict(first.state_dict())
    resumed.train(8 - cut)
    assert torch.equal(resumed.weights, straight.weights)


@pytest.mark.parametrize("reuse", ["geometric", "none"])
def test_what_it_keeps_is_one_copy_of_the_gradients_in_the_same_buffers(reuse):
    trial = TinyTrial("vsam", reuse=reuse, norm_tensors=2)
    trial.step()
    kept = [tensor.data_ptr() for tensor in trial.optimizer.state_dict()["psf"].values()]
    assert len(kept) == (2 if reuse == "none" else 10)  # without reuse, what the norms need
    trial.train(3)
    assert [tensor.data_ptr() for tensor in trial.optimizer.state_dict()["psf"].values()] == kept


@pytest.mark.parametrize("norm_tensors", [1, 3, 10, 50, 0])
def test_norms_are_over_the_last_tensors_that_have_a_gradient(norm_tensors):
    problem = TinyNetwork()
    problem.parameters[-1].requires_grad_(requires_grad=False)
    optimizer = VSAM(sgd(problem), norm_tensors=norm_tensors, model=problem.network)
    gradients = []
    optimizer.base.step = lambda: None
    optimizer._take_psf = lambda _: (
        gradients.extend(p.grad.clone() for p in problem.parameters if p.grad is not None) or torch.zeros(())
    )
    problem.step(optimizer)
    expected = math.sqrt(sum(g.square().sum().item() for g in gradients[-norm_tensors:]))
    assert optimizer.observation.l2_sgd.item() == pytest.approx(expected, rel=1e-12)


def test_wrong_settings_name_argument_value_and_rule():
    problem = Quadratic.random()
    with pytest.raises(ValueError, match=r"interval is 9, but must be at least 2 \* num_slices = 10"):
        VSAM(sgd(problem), interval=9)
    with pytest.raises(ValueError, match=r"max_rate is 0, but must be greater than 0"):
        VSAM(sgd(problem), max_rate=0)
    with pytest.raises(ValueError, match=r"max_age is -1, but must be an integer >= 0"):
        VSAM(sgd(problem), max_age=-1)
    with pytest.raises(ValueError, match=r"reuse is 'always', but must be one of geometric, none"):
        VSAM(sgd(problem), reuse="always")


def test_sam_and_sam_k_agree_with_it_on_what_a_sample_shows():
    observations = []
    for make in (SAM, PeriodicSAM, VSAM):
        problem = TinyNetwork()
        observed = {"norm_tensors": 4} if make is VSAM else {"norm_layers": 2}
        optimizer = make(sgd(problem), rho=0.1, model=problem.network, **observed)
        problem.step(optimizer)
        observations.append((optimizer.observation.l2_psf.item(), optimizer.observation.l2_sgd.item()))
    assert observations[0] == observations[1] == observations[2]


def test_a_rate_has_adapted_once_an_adapted_n_decided_on_an_iteration():
    problem = Quadratic.random()
    train(problem, optimizer := VSAM(sgd(problem), **QUICK), 16)  # 12 of warm-up, then the rest of the first interval
    assert optimizer.metrics() == {"guarded": optimizer.guarded}
    assert optimizer.warnings() == [
        "the sampling rate never adapted in 16 iterations. Fix: fewer warmup_iterations, or a smaller interval"
    ]
    train(problem, optimizer, 1)
    assert optimizer.metrics() == {"guarded": optimizer.guarded, "adaptation_start": 16}
    assert optimizer.warnings() == []


def test_the_metrics_and_warnings_of_a_run_that_was_cut_are_those_of_the_whole():
    problem = Quadratic.random()
    optimizer, resumed = (VSAM(sgd(problem), **QUICK) for _ in range(2))
    train(problem, optimizer, 9)
    resumed.load_state_dict(optimizer.state_dict())
    assert resumed.metrics() == optimizer.metrics()
    assert resumed.warnings() == optimizer.warnings() != []


@pytest.mark.parametrize(
    ("metrics", "never"),
    [({}, False), ({"guarded": 0}, True), ({"guarded": 2, "adaptation_start": 12}, False), ({"ais": 1.0}, False)],
)
def test_metrics_show_whether_a_rate_never_adapted(metrics, never):
    assert rate_never_adapted(metrics) == never
