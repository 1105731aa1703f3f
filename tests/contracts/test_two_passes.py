"""What a step leaves as it found it, failing or not: weights, statistics, flags, random state."""

import pytest
import torch
from torch import nn

from tests.support.methods import WITHOUT_PRESETS
from tests.support.tiny_trial import InterruptedPassError, TinyTrial, network_with_buffers, optimizer_class
from vsam_tune.registry.methods import METHODS

WRAPPERS = [name for name in WITHOUT_PRESETS if METHODS[name].optimizer]
TWO_PASSES = [name for name in WRAPPERS if METHODS[name].gradient_evaluations > 1]
AT_THE_WEIGHTS = [name for name in WITHOUT_PRESETS if not getattr(optimizer_class(name), "perturbs_first", False)]


def flags(network):
    return [
        [(module.training, getattr(module, "track_running_stats", None)) for module in network.modules()],
        [parameter.requires_grad for parameter in network.parameters()],
        [parameter.data_ptr() for parameter in network.parameters()],
    ]


def buffers(network):
    return {key: value.clone() for key, value in network.named_buffers()}


def steps_until_sampled(trial):
    """Train to the end of a sampled iteration; return the weights that its first and last closure calls saw."""
    for _ in range(30):
        seen = []
        trial.before_backward = lambda seen=seen: seen.append(trial.weights)
        trial.step()
        if len(seen) >= 2:
            return seen[0], seen[-1]
    return pytest.fail("no iteration was sampled")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", TWO_PASSES)
def test_weights_are_restored_bit_for_bit(name, dtype):
    trial = TinyTrial(name, dtype=dtype)
    trial.train(2)
    trial.base.step = lambda: None  # so that what the step leaves is what it restored
    start, pointers = trial.weights, flags(trial.network)
    first, second = steps_until_sampled(trial)
    assert torch.equal(first, start)
    assert not torch.equal(second, start)
    assert torch.equal(trial.weights, start)
    assert flags(trial.network) == pointers


@pytest.mark.parametrize("name", AT_THE_WEIGHTS)
def test_running_statistics_are_those_of_one_forward_pass_an_iteration(name):
    trial = TinyTrial(name)
    for iteration in range(12):
        alone = TinyTrial(name)
        alone.network.load_state_dict(trial.network.state_dict())
        alone.iterations = iteration
        alone.loss()
        trial.step()
        expected, found = buffers(alone.network), buffers(trial.network)
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert trial.network[1].num_batches_tracked.item() == 12


@pytest.mark.parametrize("name", AT_THE_WEIGHTS)
def test_other_buffers_of_torch_are_those_of_one_forward_pass_an_iteration(name):
    trial, alone = (TinyTrial(name, network=network_with_buffers()) for _ in range(2))
    for iteration in range(6):
        alone.network.load_state_dict(trial.network.state_dict())
        alone.iterations = iteration
        alone.loss()
        trial.step()
        expected, found = buffers(alone.network), buffers(trial.network)
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert len(expected) == 2 + 3 + 2 + 3


@pytest.mark.parametrize("name", WRAPPERS)
def test_rho_zero_is_the_base_optimizer_up_to_rounding(name):
    """The second pass has the vectors of spectral norm, and draws what the first one drew. With the whole batch."""
    found, expected = (
        TinyTrial(each, network=network_with_buffers(), dtype=torch.float64, rho=0.0, sds_keep=1.0)
        for each in (name, "sgd")
    )
    assert found.train(12) == pytest.approx(expected.train(12), rel=1e-12)
    torch.testing.assert_close(found.weights, expected.weights, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_random_state_ends_where_one_forward_pass_leaves_it(name, dropout):
    trial = TinyTrial(name, dropout=dropout)
    alone = TinyTrial("sgd", dropout=dropout)
    start = torch.get_rng_state()
    trial.train(12)
    found = torch.get_rng_state()
    torch.set_rng_state(start)
    alone.train(12)
    assert torch.equal(found, torch.get_rng_state())


@pytest.mark.parametrize("name", TWO_PASSES)
def test_the_second_pass_drops_the_same_units(name):
    trial = TinyTrial(name, dropout=0.5, rho=0.0)
    losses = []
    forward = trial.losses
    trial.losses = lambda samples=None: losses.append(forward(samples)) or losses[-1]
    for _ in range(30):
        losses.clear()
        trial.step()
        if len(losses) >= 2:
            assert torch.equal(losses[0], losses[1])
            return
    pytest.fail("no iteration was sampled")


@pytest.mark.parametrize("failing_call", [1, 2])
@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_a_failing_pass_leaves_the_weights_and_can_be_repeated(name, failing_call):
    trial = TinyTrial(name, dropout=0.5)
    calls_in_step = []

    def fail():
        calls_in_step.append(None)
        if len(calls_in_step) == failing_call:
            raise InterruptedPassError

    trial.before_backward = fail
    for _ in range(12):
        calls_in_step.clear()
        start, before = trial.weights, flags(trial.network)
        counted = getattr(trial.optimizer, "gradient_evaluations", 0)
        try:
            trial.step()
        except InterruptedPassError:
            assert torch.equal(trial.weights, start)
            if METHODS[name].optimizer:
                assert trial.optimizer.iterations == trial.iterations
                assert trial.optimizer.gradient_evaluations == pytest.approx(counted + failing_call - 1, abs=1e-9)
            trial.before_backward = lambda: None
            trial.step()
            trial.before_backward = fail
        assert flags(trial.network) == before
    assert trial.weights.isfinite().all()


@pytest.mark.parametrize("name", TWO_PASSES)
def test_a_failing_second_pass_restores_the_random_state_of_the_first(name):
    trial, after_first = TinyTrial(name, dropout=0.5), []

    def fail():
        after_first.append(torch.get_rng_state())
        if len(after_first) == 2:
            torch.rand(3)
            raise InterruptedPassError

    trial.before_backward = fail
    for _ in range(30):
        after_first.clear()
        try:
            trial.step()
        except InterruptedPassError:
            assert torch.equal(torch.get_rng_state(), after_first[0])
            return
    pytest.fail("no iteration was sampled")


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_a_network_in_evaluation_mode_stays_so(name):
    trial = TinyTrial(name)
    trial.network[1].eval()  # a frozen batch norm, as in fine-tuning
    before = buffers(trial.network[1])
    trial.train(12)
    assert all(torch.equal(before[key], value) for key, value in buffers(trial.network[1]).items())
    assert not trial.network[1].training
    assert trial.network[4].training


@pytest.mark.parametrize("name", AT_THE_WEIGHTS)
def test_the_loss_returned_is_the_one_at_the_weights_before_the_step(name):
    trial = TinyTrial(name)
    for _ in range(12):
        with torch.no_grad():
            expected = nn.functional.cross_entropy(
                copy_without_statistics(trial.network)(trial.batches[trial.iterations % 5][0]),
                trial.batches[trial.iterations % 5][1],
                reduction="none",
            ).mean()
        assert torch.equal(trial.step().detach(), expected)


def copy_without_statistics(network):
    """Return the network in training mode, its own running statistics untouched by a forward pass."""
    twin = TinyTrial("sgd").network
    twin.load_state_dict(network.state_dict())
    return twin
