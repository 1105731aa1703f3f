"""Augmentation of a whole batch by tensor operations: no loop over images, no wait for the device."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """One augmentation.

    Attributes:
        apply: (B, C, H, W) and a generator on its device -> (B, C, H, W) of the same type;
            pure but for the draws.
        normalised: whether it takes normalised float32 images; the others take uint8.
    """

    apply: Callable[[Tensor, Generator], Tensor]
    normalised: bool = False


def crop(x: Tensor, generator: Generator) -> Tensor:
    """Shift each image by its own whole number of pixels, uniform over all offsets; zeros (black) come in.

    Args:
        x: (B, C, H, W).
        generator: on the device of `x`.

    Returns:
        (B, C, H, W). Padding is 4 pixels, ESAM's for 32; choice: 1 under 28, where 4 is half an image.
    """
    size, height, width = x.shape[0], x.shape[2], x.shape[3]
    padding = 4 if height >= 28 else 1
    offsets = torch.randint(2 * padding + 1, (2, size), generator=generator, device=x.device)
    padded = pad(x, [padding] * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: (B, C, 2p + 1, 2p + 1, H, W)
    return windows[torch.arange(size, device=x.device), :, offsets[0], offsets[1]]


def flip(x: Tensor, generator: Generator) -> Tensor:
    """Mirror each image left to right with probability 0.5.

    Args:
        x: (B, C, H, W).
        generator: on the device of `x`.

    Returns:
        (B, C, H, W).
    """
    mirrored = torch.rand(len(x), generator=generator, device=x.device) < 0.5
    return torch.where(mirrored[:, None, None, None], x.flip(3), x)


def cutout(x: Tensor, generator: Generator) -> Tensor:
    """Set one square of half the side to 0, the mean colour, in each image with probability 0.5.

    That is ESAM's form; DeVries and Taylor's own has probability 1.

    Args:
        x: (B, C, H, H) float32, normalised.
        generator: on the device of `x`.

    Returns:
        (B, C, H, H). The square's left and top edge are uniform in -(H//4) .. H - H//4 - 1, so that it may
        hang over the border: 16 pixels wide, from -8 to 23, for images of 32.
    """
    size, side = x.shape[0], x.shape[2]
    chosen = torch.rand(size, generator=generator, device=x.device) < 0.5
    corners = torch.randint(-(side // 4), side - side // 4, (2, size, 1), generator=generator, device=x.device)
    pixels = torch.arange(side, device=x.device)
    rows, columns = (pixels >= corners) & (pixels < corners + side // 2)  # (B, H) each
    return x.masked_fill((chosen[:, None, None] & rows[:, :, None] & columns[:, None, :]).unsqueeze(1), 0.0)


# In the order in which they are applied, whatever the order in a study file.
AUGMENTATIONS: dict[str, Augmentation] = {
    "crop": Augmentation(apply=crop),
    "flip": Augmentation(apply=flip),
    "cutout": Augmentation(apply=cutout, normalised=True),
}
