"""What a reader is asked for, what it returns, and what must hold for every data set, whoever read it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vsam_tune.data.images import Images
from vsam_tune.errors import InputError, problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a reader is asked for; each uses the part that concerns it.

    Attributes:
        name: key of DATASETS, or `module:function` of one's own.
        path: what followed the name and a colon, for readers that take one.
        root: folder of downloaded data sets; None for the user's cache.
        download: whether a data set that is not there may be fetched.
        resize: height and width that the task wants, for images of several sizes; None for as they are.
    """

    name: str
    path: Path | None = None
    root: Path | None = None
    download: bool = False
    resize: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Source:
    """What a reader returns: a data set before any split, checked by `checked_source`.

    Attributes:
        train: all images that may be trained on; each of the classes occurs.
        test: images never trained on nor searched on.
        num_classes: labels are 0 to num_classes - 1.
    """

    train: Images
    test: Images
    num_classes: int


def checked_source(where: object, train: Images, test: Images) -> Source:
    """Return the two parts as a Source after checking what every task relies on.

    Args:
        where: file, folder or name, for the message.
        train: the training images; their labels say how many classes there are.
        test: the test images; a class may be missing in them.

    Returns:
        The source; the number of classes is the largest training label plus one.

    Raises:
        InputError: a part is empty, image sizes differ, labels are negative, there is one class only, a class
            has no training image, or a test label does not occur in training. All problems at once.
    """
    empty = [part for part, images in (("train", train), ("test", test)) if len(images) == 0]
    if empty:
        fix = "add images to it"
        raise InputError(*(problem(where, part, None, "holds no images", fix) for part in empty))
    num_classes = max(2, int(train.y.max()) + 1)  # one class leaves nothing to learn
    found = [
        *_label_findings(where, "train", train.y, num_classes),
        *_label_findings(where, "test", test.y, num_classes),
    ]
    present = torch.unique(train.y[train.y >= 0])
    if len(present) < num_classes:
        occur = f"{len(present)} of {num_classes} classes occur"
        rule = f"labels must be 0 to K-1, K >= 2, each at least once; {occur}"
        found.append(problem(where, "train", None, rule, "number the classes without gaps, from 0"))
    if train.x.shape[1:] != test.x.shape[1:]:
        shapes = f"{_shape(train.x)} and {_shape(test.x)}"
        rule = f"training and test images must have one shape; they are {shapes}"
        found.append(problem(where, "", None, rule, "convert one part to the other's size and colours"))
    if found:
        raise InputError(*found)
    return Source(train=train, test=test, num_classes=num_classes)


def _label_findings(where: object, part: str, y: Tensor, num_classes: int) -> list[str]:
    """Return a problem where a label of (N,) int64 `y` is not in [0, num_classes)."""
    wrong = y[(y < 0) | (y >= num_classes)]
    if len(wrong) == 0:
        return []
    rule = f"labels must be in 0 to {num_classes - 1}, those of the training part; {len(wrong)} are not"
    return [problem(where, f"{part} label", int(wrong[0]), rule, "correct or remove these images")]


def _shape(x: Tensor) -> str:
    """Return `3x32x32` for (N, 3, 32, 32)."""
    return "x".join(str(length) for length in x.shape[1:])
