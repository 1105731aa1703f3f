"""Gradient evaluations are what is said, counted from outside; no iteration waits for the device."""

import pytest
import torch

from tests.contracts.tiny import TinyTrial, optimizer_class, tiny_network, wrap
from tests.contracts.value_reads import NoValueIsRead, ValueReadError
from vsam_tune.methods import METHODS

WRAPPERS = [name for name in METHODS if METHODS[name].optimizer]


@pytest.mark.parametrize("name", METHODS)
def test_gradient_evaluations_are_the_backward_passes(name):
    trial, backwards = TinyTrial(name), []
    trial.network[9].bias.register_hook(backwards.append)
    trial.train(30)
    assert len(backwards) == trial.closure_calls
    expected = trial.optimizer.gradient_evaluations if METHODS[name].optimizer else 30
    assert trial.closure_calls == expected


@pytest.mark.parametrize("name", WRAPPERS)
def test_an_iteration_costs_two_if_it_was_sampled_and_one_otherwise(name):
    trial, sampled = TinyTrial(name), 0
    for iteration in range(1, 31):
        before = trial.closure_calls
        trial.step()
        observation = trial.optimizer.observation
        assert trial.closure_calls - before == 1 + observation.sampled
        assert (observation.l2_psf is not None) == observation.sampled
        assert observation.l2_sgd.shape == ()
        assert observation.l2_sgd > 0
        sampled += observation.sampled
        assert trial.optimizer.gradient_evaluations == iteration + sampled
        assert trial.optimizer.iterations == iteration
    assert sampled > 0


@pytest.mark.parametrize("name", METHODS)
def test_the_listed_cost_is_the_cost_at_the_default_settings(name):
    weight = torch.nn.Parameter(torch.ones(2, 2))
    base = torch.optim.SGD([weight], lr=1e-3)
    cls = optimizer_class(name)
    optimizer = cls(base, **METHODS[name].fixed) if cls else base
    calls, iterations = [], 700  # within the warm-up of a rate that adapts

    def closure():
        calls.append(None)
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    for _ in range(iterations):
        optimizer.step(closure)
    assert len(calls) / iterations == pytest.approx(METHODS[name].gradient_evaluations, abs=0.03)


@pytest.mark.parametrize("name", METHODS)
def test_no_value_is_read_between_the_ends_of_intervals(name):
    interval = 25
    trial = TinyTrial(name, interval=interval, window=8)
    for iteration in range(1, 2 * interval + 1):
        if iteration % interval == 0:
            trial.step()
            continue
        with NoValueIsRead():
            trial.step()


def test_the_guard_above_refuses_to_read_a_value():
    with NoValueIsRead(), pytest.raises(ValueReadError):
        torch.ones(()).item()


@pytest.mark.parametrize("name", METHODS)
def test_iterations_run_on_a_device_that_has_no_values(name):
    """On torch's meta device any read of a value is an error, a copy to the host included."""
    network = tiny_network().to("meta")
    optimizer = wrap(name, torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9), model=network, interval=40)

    def closure():
        optimizer.zero_grad()
        loss = network(torch.empty(8, 1, 6, 6, device="meta")).square().mean()
        loss.backward()
        return loss

    for _ in range(39):
        assert optimizer.step(closure).device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", METHODS)
def test_cuda_does_not_synchronise(name):
    network = tiny_network().to("cuda")
    optimizer = wrap(name, torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9), model=network, interval=40)
    images = torch.randn(8, 1, 6, 6, device="cuda")

    def closure():
        optimizer.zero_grad()
        loss = network(images).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(38):
            optimizer.step(closure)
    finally:
        torch.cuda.set_sync_debug_mode("default")
