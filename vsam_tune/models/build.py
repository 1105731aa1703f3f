"""Build a network by name with initial weights from a seed, or build only its shapes."""

import functools
import pkgutil
from collections.abc import Callable, Mapping

import torch
from torch import nn

from vsam_tune.errors import InputError, problem
from vsam_tune.models.custom_model import custom_builder
from vsam_tune.registry.data_and_models import MODELS
from vsam_tune.registry.object_reference import is_object_path


def build_model(
    name: str, *, in_channels: int, image_size: int, num_classes: int, seed: int, **options: object
) -> nn.Module:
    """Return a network on the CPU whose weights depend on the arguments alone.

    Args:
        name: key of MODELS, or `module:builder` of a custom network.
        in_channels: colour channels of an image.
        image_size: height and width of an image in pixels.
        num_classes: outputs of the network.
        seed: of the initial weights; the global generators keep their states.
        options: those of MODELS[name], >= 1, which has defaults; or those of the custom builder.

    Returns:
        The network: (B, in_channels, image_size, image_size) float32 -> (B, num_classes) logits.

    Raises:
        InputError: the name or an option is unknown, an option is below 1, the images are too small, or the custom
            network does not fit them.
    """
    builder = custom_builder(name, options) if is_object_path(name) else _builder(name, options)
    with torch.random.fork_rng(devices=[]):
        # The initialisers of the layers take the global generator only. We seed the CPU's alone: torch.manual_seed
        # would also seed each GPU's, and fork_rng would have to copy them back.
        torch.default_generator.manual_seed(seed)
        return builder(in_channels, image_size, num_classes)


def _builder(name: str, options: Mapping[str, object]) -> Callable[[int, int, int], nn.Module]:
    """Return the function from (in_channels, image_size, num_classes) to a network of MODELS.

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
    """Return a network for the images of its registry entry, on torch's meta device: shapes without weights."""
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
    """Return the number of trainable values."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
