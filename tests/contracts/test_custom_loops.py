"""Every method in a loop that is not ours: autocast around the step, and closures that do less than is asked."""

import pytest
import torch
from torch import nn

from tests.support.methods import WITHOUT_PRESETS
from tests.support.tiny_trial import (
    InterruptedPassError,
    batches,
    closure_of,
    optimizer_class,
    tiny_network,
    two_groups,
    wrap,
)
from vsam_tune.optimizers.plain import PlainOptimizer
from vsam_tune.registry.methods import METHODS

WRAPPERS = [name for name in WITHOUT_PRESETS if METHODS[name].optimizer]
OURS = ["sgd", *WRAPPERS]  # and the base optimizer alone, as the loop wraps it
TWO_PASSES = [name for name in WRAPPERS if METHODS[name].gradient_evaluations > 1]
WITH_BACKWARD = [name for name in OURS if not getattr(optimizer_class(name), "sample_losses", False)]
CALLS_WITH_BACKWARD = [(name, call) for name in WITH_BACKWARD for call in ((1, 2) if name in TWO_PASSES else (1,))]
AUTOCAST = {"device_type": "cpu", "dtype": torch.bfloat16}


class Loop:
    """A network, its optimizer, and a closure for each batch."""

    def __init__(self, name, *, network=None):
        self.network = network or tiny_network()
        base = torch.optim.SGD(two_groups(self.network), lr=0.1, momentum=0.9)
        wrapped = wrap(name, base, model=self.network)
        self.optimizer = PlainOptimizer(base) if wrapped is base else wrapped
        self.iterations = 0

    def losses(self, samples):
        images, labels = batches()[self.iterations % 5]
        if samples is not None:
            images, labels = images[samples], labels[samples]
        return nn.functional.cross_entropy(self.network(images), labels, reduction="none")

    def half_losses(self, samples):
        with torch.autocast(**AUTOCAST):
            return self.losses(samples)

    def closure(self, losses=None):
        return closure_of(self.optimizer, losses or self.losses)

    def step(self, closure=None):
        loss = self.optimizer.step(closure or self.closure())
        self.iterations += 1
        return loss

    @property
    def weights(self):
        return nn.utils.parameters_to_vector(self.network.parameters()).detach().clone()


@pytest.mark.parametrize("name", OURS)
def test_autocast_around_steps_gives_the_weights_of_autocast_inside_the_closure(name):
    inside, step, run = Loop(name), Loop(name), Loop(name)
    for _ in range(10):
        inside.step(inside.closure(inside.half_losses))
        with torch.autocast(**AUTOCAST):
            step.step()
    with torch.autocast(**AUTOCAST):
        for _ in range(10):
            run.step()
    assert torch.equal(step.weights, inside.weights)
    assert torch.equal(run.weights, inside.weights)


@pytest.mark.parametrize("name", TWO_PASSES)
def test_under_autocast_the_second_gradient_differs_from_the_first(name):
    loop = Loop(name)
    with torch.autocast(**AUTOCAST):
        for _ in range(30):
            loop.step()
            if loop.optimizer.observation.sampled:
                assert loop.optimizer.observation.l2_psf > 0
                return
    pytest.fail("no iteration was sampled")


@pytest.mark.parametrize("failing_call", [1, 2, 3])
@pytest.mark.parametrize("name", WRAPPERS)
def test_under_autocast_a_failing_step_leaves_the_outputs_of_the_restored_weights(name, failing_call):
    loop, calls, images = Loop(name), [], batches()[0][0]

    def losses(samples):
        found = loop.losses(samples)  # autocast has copied the weights
        calls.append(None)
        if len(calls) == failing_call:
            raise InterruptedPassError
        return found

    with torch.autocast(**AUTOCAST):
        for _ in range(4):
            calls.clear()
            torch.clear_autocast_cache()
            expected = outputs(loop.network, images)
            try:
                loop.step(loop.closure(losses))
            except InterruptedPassError:
                assert torch.equal(outputs(loop.network, images), expected)
                loop.step()


