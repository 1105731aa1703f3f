"""Augmentation of a whole batch by tensor operations, without a loop over images or a wait for the device."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """One augmentation.

    Attributes:
        apply: (B, C, H, W) and a generator on its device -> (B, C, H, W) of the same type; pure except for the draws.
        normalised: whether it takes normalised float32 images; the others take uint8.
    """

    apply: Callable[[Tensor, Generator], Tensor]
    normalised: bool = False


def crop(x: Tensor, generator: Generator) -> Tensor:
    """Return each image of (B, C, H, W), shifted by a whole number of pixels, uniform over all offsets.

    The padding is 4 black pixels, as in ESAM for images of 32; choice: 1 for images under 28, where 4 is half an image.
    """
    size, height, width = x.shape[0], x.shape[2], x.shape[3]
    padding = 4 if height >= 28 else 1
    offsets = torch.randint(2 * padding + 1, (2, size), generator=generator, device=x.device)
    padded = pad(x, [padding] * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: (B, C, 2p + 1, 2p + 1, H, W)
    return windows[torch.arange(size, device=x.device), :, offsets[0], offsets[1]]


def flip(x: Tensor, generator: Generator) -> Tensor:
    """Mirror each image of (B, C, H, W) left to right with probability 0.5."""
    mirrored = torch.rand(len(x), generator=generator, device=x.device) < 0.5
    return torch.where(mirrored[:, None, None, None], x.flip(3), x)


def cutout(x: Tensor, generator: Generator) -> Tensor:
    """Return normalised images, (B, C, H, H); with probability 0.5 a square of half the side is 0, the mean colour.

    That is ESAM's form; in DeVries and Taylor's paper the probability is 1.
    The left and the top edge of the square are uniform in -(H//4) .. H - H//4 - 1, so the square can extend over the
    border: for images of 32 it is 16 pixels wide and starts at -8 to 23.
    """
    size, side = x.shape[0], x.shape[2]
    chosen = torch.rand(size, generator=generator, device=x.device) < 0.5
    corners = torch.randint(-(side // 4), side - side // 4, (2, size, 1), generator=generator, device=x.device)
    pixels = torch.arange(side, device=x.device)
    rows, columns = (pixels >= corners) & (pixels < corners + side // 2)  # (B, H) each
    return x.masked_fill((chosen[:, None, None] & rows[:, :, None] & columns[:, None, :]).unsqueeze(1), 0.0)


# The order of application, independent of the order in a study file.
AUGMENTATIONS: dict[str, Augmentation] = {
    "crop": Augmentation(apply=crop),
    "flip": Augmentation(apply=flip),
    "cutout": Augmentation(apply=cutout, normalised=True),
}
