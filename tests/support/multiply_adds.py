"""Multiply-adds of a network, counted at its convolutions and linear layers."""

from math import prod

import torch
from torch import nn


def multiply_adds(model: nn.Module, channels: int, image_size: int) -> int:
    """Return the multiply-adds of one image in evaluation mode, on the device of the weights, which may be meta."""
    counted: list[int] = []

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        # weight: (out, in / groups, k, k) or (out, in), of which each element of the output uses one row
        counted.append(output.numel() * prod(layer.weight.shape[1:]))

    hooks = [
        module.register_forward_hook(count) for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    device = next(model.parameters()).device
    model.eval()(torch.zeros(1, channels, image_size, image_size, device=device))
    for hook in hooks:
        hook.remove()
    return sum(counted)
