"""vSAM: what VSAM.md says must hold, and the whole method against its equations."""

import numpy as np
import pytest
import torch

from tests.reference import vsam as reference
from tests.support.gradient_problems import Quadratic, TinyNetwork, assert_follows, train
from tests.support.tiny_trial import TinyTrial, same_trajectory
from vsam_tune.optimizers import SAM, VSAM, PeriodicSAM
from vsam_tune.registry.never_adapted import rate_never_adapted

BASE = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}
QUICK = {
    "num_slices": 2,
    "window": 4,
    "interval": 6,
    "warmup_iterations": 12,
    "initial_rate": 0.4,
    "max_rate": 0.8,
}


def sgd(problem):
    return torch.optim.SGD(problem.parameters, **BASE)


def script(monkeypatch, draws_of):
    """Replace the draws of every interval by `draws_of(interval)`."""
    monkeypatch.setattr(VSAM, "_draw", lambda self: list(draws_of(self._controller.interval)))


def drawn(iterations, interval, seed):
    """Return the documented draws: an interval at once, from a generator with this seed."""
    generator = torch.Generator().manual_seed(seed)
    intervals = [torch.rand(interval, generator=generator) for _ in range(-(-iterations // interval))]
    return torch.cat(intervals)[:iterations].tolist()


def reference_controller(*, beta=0.13, change="relative", quick=QUICK):
    return reference.Controller(
        beta=beta,
        s=quick["num_slices"],
        t0=quick["warmup_iterations"],
        m=quick["window"],
        K=quick["interval"],
        p0=quick["initial_rate"],
        p_max=quick["max_rate"],
        change=change,
    )


@pytest.mark.parametrize("reuse", ["geometric", "constant", "none"])
@pytest.mark.parametrize("change", ["relative", "log"])
@pytest.mark.parametrize("make", [Quadratic.random, TinyNetwork])
def test_follows_the_reference(make, change, reuse):
    problem, controller = make(), reference_controller(change=change)
    last = getattr(problem, "last", range(len(problem.weights)))
    expected, sampled = reference.trajectory(
        problem.weights,
        problem.gradient,
        drawn(50, QUICK["interval"], seed=3),
        last,
        rho=0.1,
        kappa=0.7,
        controller=controller,
        reuse=reuse,
        **BASE,
    )
    optimizer = VSAM(
        sgd(problem),
        rho=0.1,
        kappa=0.7,
        reuse=reuse,
        change=change,
        seed=3,
        model=getattr(problem, "network", None),
        **QUICK,
    )
    assert_follows(problem, optimizer, expected)
    assert optimizer.gradient_evaluations == 50 + sum(sampled)
    assert optimizer.sampling_rate == pytest.approx(controller.p(), rel=1e-9)
    assert optimizer.adaptation_start == controller.adaptation_start
    assert 12 <= optimizer.adaptation_start < 50  # or the comparison says nothing about eq. 8 to 15
    assert optimizer.sampling_rate != QUICK["initial_rate"]
    assert optimizer.guarded == controller.guarded


def test_observations_are_the_references_trajectory():
    problem, controller = Quadratic.random(), reference_controller()
    draws = drawn(50, QUICK["interval"], seed=0)
    _, sampled = reference.trajectory(
        problem.weights, problem.gradient, draws, range(7), rho=0.05, kappa=0.8, controller=controller, **BASE
    )
    optimizer, seen = VSAM(sgd(problem), **QUICK), []
    for _ in range(50):
        problem.step(optimizer)
        seen.append(optimizer.observation)
    assert [row.sampled for row in seen] == sampled
    h = [row.l2_psf.item() for row in seen if row.sampled]
    r = [row.l2_psf.item() / row.l2_sgd.item() for row in seen if row.sampled]
    assert h == pytest.approx(controller.h, rel=1e-8)
    assert r == pytest.approx(controller.r, rel=1e-8)
    assert seen[0].sampling_rate == QUICK["initial_rate"]
    assert np.isnan([seen[0].sigma, seen[0].v, seen[0].u]).all()
    known = seen[optimizer.adaptation_start]
    assert np.isfinite([known.sigma, known.v, known.u]).all()
    assert known.sampling_rate != QUICK["initial_rate"]
    assert all(row.sampling_rate == QUICK["initial_rate"] for row in seen[: optimizer.adaptation_start])


@pytest.mark.parametrize("reuse", ["geometric", "constant", "none"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_always_sampling_is_sam_bit_for_bit(dtype, reuse):
    ours = TinyTrial(
        "vsam", dtype=dtype, initial_rate=1.0, max_rate=1.0, warmup_iterations=1000, reuse=reuse, dropout=0.5
    )
    theirs = TinyTrial("sam", dtype=dtype, dropout=0.5)
    assert same_trajectory(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_never_sampling_is_the_base_optimizer_bit_for_bit(dtype):
    ours = TinyTrial("vsam", dtype=dtype, initial_rate=0.0, dropout=0.5)
    assert same_trajectory(ours, TinyTrial("sgd", dtype=dtype, dropout=0.5))
    assert ours.optimizer.gradient_evaluations == 20
    assert ours.optimizer.adaptation_start is None


def test_a_rate_of_zero_does_not_sample_even_at_the_smallest_draw(monkeypatch):
    script(monkeypatch, lambda interval: [0.0] * interval)
    problem = Quadratic.random()
    train(problem, optimizer := VSAM(sgd(problem), **QUICK | {"initial_rate": 0.0}), 12)
    assert optimizer.gradient_evaluations == 12


def test_before_the_first_sample_it_is_the_base_optimizer_bit_for_bit(monkeypatch):
    script(monkeypatch, lambda interval: [1.0] * 15 + [0.0] * (interval - 15))
    ours, theirs = TinyTrial("vsam", interval=30), TinyTrial("sgd")
    assert same_trajectory(ours, theirs, iterations=15)
    assert not same_trajectory(ours, theirs, iterations=1)


@pytest.mark.parametrize("period", [2, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_reuse_and_scripted_it_is_sam_k_bit_for_bit(monkeypatch, dtype, period):
    script(monkeypatch, lambda interval: [float(t % period != 0) for t in range(interval)])
    settings = {"interval": 20, "warmup_iterations": 1000, "initial_rate": 0.5}
    ours = TinyTrial("vsam", dtype=dtype, reuse="none", **settings)
    assert same_trajectory(ours, TinyTrial("periodic_sam", dtype=dtype, period=period))
    assert ours.optimizer.gradient_evaluations == 20 + 20 // period


@pytest.mark.parametrize(
    ("max_rate", "interval", "most"), [(0.29, 100, 29), (0.5, 7, 3), (1.0, 6, 6), (0.5, 1, 1), (0.05, 10, 1)]
)
def test_an_interval_never_holds_more_samples_than_the_limit(monkeypatch, max_rate, interval, most):
    script(monkeypatch, lambda interval: [0.0] * interval)
    problem = Quadratic.random()
    settings = {"max_rate": max_rate, "initial_rate": max_rate, "interval": interval}
    optimizer = VSAM(sgd(problem), **QUICK | settings)
    for _ in range(3):
        sampled = 0
        for _ in range(interval):
            problem.step(optimizer)
            sampled += optimizer.observation.sampled
        assert sampled == most


@pytest.mark.parametrize("beta", [0.0, 0.13, 5.0])
def test_the_rate_stays_within_its_bounds(beta):
    problem = Quadratic.random()
    optimizer = VSAM(sgd(problem), beta=beta, **QUICK)
    rates = []
    for _ in range(200):
        problem.step(optimizer)
        rates.append(optimizer.observation.sampling_rate)
    assert all(1 / QUICK["interval"] <= rate <= QUICK["max_rate"] for rate in rates)
    assert (max(rates) - min(rates) > 1e-9) == (beta > 0)


def test_draws_are_its_own():
    problem = Quadratic.random()
    state = torch.get_rng_state()
    train(problem, VSAM(sgd(problem), **QUICK), 12)
    assert torch.equal(torch.get_rng_state(), state)

    def sampled(seed):
        problem = Quadratic.random()
        optimizer = VSAM(sgd(problem), seed=seed, **QUICK | {"warmup_iterations": 1000})
        return [problem.step(optimizer) and optimizer.observation.sampled for _ in range(48)]

    assert sampled(0) == sampled(0)
    assert sampled(0) != sampled(1)


class TwoBranches:
    """L = |a|^2 / 2 + |b|^2 / 2 where a branch is used; `uses` says for each closure call which are."""

    def __init__(self, **settings):
        starts = torch.tensor([[1.0, 1.0], [2.0, 2.0]], dtype=torch.float64)
        self.a, self.b = map(torch.nn.Parameter, starts.clone().unbind())
        self.optimizer = VSAM(torch.optim.SGD([self.a, self.b], lr=1.0), rho=0.5, interval=100, **settings)

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


def test_reuse_adds_the_psf_damped_by_its_age(monkeypatch):
    script(monkeypatch, lambda interval: [0.0, *[1.0] * (interval - 1)])
    branches = TwoBranches(kappa=0.5)
    moved, _, (a, b) = branches.step("ab", "ab")
    psf = 0.5 * a / torch.cat([a, b]).norm()
    assert torch.allclose(moved, a + psf, rtol=1e-12)
    for age in (1, 2, 3):
        moved, _, (a, _) = branches.step("ab")
        assert torch.allclose(moved, a + 0.5**age * psf, rtol=1e-12)


def test_a_parameter_without_gradient_in_a_reuse_iteration_ages_its_psf_untouched(monkeypatch):
    script(monkeypatch, lambda interval: [0.0, *[1.0] * (interval - 1)])
    branches = TwoBranches(kappa=0.5)
    _, _, (a, b) = branches.step("ab", "ab")
    psf = 0.5 * b / torch.cat([a, b]).norm()
    _, moved, _ = branches.step("a")
    assert not moved.any()
    _, moved, (_, b) = branches.step("ab")
    assert torch.allclose(moved, b + 0.5**2 * psf, rtol=1e-12)


@pytest.mark.parametrize("uses", [("a", "a"), ("ab", "a"), ("a", "ab")])
def test_a_parameter_without_gradient_in_a_sample_has_no_psf_until_the_next(monkeypatch, uses):
    script(monkeypatch, lambda interval: [0.0, 0.0, *[1.0] * (interval - 2)])
    branches = TwoBranches()
    branches.step("ab", "ab")
    branches.step(*uses)
    _, moved, (_, b) = branches.step("ab")
    assert torch.equal(moved, b)


def test_a_sample_that_fails_leaves_no_psf(monkeypatch):
    script(monkeypatch, lambda interval: [0.0, 0.0, *[1.0] * (interval - 2)])
    branches = TwoBranches()
    branches.step("ab", "ab")
    with pytest.raises(StopIteration):
        branches.step("ab")  # the script of this step has no second call
    script(monkeypatch, lambda interval: [1.0] * interval)
    branches.optimizer.load_state_dict(branches.optimizer.state_dict() | {"draws": []})  # draw again
    moved, _, (a, _) = branches.step("ab")
    assert torch.equal(moved, a)


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_a_trial_cut_between_two_samples_goes_on_with_the_same_psf_at_the_same_age(monkeypatch, cut):
    script(monkeypatch, lambda interval: [0.0, *[1.0] * (interval - 1)])
    straight, first, resumed = (TinyTrial("vsam", interval=20) for _ in range(3))
    straight.train(8)
    first.train(cut)
    resumed.load_state_dict(first.state_dict())
    resumed.train(8 - cut)
    assert torch.equal(resumed.weights, straight.weights)


@pytest.mark.parametrize("reuse", ["geometric", "none"])
def test_what_it_keeps_is_one_copy_of_the_gradients_in_the_same_buffers(monkeypatch, reuse):
    script(monkeypatch, lambda interval: [0.0] * interval)
    trial = TinyTrial("vsam", reuse=reuse)
    trial.step()
    kept = [tensor.data_ptr() for tensor in trial.optimizer.state_dict()["psf"].values()]
    assert len(kept) == (2 if reuse == "none" else 10)  # without reuse, what the norms need: the last layer
    trial.train(3)
    assert [tensor.data_ptr() for tensor in trial.optimizer.state_dict()["psf"].values()] == kept


def test_wrong_settings_name_argument_value_and_rule():
    problem = Quadratic.random()
    with pytest.raises(ValueError, match=r"window is 7, but must be at least 2 \* num_slices = 8"):
        VSAM(sgd(problem), window=7)
    with pytest.raises(ValueError, match=r"initial_rate is 0.6, but must be at most max_rate = 0.5"):
        VSAM(sgd(problem), initial_rate=0.6)
    with pytest.raises(ValueError, match=r"reuse is 'always', but must be one of geometric, constant, none"):
        VSAM(sgd(problem), reuse="always")


def test_sam_and_sam_k_agree_with_it_on_what_a_sample_shows(monkeypatch):
    script(monkeypatch, lambda interval: [0.0] * interval)
    observations = []
    for make in (SAM, PeriodicSAM, lambda *args, **kwargs: VSAM(*args, initial_rate=0.5, **kwargs)):
        problem = TinyNetwork()
        optimizer = make(sgd(problem), rho=0.1, norm_layers=2, model=problem.network)
        problem.step(optimizer)
        observations.append((optimizer.observation.l2_psf.item(), optimizer.observation.l2_sgd.item()))
    assert observations[0] == observations[1] == observations[2]


def test_a_rate_has_adapted_once_an_iteration_was_drawn_with_it(monkeypatch):
    """At a rate of 0.8 an interval of 6 has 4 samples: the window of 4 and one more are there after the second."""
    script(monkeypatch, lambda interval: [0.0] * interval)
    problem = Quadratic.random()
    train(problem, optimizer := VSAM(sgd(problem), **QUICK | {"initial_rate": 0.8}), 12)
    assert optimizer.adaptation_start == 12
    assert optimizer.metrics() == {"guarded": optimizer.guarded}
    assert optimizer.warnings() == [
        "the sampling rate never adapted in 12 iterations: 8 sampled, window 4. Fix: a smaller window, fewer"
        " warmup_iterations, or a larger initial_rate"
    ]
    train(problem, optimizer, 1)
    assert optimizer.metrics() == {"guarded": optimizer.guarded, "adaptation_start": 12}
    assert optimizer.warnings() == []


def test_the_metrics_and_warnings_of_a_run_that_was_cut_are_those_of_the_whole():
    problem = Quadratic.random()
    optimizer, resumed = (VSAM(sgd(problem), **QUICK | {"window": 20}) for _ in range(2))
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
