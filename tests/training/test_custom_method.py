"""A method of the user's own: what its constructor is given, and what is refused in a line."""

import pytest
import torch

from tests.support import custom_extensions
from tests.support.tiny_trial import tiny_network
from vsam_tune.errors import InputError
from vsam_tune.optimizers.plain import PlainOptimizer
from vsam_tune.training.build import build_optimizer

SGD = {"optimizer": "torch.optim:SGD", "lr": 0.1}


def build(name, **settings):
    return build_optimizer(
        tiny_network(),
        base=SGD,
        method={"name": f"tests.support.custom_extensions:{name}", **settings},
        iterations_per_epoch=10,
        epochs=3,
        num_images=40,
        num_classes=5,
        seed=0,
    )


def refused(name, **settings):
    with pytest.raises(InputError) as caught:
        build(name, **settings)
    return [line.removeprefix(f"method tests.support.custom_extensions:{name}: ") for line in caught.value.lines]


def test_a_wrapper_stands_around_the_base_optimizer():
    optimizer, loss_term = build("Timid", share=0.5, rho=0.2)
    assert type(optimizer) is custom_extensions.Timid
    assert type(optimizer.base) is torch.optim.SGD
    assert optimizer.param_groups[0]["rho"] == 0.1
    assert loss_term is None


def test_a_loss_term_stands_beside_it_and_gets_what_its_constructor_names():
    optimizer, loss_term = build("Confidence", weight=0.5)
    assert (type(optimizer), type(optimizer.base)) == (PlainOptimizer, torch.optim.SGD)
    assert (loss_term.num_classes, loss_term.weight) == (5, 0.5)


def test_a_torch_optimizer_that_is_no_wrapper_is_wrapped():
    optimizer, loss_term = build("Twice")
    assert (type(optimizer), type(optimizer.base)) == (PlainOptimizer, custom_extensions.Twice)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert loss_term is None


def test_a_setting_that_it_does_not_take_and_one_that_it_needs():
    assert refused("Timid", radius=0.1) == [
        "radius = 0.1: is not a setting of this method. Fix: use one of share, rho.",
        "share: needs a value. Fix: set it, or search it under space.",
    ]


@pytest.mark.parametrize("taken", ["base", "model"])
def test_what_the_loop_gives_it_is_no_setting(taken):
    assert refused("Timid", share=1.0, **{taken: 3}) == [
        f"{taken} = 3: is not a setting of this method. Fix: use one of share, rho."
    ]
    assert refused("Confidence", num_classes=3) == [
        "num_classes = 3: is not a setting of this method. Fix: use one of weight."
    ]


def test_a_constructor_that_takes_any_setting_gets_it(monkeypatch):
    class Any(custom_extensions.Timid):
        def __init__(self, base, *, model=None, **settings):
            super().__init__(base, model=model, share=settings["part"])

    monkeypatch.setattr(custom_extensions, "Timid", Any)
    assert build("Timid", part=0.5)[0].param_groups[0]["rho"] == 0.025


@pytest.mark.parametrize("name", ["stripes", "Images"])
def test_what_is_not_a_method_is_an_error(name):
    with pytest.raises(InputError) as caught:
        build(name)
    assert caught.value.lines == (
        f"method: name = 'tests.support.custom_extensions:{name}': is neither an optimizer of torch nor a "
        "vsam_tune.loss_terms.loss_term.LossTerm. Fix: name a SharpnessAware or a LossTerm, in a module that is "
        "installed or in this folder.",
    )
