"""Labelled images as two tensors, and pure functions of images."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

_RESIZED_TOGETHER = 4096  # images in float32 at a time: 48 MiB for colour images of 32x32


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images and their labels.

    Attributes:
        x: (N, C, H, W) uint8.
        y: (N,) int64, in [0, classes).
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def select(self, index: Tensor) -> "Images":
        """Return the images at `index`, (M,) int64, in that order."""
        return Images(self.x[index], self.y[index])


def resized(x: Tensor, size: int) -> Tensor:
    """Return (N, C, H, W) uint8 images, shrunk to (N, C, size, size) by averaging areas, and rounded to integers.

    The `size` is at most min(H, W); images of that size are returned unchanged.
    """
    if x.shape[2:] == (size, size):
        return x
    parts = [interpolate(part.float(), size=(size, size), mode="area") for part in torch.split(x, _RESIZED_TOGETHER)]
    return torch.cat([part.round().to(torch.uint8) for part in parts])


def channel_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the channels of (N, C, H, W) uint8: two (C,) float32, from 0 to 255.

    They are exact except for the last rounding. The deviation of a constant channel is 1 instead of 0, for safe
    division.
    """
    counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in x.unbind(1)]).double()
    levels = torch.arange(256, dtype=torch.float64)
    share = counts / counts.sum(1, keepdim=True)
    mean = share @ levels
    variance = (share * (levels - mean[:, None]) ** 2).sum(1)
    std = torch.where(variance > 0, variance.sqrt(), 1.0)
    return mean.float(), std.float()
