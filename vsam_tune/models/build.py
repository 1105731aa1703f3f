"""Build a network by name, its initial weights fixed by a seed; or its shapes alone, to count."""

import functools
import pkgutil
from collections.abc import Callable, Mapping

import torch
from torch import nn

from vsam_tune.errors import InputError, problem
from vsam_tune.models.custom_model import own_builder
from vsam_tune.registry.data_and_models import MODELS
from vsam_tune.registry.object_reference import is_object_path


def build_model(
    name: str, *, in_channels: int, image_size: int, num_classes: int, seed: int, **options: object
) -> nn.Module:
    """Return a network on the CPU whose weights depend on the arguments alone.

    Args:
        name: key of MODELS, or `module:builder` of one's own.
        in_channels: colour channels of an image.
        image_size: height, and width, of an image in pixels.
        num_classes: outputs of the network.
        seed: fixes the initial weights; the global generators end as they were.
        options: those of MODELS[name], >= 1; its defaults stand for what is left out. Or those of the builder.

    Returns:
        The network: (B, in_channels, image_size, image_size) float32 -> (B, num_classes) logits.

    Raises:
        InputError: the name or an option is unknown, an option is below 1 or not one of the network, the images are
            too small, or one's own is no network for them.
    """
    builder = own_builder(name, options) if is_object_path(name) else _builder(name, options)
    with torch.random.fork_rng(devices=[]):
        # The layers' own initialisers know no generator but the global one. The CPU's alone is seeded, since
        # torch.manual_seed would also seed each GPU's, which fork_rng would have to copy back.
        torch.default_generator.manual_seed(seed)
        return builder(in_channels, image_size, num_classes)


def _builder(name: str, options: Mapping[str, object]) -> Callable[[int, int, int], nn.Module]:
    """Return the function from (in_channels, image_size, num_classes) to a network of ours.

    Raises:
        InputError: if the name or an option is unknown, or an option below 1.
    """
    if name not in MODELS:
        raise InputError(problem("model", "", name, "no such model", f"write one of {', '.join(MODELS)}"))
    model = MODELS[name]
    found = [
        problem(f"model {name}", option, value, "no such option", f"known: {', '.join(model.options) or 'none'}")
        if option not in model.options
        else problem(f"model {name}", option, value, "must be at least 1", f"write {model.options[option]}")
        for option, value in options.items()
        if option not in model.options or not isinstance(value, int) or value < 1
    ]
    if found:
        raise InputError(*found)
    return functools.partial(pkgutil.resolve_name(model.builder), **{**model.options, **options})


def build_shapes(name: str, *, num_classes: int, **options: int) -> nn.Module:
    """Return a network for the images that it is meant for, on torch's meta device: shapes, no memory, no weights."""
    model = MODELS[name]
    with torch.device("meta"):
        return build_model(
            name,
            in_channels=model.channels,
            image_size=model.image_size,
            num_classes=num_classes,
            seed=0,
            **options,
        )


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers are trained."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
