"""Stratified cuts of a training set: the subset of a task, and its validation part."""

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from vsam_tune.errors import InputError, problem
from vsam_tune.seeds import derive_seed


def subset_index(data: str, y: Tensor, *, num_classes: int, size: int, seed: int) -> Tensor:
    """Return the indices of a stratified subset of the labels (N,) int64 `y`: (size,) int64, ascending.

    Raises:
        InputError: there are fewer than `size` images, a side of the cut cannot hold every class, or a class has only
            one image.
    """
    if size == len(y):
        return torch.arange(size)
    rest = len(y) - size
    if size < num_classes or rest < num_classes:
        rule = (
            f"must be {len(y)}, or from {num_classes} to {len(y) - num_classes}, so that every class is on both sides"
        )
        raise InputError(problem(data, "subset", size, rule, "write a number in that range, or leave it out"))
    _check_classes(data, y, num_classes)
    return _stratified(y, rest, derive_seed(seed, "subset"))[0]


def split_index(data: str, y: Tensor, *, num_classes: int, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the indices of the training and of the validation part, stratified: two int64 tensors, ascending.

    Together they are 0 to N - 1. The validation part has `fraction` of the images, rounded to a whole number.

    Raises:
        InputError: a part cannot hold every class, or a class has only one image.
    """
    held_out = round(fraction * len(y)) if 0.0 < fraction < 1.0 else 0
    if held_out < num_classes or len(y) - held_out < num_classes:
        low = num_classes / len(y)
        rule = f"must leave an image of each class on both sides: in [{low:.3g}, {1 - low:.3g}]"
        fix = "write a number in that range, or use more images"
        raise InputError(problem(data, "validation_fraction", fraction, rule, fix))
    _check_classes(data, y, num_classes)
    return _stratified(y, held_out, derive_seed(seed, "split"))


def _check_classes(data: str, y: Tensor, num_classes: int) -> None:
    """Check that each class can be on both sides of a cut.

    Raises:
        InputError: a class has fewer than two images.
    """
    counts = torch.bincount(y, minlength=num_classes)
    if int(counts.min()) < 2:
        rule = f"class {int(counts.argmin())} must have 2 training images for a split; {int(counts.min())} found"
        raise InputError(problem(data, "", None, rule, "add images of this class, or keep a larger subset"))


def _stratified(y: Tensor, second: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the indices of two parts, ascending; the latter has `second` images."""
    parts = train_test_split(np.arange(len(y)), test_size=second, stratify=y.numpy(), random_state=seed % 2**32)
    first, last = (torch.from_numpy(np.sort(part)) for part in parts)
    return first, last
