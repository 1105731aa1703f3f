"""A wrapper that is called as those of other libraries are says that it wraps an optimizer, and how to call it."""

import copy
import pickle
import re

import pytest
import torch
from torch import nn

from tests.support.custom_extensions import Timid
from tests.support.methods import WITHOUT_PRESETS
from tests.support.tiny_trial import optimizer_class
from vsam_tune.optimizers import SAM, VSAM
from vsam_tune.optimizers.plain import PlainOptimizer
from vsam_tune.registry.methods import METHODS

WRAPPERS = [optimizer_class(name) for name in WITHOUT_PRESETS if METHODS[name].optimizer]
SGD, AdamW = torch.optim.SGD, torch.optim.AdamW


def model():
    return nn.Linear(3, 2)


def fix_of(call):
    """Return the call that the error prints."""
    with pytest.raises(TypeError) as raised:
        call()
    return re.fullmatch(r".* wraps an optimizer, but got .*\. Fix: (.*)", str(raised.value)).group(1)


@pytest.mark.parametrize("wrapper", [*WRAPPERS, PlainOptimizer])
def test_every_wrapper_says_so_and_its_fix_works(wrapper):
    for call in (
        lambda: wrapper(model().parameters(), SGD, lr=0.1, momentum=0.9),
        lambda: wrapper(model().parameters(), SGD),
        lambda: wrapper(params=model().parameters(), base_optimizer=SGD, lr=0.1),
        lambda: wrapper(list(model().parameters())),
        lambda: wrapper(model()),
        lambda: wrapper(model(), SGD, lr=0.1),
        lambda: wrapper(SGD),
        lambda: wrapper(base=SGD),
        lambda: wrapper(None),
    ):
        made = eval(fix_of(call), {"torch": torch, "model": model(), wrapper.__name__: wrapper})  # noqa: S307 - ours
        assert type(made) is wrapper
        assert made.param_groups[0]["lr"] == 0.1


def test_the_fix_repeats_what_each_of_the_two_takes():
    fix = fix_of(lambda: SAM(model().parameters(), SGD, rho=0.2, adaptive=True, lr=0.3, momentum=0.9))
    assert fix == "SAM(torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9), rho=0.2, model=model)"
    fix = fix_of(lambda: VSAM(model().parameters(), base_optimizer=AdamW, betas=(0.9, 0.95), interval=20))
    assert fix == "VSAM(torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95)), interval=20, model=model)"


@pytest.mark.parametrize(
    ("given", "described"),
    [
        (lambda: model().parameters(), "a generator"),
        (lambda: list(model().parameters()), "a list"),
        (model, "the network Linear"),
        (lambda: SGD, "the class SGD"),
        (lambda: None, "no optimizer"),
    ],
)
def test_the_error_names_what_was_given(given, described):
    with pytest.raises(TypeError, match=f"^SAM wraps an optimizer, but got {described}\\. Fix: "):
        SAM(given())


def test_an_optimizer_by_keyword_a_copy_and_a_subclass_with_another_name_are_fine():
    class Named(SAM):
        def __init__(self, optimizer, **settings):
            super().__init__(optimizer, **settings)

    network = model()
    optimizer = SAM(base=SGD(network.parameters(), lr=0.1))
    assert Named(optimizer=SGD(network.parameters(), lr=0.1)).base.param_groups[0]["lr"] == 0.1
    assert Timid(SGD(network.parameters(), lr=0.1), share=0.5).param_groups[0]["rho"] == 0.025
    for copied in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):  # noqa: S301 - our own bytes
        assert copied.param_groups[0]["lr"] == 0.1
