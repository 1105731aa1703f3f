"""UCI optical digits from scikit-learn: 1,797 grey images of 8x8, without a download."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from vsam_tune.data.images import Images
from vsam_tune.data.source import Request, Source, checked_source

_TEST_IMAGES = 349  # choice: of the other 1,448 a fraction of 0.24 held out gives 1,100 + 348, as in VSAM.md
_TEST_SEED = 1797  # constant: the test images must be the same in every study


def read(request: Request) -> Source:
    """Return 1,448 training and 349 test images, (1, 8, 8) of values 0 to 16; every call returns the same."""
    digits = load_digits()
    x = torch.from_numpy(digits.images.astype(np.uint8)).unsqueeze(1)
    y = torch.from_numpy(digits.target.astype(np.int64))
    everything = Images(x, y)
    train, test = train_test_split(
        np.arange(len(everything)), test_size=_TEST_IMAGES, stratify=digits.target, random_state=_TEST_SEED
    )
    return checked_source(
        request.name,
        everything.select(torch.from_numpy(np.sort(train))),
        everything.select(torch.from_numpy(np.sort(test))),
    )
