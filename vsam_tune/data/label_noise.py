"""Symmetric label noise: what makes an easy data set one that SAM and SGD learn differently."""

import numpy as np
import torch
from torch import Tensor

from vsam_tune.seeds import derive_seed


def noisy_labels(y: Tensor, *, num_classes: int, rate: float, seed: int) -> Tensor:
    """Draw labels anew with probability `rate`, label by label.

    What happens to label i depends on i, `rate` and `seed` alone, since both draws are made for every label:
    a part's labels do not depend on how the set is split, and those that 0.2 changes, 0.4 changes likewise.

    Args:
        y: (N,) int64, clean.
        num_classes: classes to draw from, uniformly; the true one is among them.
        rate: probability of a draw, in [0, 1].
        seed: the task's seed.

    Returns:
        (N,) int64.
    """
    generator = np.random.default_rng(derive_seed(seed, "label noise"))
    chosen = torch.from_numpy(generator.random(len(y)) < rate)
    drawn = torch.from_numpy(generator.integers(num_classes, size=len(y)))
    return torch.where(chosen, drawn, y)
