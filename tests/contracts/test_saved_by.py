"""A state is loaded by the method that saved it, or refused by name before anything changes."""

import copy
import re
from functools import cache

import pytest
import torch
from torch import nn

from tests.support.methods import WITHOUT_PRESETS
from tests.support.tiny_trial import TinyTrial, equal_state
from vsam_tune.optimizers import VSAM
from vsam_tune.optimizers.plain import PlainOptimizer
from vsam_tune.registry.methods import METHODS

WRAPPERS = [name for name in WITHOUT_PRESETS if METHODS[name].optimizer]


def trained(name, **settings):
    """Return the optimizer of a trial after some steps."""
    trial = TinyTrial(name, **settings)
    if not METHODS[name].optimizer:
        trial.optimizer = PlainOptimizer(trial.base)
    trial.train(8)
    return trial.optimizer


@cache
def saved_by(name):
    """Return a state of a method; it must not be changed."""
    return trained(name).state_dict()


def refused(optimizer, state, message):
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state)
    assert equal_state(optimizer.state_dict(), before)


@pytest.mark.parametrize("name", ["sgd", *WRAPPERS])
def test_the_state_of_another_method_is_refused_by_name(name):
    optimizer = trained(name)
    method = type(optimizer).__name__
    for other in {"sgd", *WRAPPERS} - {name}:
        state = saved_by(other)
        message = f"the state was saved by {state['saved_by']['method']} and {method} cannot continue it. Fix: load it"
        refused(optimizer, state, message)
    optimizer.base.load_state_dict(copy.deepcopy(state["base"]))  # the fix
    assert equal_state(optimizer.base.state_dict()["state"], state["base"]["state"])


@pytest.mark.parametrize("name", ["sgd", *WRAPPERS])
def test_a_state_over_another_base_optimizer_is_refused_by_name(name):
    optimizer = trained(name)
    method = type(optimizer).__name__
    message = f"saved by {method} over AdamW, and {method} over SGD cannot continue it. Fix: build {method} over AdamW"
    refused(optimizer, trained(name, base="adamw").state_dict(), message)


@pytest.mark.parametrize("name", ["sgd", *WRAPPERS])
def test_a_state_of_torch_alone_is_refused_and_belongs_into_the_base(name):
    plain, optimizer = saved_by("sgd")["base"], trained(name)
    fix = re.escape("optimizer.base.load_state_dict(state)")
    refused(optimizer, plain, f"alone, and not of {type(optimizer).__name__}. Fix: .* {fix}$")
    optimizer.base.load_state_dict(copy.deepcopy(plain))  # the fix


def whole(network):
    return [{"params": list(network.parameters())}]


def wider():
    return nn.Sequential(nn.Conv2d(1, 7, 3), nn.BatchNorm2d(7), nn.Conv2d(7, 5, 4), nn.Flatten())


@pytest.mark.parametrize("name", ["sgd", *WRAPPERS])
def test_a_state_of_other_parameters_is_refused(name):
    optimizer = trained(name)
    refused(optimizer, trained(name, groups=whole).state_dict(), "shapes. Fix: build the optimizer over the parameters")
    refused(optimizer, trained(name, network=wider()).state_dict(), "the state is of parameters of other shapes")


@pytest.mark.parametrize("name", ["sgd", *WRAPPERS])
def test_a_state_that_does_not_say_what_saved_it_is_loaded_if_it_fits(name):
    optimizer = trained(name)
    old = {key: value for key, value in saved_by(name).items() if key != "saved_by"}
    optimizer.load_state_dict(old)
    assert equal_state(optimizer.state_dict(), saved_by(name))
    refused(optimizer, old | {"kept": 1}, "by another method, with kept, and .* cannot continue it")
    other = trained(name, groups=whole).state_dict()
    del other["saved_by"]
    refused(optimizer, other, r"of groups of \[10\] parameters, and this optimizer has groups of \[3, 7\]")


@pytest.mark.parametrize(("setting", "value"), [("interval", 6), ("reuse", "none")])
def test_a_state_of_vsam_with_another_interval_or_reuse_is_refused(setting, value):
    optimizer, saved = trained("vsam"), trained("vsam", **{setting: value})
    assert isinstance(optimizer, VSAM)
    message = f"saved by VSAM with {setting} = {value!r}, and .* cannot continue it. Fix: build VSAM with {setting}="
    refused(optimizer, saved.state_dict(), message)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vsam", {"num_slices": 1, "beta": 0.5, "kappa": 0.1, "warmup_iterations": 3, "max_rate": 0.5, "max_age": 2}),
        ("periodic_sam", {"period": 5}),
        ("looksam", {"period": 5, "alpha": 0.1}),
        ("esam", {"swp_keep": 0.9, "sds_keep": 0.9}),
        ("ae_sam", {"decay": 0.5, "num_iterations": 100}),
        ("rst", {"probability": 0.1, "schedule": "linear"}),
        ("fsam", {"sigma": 0.5, "decay": 0.5}),
        ("gsam", {"alpha": 0.1}),
    ],
)
def test_a_state_under_other_settings_that_do_not_change_its_meaning_is_continued(name, settings):
    trial = TinyTrial(name, **settings)
    trial.optimizer.load_state_dict(saved_by(name))
    trial.train(20)
    assert trial.optimizer.iterations == 28
    assert trial.weights.isfinite().all()


def test_what_is_kept_takes_the_dtype_of_the_parameters_that_load_it():
    single, double = trained("vsam"), TinyTrial("vsam", dtype=torch.float64)
    double.optimizer.load_state_dict(single.state_dict())
    assert all(kept.dtype == torch.float64 for kept in double.optimizer.state_dict()["psf"].values())
    double.train(12)