@pytest.mark.parametrize("name", OURS)
def test_under_autocast_the_weights_after_a_step_are_the_new_ones(name):
    loop, images = Loop(name), batches()[0][0]
    with torch.autocast(**AUTOCAST):
        for _ in range(3):
            loop.step()
            found = outputs(loop.network, images)
            torch.clear_autocast_cache()
            assert torch.equal(found, outputs(loop.network, images))


def outputs(network, images):
    """Return the outputs by the statistics of the batch, which are not stored."""
    for module in (network[1], network[4]):
        module.track_running_stats = False
    found = network(images).detach()
    for module in (network[1], network[4]):
        module.track_running_stats = True
    return found


@pytest.mark.parametrize("clears", ["after the step", "never"])
@pytest.mark.parametrize("name", OURS)
def test_a_closure_that_clears_no_gradient_is_the_usual_one(name, clears):
    usual, other = Loop(name), Loop(name)

    def closure(samples=None):
        losses = other.losses(samples)
        if other.optimizer.sample_losses:
            return losses
        losses.mean().backward()
        return losses.mean()

    for _ in range(12):
        usual.step()
        other.step(closure)
        if clears == "after the step":
            other.optimizer.zero_grad()
        assert torch.equal(other.weights, usual.weights)


@pytest.mark.parametrize("name", WITH_BACKWARD)
def test_a_closure_may_add_up_the_gradients_of_parts_without_clearing_them(name):
    whole, parts = Loop(name, network=without_batch_norm()), Loop(name, network=without_batch_norm())
    images, labels = batches(torch.float64)[0]

    def closure(network, sizes):
        def added():
            losses = []
            for x, y in zip(images.split(sizes), labels.split(sizes), strict=True):
                losses.append(nn.functional.cross_entropy(network(x), y, reduction="sum") / len(labels))
                losses[-1].backward()
            return sum(losses).detach()

        return added

    for _ in range(12):
        whole.step(closure(whole.network, [8]))
        parts.step(closure(parts.network, [3, 3, 2]))
        torch.testing.assert_close(parts.weights, whole.weights, rtol=1e-12, atol=1e-12)


def without_batch_norm():
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 5)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))
    return network


@pytest.mark.parametrize(("name", "failing_call"), CALLS_WITH_BACKWARD)
def test_a_closure_without_a_backward_pass_is_an_error_and_changes_nothing(name, failing_call):
    loop, calls = Loop(name), []

    def closure():
        loop.optimizer.zero_grad()
        loss = loop.losses(None).mean()
        calls.append(None)
        if len(calls) != failing_call:
            loss.backward()
        return loss

    def steps():
        for _ in range(30):
            calls.clear()
            before.append(loop.weights)
            loop.step(closure)

    before = []
    with pytest.raises(RuntimeError, match=r"left no gradient. Fix: call backward\(\) on the loss in the closure"):
        steps()
    assert torch.equal(loop.weights, before[-1])
    assert loop.optimizer.iterations == loop.iterations


@pytest.mark.parametrize("name", OURS)
def test_a_step_without_a_graph_to_descend_along_is_logged_once(name, caplog):
    loop = Loop(name)
    before = loop.weights

    def closure(samples=None):
        losses = loop.losses(samples).detach()
        return losses if loop.optimizer.sample_losses else losses.mean()

    for _ in range(3):
        loop.step(closure)
    assert torch.equal(loop.weights, before)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{type(loop.optimizer).__name__}: the closure left no gradient")


@pytest.mark.parametrize("name", OURS)
def test_a_step_in_which_nothing_is_trained_is_no_mistake(name, caplog):
    loop = Loop(name)
    for parameter in loop.network.parameters():
        parameter.requires_grad_(False)
    for _ in range(3):
        loop.step()
    assert not caplog.records


@pytest.mark.parametrize("name", WITH_BACKWARD)
def test_a_loss_of_other_parameters_than_those_of_the_optimizer_is_no_error(name):
    loop, other = Loop(name), nn.Parameter(torch.ones(3))
    before = loop.weights

    def closure():
        loss = other.square().sum()
        loss.backward()
        return loss

    for _ in range(3):
        loop.step(closure)
    assert torch.equal(loop.weights, before)
