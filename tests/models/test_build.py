"""Networks by name: sizes, seeds, and invalid options."""

import pytest
import torch
from torch import nn

from tests.support.networks import ONE_PIXEL, SMALL, SMALLEST, build
from vsam_tune.errors import InputError
from vsam_tune.models.build import build_shapes, count_parameters
from vsam_tune.registry.data_and_models import MODELS


def test_frozen_parameters_are_not_counted():
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    assert count_parameters(model) == 6


# grey images of the smallest size, and colour images of a size that no stride divides; the rest of the grid is slow
ENDS = [(name, *images) for name in MODELS for images in ((1, SMALLEST[name]), (3, 33))]
GRID = [(name, channels, size) for name in MODELS for channels in (1, 3) for size in (8, 16, 28, 32, 33)]
BETWEEN = [each for each in GRID if each[2] >= SMALLEST[each[0]] and each not in ENDS]


@pytest.mark.parametrize(
    ("name", "channels", "image_size"), [*ENDS, *(pytest.param(*each, marks=pytest.mark.slow) for each in BETWEEN)]
)
def test_logits_for_images_of_each_size(name, channels, image_size):
    with torch.device("meta"):
        model = build(name, in_channels=channels, image_size=image_size, num_classes=7)
        assert model(torch.zeros(2, channels, image_size, image_size)).shape == (2, 7)


@pytest.mark.parametrize("name", [name for name in SMALL if name not in ONE_PIXEL])
def test_the_smallest_images_train_even_one_at_a_time(name):
    """Batch norm cannot train on one image with a map of one pixel."""
    size = SMALLEST[name]
    model = build(name, image_size=size).train()
    model(torch.zeros(1, 3, size, size)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", ONE_PIXEL)
def test_images_that_shrink_to_one_pixel_train_two_at_a_time(name):
    size = SMALLEST[name]
    model = build(name, image_size=size).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        model(torch.zeros(1, 3, size, size))
    model(torch.zeros(2, 3, size, size)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_images_that_are_too_small(name):
    with pytest.raises(InputError) as error:
        build(name, image_size=SMALLEST[name] - 1)
    assert error.value.lines == (
        f"model {name}: image size = {SMALLEST[name] - 1}: must be at least {SMALLEST[name]} pixels for this "
        "network. Fix: use larger images, or the model cnn.",
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
def test_the_global_generator_does_not_change(name):
    state = torch.get_rng_state()
    build(name)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", MODELS)
def test_shapes_are_those_of_the_network(name):
    model = MODELS[name]
    built = build(name, in_channels=model.channels, image_size=model.image_size, num_classes=7)
    shapes = build_shapes(name, num_classes=7)
    assert [(key, value.shape, value.dtype) for key, value in shapes.state_dict().items()] == [
        (key, value.shape, value.dtype) for key, value in built.state_dict().items()
    ]
    assert {value.device.type for value in shapes.state_dict().values()} == {"meta"}


@pytest.mark.parametrize("name", MODELS)
def test_the_last_layer_with_parameters_is_the_linear_one(name):
    """By default vSAM takes its norms over this layer."""
    shapes = build_shapes(name, num_classes=10)
    *_, last = (module for module in shapes.modules() if list(module.parameters(recurse=False)))
    assert isinstance(last, nn.Linear)
    assert [len(parameter) for parameter in last.parameters()] == [10, 10]


@pytest.mark.parametrize("name", MODELS)
def test_the_defaults_of_the_table_are_options_of_the_builder(name):
    given = build_shapes(name, num_classes=10, **MODELS[name].options)
    assert count_parameters(given) == count_parameters(build_shapes(name, num_classes=10))


@pytest.mark.parametrize(
    ("name", "options", "lines"),
    [
        ("vgg", {}, (f"model: 'vgg': no such model. Fix: write one of {', '.join(MODELS)}.",)),
        ("resnet18", {"width": 8}, ("model resnet18: width = 8: no such option. Fix: known: none.",)),
        (
            "cnn",
            {"width": 0, "depth": 3},
            (
                "model cnn: width = 0: must be at least 1. Fix: write 32.",
                "model cnn: depth = 3: no such option. Fix: known: width.",
            ),
        ),
        (
            "wrn",
            {"depth": 26},
            ("model wrn: depth = 26: must be 6 n + 4, three stages of n blocks of two convolutions. Fix: write 28.",),
        ),
        (
            "pyramidnet",
            {"depth": 1},
            (
                "model pyramidnet: depth = 1: must be 6 n + 2, three stages of n blocks of two convolutions. "
                "Fix: write 8.",
            ),
        ),
        (
            "mobilenet_v1",
            {"width_percent": 3},
            (
                "model mobilenet_v1: width_percent = 3: must leave one channel of the 32 in the first convolution. "
                "Fix: write 4 or more.",
            ),
        ),
    ],
)
def test_invalid_options(name, options, lines):
    with pytest.raises(InputError) as error:
        build(name, **options)
    assert error.value.lines == lines
