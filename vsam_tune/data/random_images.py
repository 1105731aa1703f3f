"""Random images in the shape of a data set, to measure the cost of training without the data."""

import torch

from vsam_tune.data.images import Images
from vsam_tune.data.source import Request, Source, checked_source

_SHAPES = {  # by name: classes, training images, test images, of 3x32x32
    "random_cifar10": (10, 50_000, 10_000),
    "random_cifar100": (100, 50_000, 10_000),
}


def read(request: Request) -> Source:
    """Return uint8 noise and balanced labels; every call returns the same."""
    num_classes, num_train, num_test = _SHAPES[request.name]
    draws = torch.Generator().manual_seed(0)
    train, test = (
        Images(
            torch.randint(0, 256, (size, 3, 32, 32), generator=draws, dtype=torch.uint8),
            torch.arange(size) % num_classes,
        )
        for size in (num_train, num_test)
    )
    return checked_source(request.name, train, test)
