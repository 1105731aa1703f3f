"""METHODS and the classes it names say the same."""

import inspect

import pytest
import torch

from tests.contracts.tiny import optimizer_class, tiny_network
from vsam_tune.methods import METHODS

WRAPPERS = [name for name in METHODS if METHODS[name].optimizer]
NOT_HYPERPARAMETERS = {"base", "model", "seed", "norm_layers"}  # norm_layers is one where METHODS lists it


def build(name, **settings):
    base = torch.optim.SGD(tiny_network().parameters(), lr=0.1)
    return optimizer_class(name)(base, **METHODS[name].fixed | settings)


@pytest.mark.parametrize("name", WRAPPERS)
def test_the_target_is_a_torch_optimizer_that_takes_what_is_listed(name):
    cls, method = optimizer_class(name), METHODS[name]
    assert issubclass(cls, torch.optim.Optimizer)
    taken = inspect.signature(cls).parameters
    assert set(method.hyperparameters).isdisjoint(method.fixed)
    assert set(method.hyperparameters) | set(method.fixed) <= set(taken)
    if not method.fixed:  # a preset leaves out what it makes pointless, such as kappa without reuse
        assert set(taken) - set(method.hyperparameters) <= NOT_HYPERPARAMETERS
    assert method.seeded == ("seed" in taken)
    assert {"base", "model"} <= set(taken)


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in WRAPPERS for key in METHODS[name].hyperparameters])
def test_defaults_are_those_of_the_signature(name, key):
    signature = inspect.signature(optimizer_class(name)).parameters[key]
    assert signature.kind is inspect.Parameter.KEYWORD_ONLY
    assert signature.default == METHODS[name].hyperparameters[key].default
    assert type(signature.default) is type(METHODS[name].hyperparameters[key].default)


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in WRAPPERS for key in METHODS[name].hyperparameters])
def test_what_the_entry_rules_out_is_a_value_error_that_names_it(name, key):
    entry = METHODS[name].hyperparameters[key]
    refused = []
    if entry.low is not None:
        refused += [entry.low - 1, float("nan"), "much"]
    if entry.high is not None:
        refused += [entry.high + 1]
    if entry.positive:
        refused += [0.0]
    if entry.choices:
        refused += ["another"]
    assert refused
    for value in refused:
        with pytest.raises(ValueError, match=rf"the value of {key} is .*, but must be "):
            build(name, **{key: value})


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in WRAPPERS for key in METHODS[name].hyperparameters])
def test_every_choice_is_taken(name, key):
    for choice in METHODS[name].hyperparameters[key].choices:
        build(name, **{key: choice})
