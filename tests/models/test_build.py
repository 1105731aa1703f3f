"""Networks by name: sizes, seeds, and what is refused."""

import pytest
import torch
from torch import nn

from vsam_tune.errors import InputError
from vsam_tune.models.build import build_model, count_parameters
from vsam_tune.tasks import MODELS

SMALLEST = {"cnn": 4, "resnet8": 8, "resnet20": 8, "resnet18": 16}


def build(name, **changes):
    return build_model(name, **{"in_channels": 3, "image_size": 32, "num_classes": 10, "seed": 0, **changes})


@pytest.mark.parametrize(
    ("name", "changes", "parameters"),
    [
        ("cnn", {"in_channels": 1}, 19_242),
        ("cnn", {"width": 16}, 5_306),
        ("resnet8", {}, 78_042),
        ("resnet20", {}, 272_474),
        ("resnet20", {"num_classes": 100}, 278_324),
        ("resnet18", {}, 11_173_962),
        ("resnet18", {"num_classes": 100}, 11_220_132),
    ],
)
def test_parameters(name, changes, parameters):
    assert count_parameters(build(name, **changes)) == parameters


def test_frozen_parameters_are_not_counted():
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    assert count_parameters(model) == 6


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "image_size"),
    [(name, size) for name in MODELS for size in (8, 16, 28, 32, 33) if size >= SMALLEST[name]],
)
def test_logits_for_images_of_each_size(name, channels, image_size):
    model = build(name, in_channels=channels, image_size=image_size, num_classes=7)
    assert model(torch.zeros(2, channels, image_size, image_size)).shape == (2, 7)


@pytest.mark.parametrize("name", MODELS)
def test_the_smallest_images_train_even_one_at_a_time(name):
    """Batch norm refuses a batch of one image whose map is one pixel."""
    size = SMALLEST[name]
    model = build(name, image_size=size).train()
    model(torch.zeros(1, 3, size, size)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_images_that_are_too_small(name):
    with pytest.raises(InputError) as error:
        build(name, image_size=SMALLEST[name] - 1)
    assert error.value.lines == (
        f"model {name}: image size = {SMALLEST[name] - 1}: must be at least {SMALLEST[name]} pixels for this "
        "network. Cure: use larger images, or the model cnn.",
    )


@pytest.mark.parametrize("name", MODELS)
def test_weights_depend_on_the_seed_alone(name):
    torch.rand(3)  # another state of the global generator
    first = build(name).state_dict()
    torch.rand(3)
    again, other = build(name).state_dict(), build(name, seed=1).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", MODELS)
def test_the_global_generator_ends_as_it_was(name):
    state = torch.get_rng_state()
    build(name)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", MODELS)
def test_the_last_layer_with_parameters_is_the_linear_one(name):
    """What vSAM's norms are taken over by default."""
    *_, last = (module for module in build(name).modules() if list(module.parameters(recurse=False)))
    assert isinstance(last, nn.Linear)
    assert [len(parameter) for parameter in last.parameters()] == [10, 10]


@pytest.mark.parametrize("name", MODELS)
def test_the_defaults_of_the_table_are_options_of_the_builder(name):
    model = build(name, **MODELS[name].options)
    assert count_parameters(model) == count_parameters(build(name))


def test_resnet18_keeps_the_size_of_small_images_in_its_stem():
    model = build("resnet18")
    assert model.maxpool(model.conv1(torch.zeros(1, 3, 32, 32))).shape == (1, 64, 32, 32)


@pytest.mark.parametrize(
    ("name", "options", "lines"),
    [
        ("vgg", {}, ("model: 'vgg': no such model. Cure: write one of cnn, resnet8, resnet20, resnet18.",)),
        ("resnet18", {"width": 8}, ("model resnet18: width = 8: no such option. Cure: known: none.",)),
        (
            "cnn",
            {"width": 0, "depth": 3},
            (
                "model cnn: width = 0: must be at least 1. Cure: write 32.",
                "model cnn: depth = 3: no such option. Cure: known: width.",
            ),
        ),
    ],
)
def test_options_that_cannot_be(name, options, lines):
    with pytest.raises(InputError) as error:
        build(name, **options)
    assert error.value.lines == lines
