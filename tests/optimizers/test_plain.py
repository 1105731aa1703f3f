"""The base optimizer alone, with the interface of the others: its updates, counts, state and hooks."""

import pytest
import torch

from tests.support.custom_extensions import Twice
from tests.support.tiny_trial import BASES, TinyTrial, batches, equal_state, tiny_network, two_groups
from vsam_tune.optimizers import SAM
from vsam_tune.optimizers.plain import PlainOptimizer


def closure_of(network, optimizer, position):
    images, labels = batches()[position % 5]

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        return loss

    return closure


def trained(make, steps=7):
    """Return the optimizer, the weights, and the losses of some steps."""
    network = tiny_network()
    optimizer = make(two_groups(network))
    losses = [optimizer.step(closure_of(network, optimizer, position)).item() for position in range(steps)]
    return optimizer, torch.nn.utils.parameters_to_vector(network.parameters()).detach(), losses


@pytest.mark.parametrize("base", BASES)
def test_it_is_the_base_optimizer_bit_for_bit(base):
    _, weights, losses = trained(BASES[base])
    optimizer, same_weights, same_losses = trained(lambda groups: PlainOptimizer(BASES[base](groups)))
    assert torch.equal(same_weights, weights)
    assert same_losses == losses
    assert (optimizer.iterations, optimizer.gradient_evaluations, optimizer.forward_passes) == (7, 7.0, 0.0)
    assert optimizer.observation is None
    assert (optimizer.metrics(), optimizer.warnings()) == ({}, [])


def test_it_is_one_of_the_optimizers_of_a_trial():
    trial = TinyTrial("sgd")
    assert trial.optimizer is trial.base
    trial.optimizer = PlainOptimizer(trial.base)
    other = TinyTrial("sgd")
    assert trial.train(8) == other.train(8)


def test_each_call_of_the_closure_counts():
    optimizer, _, _ = trained(lambda groups: PlainOptimizer(Twice(BASES["sgd"](groups))))
    assert (optimizer.iterations, optimizer.gradient_evaluations) == (7, 14.0)


def test_the_whole_batch_is_its_smallest_pass():
    assert PlainOptimizer(BASES["sgd"](two_groups(tiny_network()))).smallest_pass(13) == 13


def test_a_hook_runs_when_the_gradient_is_there_and_the_update_has_not_begun():
    network, seen = tiny_network(), []
    optimizer = PlainOptimizer(torch.optim.SGD(network.parameters(), lr=0.1))
    first = network[0].weight.detach().clone()
    optimizer.before_update(lambda: seen.append((network[0].weight.grad.clone(), network[0].weight.detach().clone())))
    optimizer.step(closure_of(network, optimizer, 0))
    ((gradient, before),) = seen
    assert gradient.abs().sum() > 0
    assert torch.equal(before, first)
    assert torch.allclose(network[0].weight, first - 0.1 * gradient)


def test_a_state_continues_bit_for_bit(tmp_path):
    def start():
        network = tiny_network()
        return network, PlainOptimizer(BASES["sgd"](two_groups(network)))

    def take(network, optimizer, positions):
        for position in positions:
            optimizer.step(closure_of(network, optimizer, position))

    network, optimizer = start()
    take(network, optimizer, range(3))
    torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "state.pt")
    take(network, optimizer, range(3, 6))
    other, resumed = start()
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    other.load_state_dict(saved["network"])
    resumed.load_state_dict(saved["optimizer"])
    take(other, resumed, range(3, 6))
    assert equal_state(dict(other.state_dict()), dict(network.state_dict()))
    assert equal_state(resumed.state_dict(), optimizer.state_dict())


def test_a_missing_closure_and_a_wrapper_as_the_base_are_errors():
    base = torch.optim.SGD(tiny_network().parameters(), lr=0.1)
    with pytest.raises(TypeError, match="needs a closure"):
        PlainOptimizer(base).step()
    with pytest.raises(ValueError, match="the value of base is 'SAM'"):
        PlainOptimizer(SAM(base))
