"""METHODS and the classes it names say the same."""

import inspect

import pytest
import torch

from tests.support.tiny_trial import method_class, taken, tiny_network
from vsam_tune.loss_terms.loss_term import LossTerm
from vsam_tune.registry.methods import METHODS

WITH_CLASS = [name for name in METHODS if method_class(name)]
SETTINGS = [(name, key) for name in WITH_CLASS for key in METHODS[name].hyperparameters]
OFFERED = {"model": None, "seed": 0, "num_iterations": 30, "num_images": 10, "num_classes": 5}
NOT_HYPERPARAMETERS = {"base", *OFFERED, "norm_layers", "uniform"}  # for tests and replays


def build(name, **settings):
    cls, network = method_class(name), tiny_network()
    if "base" in inspect.signature(cls).parameters:
        settings["base"] = torch.optim.SGD(network.parameters(), lr=0.1)
    return cls(**(taken(cls, OFFERED | {"model": network}) | METHODS[name].fixed | settings))


@pytest.mark.parametrize("name", WITH_CLASS)
def test_the_target_is_an_optimizer_or_a_loss_term_that_takes_what_is_listed(name):
    cls, method = method_class(name), METHODS[name]
    assert issubclass(cls, torch.optim.Optimizer if method.optimizer else LossTerm)
    assert not (method.optimizer and method.loss_term)
    names = inspect.signature(cls).parameters
    assert set(method.hyperparameters).isdisjoint(method.fixed)
    assert set(method.hyperparameters) | set(method.fixed) <= set(names)
    if not method.fixed:  # a preset leaves out what it makes pointless, such as kappa without reuse
        assert set(names) - set(method.hyperparameters) <= NOT_HYPERPARAMETERS
    if method.optimizer:
        assert {"base", "model"} <= set(names)


@pytest.mark.parametrize(("name", "key"), SETTINGS)
def test_defaults_are_those_of_the_signature(name, key):
    signature = inspect.signature(method_class(name)).parameters[key]
    assert signature.kind is inspect.Parameter.KEYWORD_ONLY
    assert signature.default == METHODS[name].hyperparameters[key].default
    assert type(signature.default) is type(METHODS[name].hyperparameters[key].default)


@pytest.mark.parametrize(("name", "key"), SETTINGS)
def test_what_the_entry_rules_out_is_a_value_error_that_names_it(name, key):
    entry = METHODS[name].hyperparameters[key]
    refused = ["another"] if isinstance(entry.default, str) else ["much", float("nan")]
    if entry.low is not None:
        refused += [entry.low - 1]
    if entry.high is not None:
        refused += [entry.high + 1]
    if entry.positive:
        refused += [0.0]
    for value in refused:
        with pytest.raises(ValueError, match=rf"the value of {key} is .*, but must be "):
            build(name, **{key: value})


@pytest.mark.parametrize(("name", "key"), SETTINGS)
def test_every_choice_is_taken(name, key):
    for choice in METHODS[name].hyperparameters[key].choices:
        build(name, **{key: choice})
