"""Batches of a data set in the memory of the device; seed, epoch and position determine each one."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vsam_tune.data.augmentation import AUGMENTATIONS
from vsam_tune.data.images import Images
from vsam_tune.errors import InputError, problem
from vsam_tune.seeds import derive_seed


class Batch(NamedTuple):
    """One batch, on the loader's device.

    Attributes:
        x: (B, C, H, W) float32, normalised.
        y: (B,) int64.
        index: (B,) int64, positions in the loader's images.
    """

    x: Tensor
    y: Tensor
    index: Tensor  # type: ignore[assignment] # hides tuple.index, which is of no use here


class ResidentLoader:
    """Batches of images that are resident on the device as uint8.

    The loader has no state: the order of an epoch follows from (seed, epoch), the augmentation of a batch from (seed,
    epoch, position). So a trial resumed inside an epoch gets the same bits as an uninterrupted one. Nothing waits for
    the device.

    Args:
        images: on any device; copied to `device` once.
        mean: (C,) float32, in units of uint8.
        std: (C,) float32, in units of uint8, positive.
        batch_size: images per batch, >= 1; the last batch of an epoch may be smaller.
        augmentation: keys of AUGMENTATIONS, applied in the order of that dict.
        seed: of order and augmentation, through sub-seeds.
        device: of the images and the batches.
        channels_last: memory layout of `x`; convolutions on CPUs are faster with it.
        shuffle: False for the order of `images`, in validation and test.

    Raises:
        InputError: an augmentation is unknown or repeated, or `batch_size` is below 1.
    """

    def __init__(  # noqa: PLR0913 - plain keyword arguments instead of a settings object
        self,
        images: Images,
        *,
        mean: Tensor,
        std: Tensor,
        batch_size: int,
        augmentation: Sequence[str] = (),
        seed: int = 0,
        device: torch.device | str = "cpu",
        channels_last: bool = False,
        shuffle: bool = True,
    ) -> None:
        _check(batch_size, augmentation)
        self.device = torch.device(device)
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._x, self._y = images.x.to(self.device), images.y.to(self.device)
        self._mean, self._std = (values.to(self.device)[:, None, None] for values in (mean, std))
        applied = [AUGMENTATIONS[name] for name in AUGMENTATIONS if name in augmentation]
        self._on_pixels = [each.apply for each in applied if not each.normalised]
        self._on_normalised = [each.apply for each in applied if each.normalised]
        self._generator = torch.Generator(self.device)  # seeded before each use: it has no memory

    def __len__(self) -> int:
        """Return the number of iterations per epoch."""
        return math.ceil(len(self._y) / self.batch_size)

    @property
    def num_images(self) -> int:
        """Number of images per epoch."""
        return len(self._y)

    @property
    def whole_batch(self) -> int:
        """Number of images in every batch except the last of an epoch."""
        return min(self.batch_size, self.num_images)

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from position `start` on.

        Args:
            epoch: from 0; determines order and augmentation.
            start: position of the first batch, from 0; skipping the earlier ones costs nothing.

        Yields:
            Batches; with `start` 0, they hold every image exactly once.
        """
        order = self._order(epoch)
        for position in range(start, len(self)):
            index = order[position * self.batch_size : (position + 1) * self.batch_size]
            self._generator.manual_seed(derive_seed(self.seed, "augmentation", epoch, position))
            yield Batch(self._images(index), self._y[index], index)

    def _order(self, epoch: int) -> Tensor:
        """Return the order of an epoch, (N,) int64."""
        if not self.shuffle:
            return torch.arange(len(self._y), device=self.device)
        self._generator.manual_seed(derive_seed(self.seed, "order", epoch))
        return torch.randperm(len(self._y), generator=self._generator, device=self.device)

    def _images(self, index: Tensor) -> Tensor:
        """Return the images at `index`, augmented and normalised, (B, C, H, W) float32."""
        pixels = self._x[index]
        for apply in self._on_pixels:
            pixels = apply(pixels, self._generator)
        x = pixels.to(torch.float32, memory_format=self._layout).sub_(self._mean).div_(self._std)
        for apply in self._on_normalised:
            x = apply(x, self._generator)
        return x.contiguous(memory_format=self._layout)  # copies only if an augmentation changed the layout


def _check(batch_size: int, augmentation: Sequence[str]) -> None:
    """Check the settings that come from a study file.

    Raises:
        InputError: see ResidentLoader.
    """
    found = []
    if batch_size < 1:
        found.append(problem("loader", "batch_size", batch_size, "must be at least 1", "write 64 or 128"))
    if not set(augmentation) <= AUGMENTATIONS.keys() or len(set(augmentation)) < len(augmentation):
        rule = f"must be names among {', '.join(AUGMENTATIONS)}, each once"
        found.append(problem("loader", "augmentation", list(augmentation), rule, "correct the list"))
    if found:
        raise InputError(*found)
