"""Symmetric label noise: on an easy data set, it makes SAM and SGD learn differently."""

import numpy as np
import torch
from torch import Tensor

from vsam_tune.seeds import derive_seed


def noisy_labels(y: Tensor, *, num_classes: int, rate: float, seed: int) -> Tensor:
    """Draw labels anew with probability `rate`, label by label.

    Both draws are made for every label, so the new label i depends on i, `rate` and `seed` only: the split does not
    matter, and a rate of 0.4 makes all the changes of 0.2.

    Args:
        y: (N,) int64, clean.
        num_classes: number of classes to draw from, uniformly, the true one included.
        rate: probability of a draw, in [0, 1].
        seed: the task's seed.

    Returns:
        (N,) int64.
    """
    generator = np.random.default_rng(derive_seed(seed, "label noise"))
    chosen = torch.from_numpy(generator.random(len(y)) < rate)
    drawn = torch.from_numpy(generator.integers(num_classes, size=len(y)))
    return torch.where(chosen, drawn, y)
