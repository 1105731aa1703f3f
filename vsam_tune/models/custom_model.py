"""Custom networks, `module:builder`: built like those of MODELS, and run once to check that they fit the images."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from vsam_tune.errors import InputError, problem
from vsam_tune.registry.object_reference import check_call, resolve_object

_SHAPES = "make it take (B, C, H, W) float32 images, and return (B, num_classes) logits"
_FAILURES = (RuntimeError, TypeError, ValueError, IndexError)  # of layers that do not accept a shape


def custom_builder(name: str, options: Mapping[str, object]) -> Callable[[int, int, int], nn.Module]:
    """Return the function from (in_channels, image_size, num_classes) to the network.

    Args:
        name: `module:builder`, of a function or a class that takes these three and the options.
        options: keyword arguments of the builder.

    Raises:
        InputError: there is no such builder. The returned function raises it if the builder does not accept the
            options, or does not return a network for such images.
    """
    fix = "name a function that returns a torch.nn.Module, in a module that is installed or in this folder"
    builder = resolve_object(name, where="task", key="model.name", fix=fix)
    if isinstance(builder, nn.Module):  # it can be called, but with images
        rule = "is a network already; each trial needs its own, with weights of its seed"
        raise InputError(problem("task", "model.name", name, rule, "name its class, or a function that returns it"))

    def build(in_channels: int, image_size: int, num_classes: int) -> nn.Module:
        check_call(builder, in_channels, image_size, num_classes, where=f"model {name}", options=options)
        model = builder(in_channels, image_size, num_classes, **options)
        if not isinstance(model, nn.Module):
            rule = f"must return a torch.nn.Module, not {type(model).__name__}"
            raise InputError(problem(f"model {name}", "", None, rule, "return the network"))
        _check_logits(model, torch.zeros(2, in_channels, image_size, image_size), num_classes, f"model {name}")
        return model

    return build


def _check_logits(model: nn.Module, x: Tensor, num_classes: int, where: str) -> None:
    """Run a network once in evaluation mode: lazy layers get their shapes, and no statistics change.

    Raises:
        InputError: if it fails, or does not return logits.
    """
    model.eval()
    try:
        with torch.no_grad():
            logits = model(x)
    except _FAILURES as error:
        rule = f"fails on images of the shape {tuple(x.shape)}: {error}"
        raise InputError(problem(where, "", None, rule, _SHAPES)) from error
    model.train()
    if not isinstance(logits, Tensor):
        raise InputError(problem(where, "", None, f"must return a tensor, not {type(logits).__name__}", _SHAPES))
    if logits.shape != (len(x), num_classes) or not logits.is_floating_point():
        shape, dtype = tuple(logits.shape), str(logits.dtype).removeprefix("torch.")
        rule = f"returns {dtype} {shape} for {len(x)} images of {num_classes} classes"
        raise InputError(problem(where, "", None, rule, _SHAPES))
