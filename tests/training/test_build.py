"""From the settings of a trial to its optimizer: the base, the method around it, warm-up in epochs."""

import inspect

import pytest
import torch
from torch import nn

from tests.support.methods import others_slow
from tests.support.tiny_trial import closure_of, optimizer_class, quick_settings, tiny_network
from vsam_tune.optimizers.plain import PlainOptimizer
from vsam_tune.registry.base_optimizers import BASE_OPTIMIZERS
from vsam_tune.registry.methods import METHODS
from vsam_tune.training.build import build_optimizer

WRAPPERS = [name for name in METHODS if METHODS[name].optimizer]
SGD = {"optimizer": "torch.optim:SGD", "lr": 0.3, "momentum": 0.5}


def _offered(name):
    return inspect.signature(optimizer_class(name)).parameters


def build(model=None, *, base=SGD, method, iterations_per_epoch=10, seed=0):
    model = tiny_network() if model is None else model
    optimizer, _ = build_optimizer(
        model,
        base=base,
        method=method,
        iterations_per_epoch=iterations_per_epoch,
        epochs=3,
        num_images=40,
        num_classes=5,
        seed=seed,
    )
    return optimizer


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_every_method_stands_around_the_base_optimizer(name):
    optimizer = build(method={"name": name, **quick_settings(name)})
    assert type(optimizer) is (optimizer_class(name) or PlainOptimizer)
    assert type(optimizer.base) is torch.optim.SGD
    assert optimizer.base.param_groups[0]["lr"] == 0.3
    assert optimizer.base.param_groups[0]["momentum"] == 0.5


@pytest.mark.parametrize("name", others_slow(METHODS))
@pytest.mark.parametrize("base", BASE_OPTIMIZERS)
def test_every_method_takes_its_defaults_over_every_base_optimizer(name, base):
    entry = BASE_OPTIMIZERS[base]
    settings = {key: setting.default for key, setting in entry.settings.items()}
    method = {key: setting.default for key, setting in METHODS[name].hyperparameters.items()} | METHODS[name].fixed
    optimizer = build(base={"optimizer": entry.optimizer, **settings}, method={"name": name, **method})
    for key, value in settings.items():
        assert optimizer.param_groups[0][key] == value


def test_what_is_handed_over_is_not_changed():
    base, method = dict(SGD), {"name": "vsam", "warmup_iterations": {"epochs": 2}}
    build(base=base, method=method)
    assert base == SGD
    assert method == {"name": "vsam", "warmup_iterations": {"epochs": 2}}


@pytest.mark.parametrize(
    ("warmup", "iterations"),
    [
        (15, 15),
        ({"epochs": 2}, 20),
        ({"epochs": 0.25}, 2),
        ({"epochs": 0}, 0),
        ({"fraction": 0.3}, 9),
        ({"fraction": 0}, 0),
    ],
)
def test_warm_up_in_iterations_in_epochs_or_as_a_fraction_of_the_run(warmup, iterations):
    seen = {}
    for key, value in (("one", warmup), ("two", iterations)):
        model = nn.Sequential(nn.Linear(2, 2))
        method = {"name": "vsam", **quick_settings("vsam"), "warmup_iterations": value}
        optimizer = build(model, method=method, base={**SGD, "lr": 0.0})
        for _ in range(60):
            optimizer.step(lambda model=model, optimizer=optimizer: _closure(model, optimizer))
        seen[key] = optimizer.adaptation_start
    assert seen["one"] == seen["two"] is not None
    assert seen["one"] >= iterations


def _closure(model, optimizer):
    optimizer.zero_grad()
    loss = model(torch.ones(3, 2)).square().mean()
    loss.backward()
    return loss


def test_parameters_that_need_no_gradient_are_left_out():
    network = tiny_network()
    network[0].requires_grad_(requires_grad=False)
    optimizer = build(network, method={"name": "sam", "rho": 0.1})
    assert len(optimizer.param_groups[0]["params"]) == 8


@pytest.mark.parametrize("name", [name for name in WRAPPERS if "seed" in _offered(name)])
def test_the_seed_fixes_the_draws(name):
    def draws(seed):
        network = tiny_network()
        optimizer = build(network, method={"name": name, **quick_settings(name)}, seed=seed)
        images = torch.ones(4, 1, 6, 6)
        sampled = []

        def losses(samples):
            return network(images if samples is None else images[samples]).square().mean(dim=1)

        for _ in range(20):
            optimizer.step(closure_of(optimizer, losses))
            sampled.append(optimizer.observation.sampled)
        return sampled, nn.utils.parameters_to_vector(network.parameters()).tolist()

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)
