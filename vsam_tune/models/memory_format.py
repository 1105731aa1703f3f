"""The memory format of a network in training."""

import torch
from torch import nn

_BLOCK = 16  # channels of oneDNN's widest block (AVX-512; 8 with AVX2)


def memory_format(model: nn.Module, device: torch.device, *, channels_last: bool) -> torch.memory_format:
    """Return the memory format for a network's images and weights: channels last if wanted and safe.

    On a CPU with channels last, oneDNN's gradient of a 1x1 convolution with a stride and few input channels writes past
    its buffer: wrong gradients, or a crash (oneDNN issue 6035, open; present in torch 2.14.1). A narrow ResNet has
    such shortcuts.
    """
    overflows = device.type == "cpu" and any(
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and layer.stride != (1, 1)
        and layer.in_channels // layer.groups < _BLOCK
        for layer in model.modules()
    )
    return torch.channels_last if channels_last and not overflows else torch.contiguous_format
