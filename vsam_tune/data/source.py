"""Request and Source, the argument and the result of a reader, and the checks of every data set."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vsam_tune.data.images import Images
from vsam_tune.errors import InputError, problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The argument of a reader; each reader uses the attributes that it needs.

    Attributes:
        name: key of DATASETS, or `module:function` of a custom reader.
        path: the path after the name and a colon, for readers that take one.
        root: folder of downloaded data sets; None for the user's cache.
        download: whether to fetch a missing data set.
        resize: height and width that the task wants, for images of several sizes; None keeps their size.
    """

    name: str
    path: Path | None = None
    root: Path | None = None
    download: bool = False
    resize: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Source:
    """The result of a reader: a data set before any split, checked by `checked_source`.

    Attributes:
        train: all images for training and validation; each class occurs.
        test: images for the test only.
        num_classes: labels are 0 to num_classes - 1.
    """

    train: Images
    test: Images
    num_classes: int


def checked_source(where: object, train: Images, test: Images) -> Source:
    """Return two parts as a Source after checking them.

    The number of classes is the largest training label plus one; `where` begins the message of an error.

    Raises:
        InputError: a part is empty, image sizes differ, labels are negative, there is only one class, a class has no
            training image, a test label does not occur in training, or all training images are equal. It reports all
            problems at once.
    """
    empty = [part for part, images in (("train", train), ("test", test)) if len(images) == 0]
    if empty:
        fix = "add images to it"
        raise InputError(*(problem(where, part, None, "holds no images", fix) for part in empty))
    num_classes = max(2, int(train.y.max()) + 1)  # one class is not a task
    found = [
        *_label_problems(where, "train", train.y, num_classes),
        *_label_problems(where, "test", test.y, num_classes),
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
    if len(train) > 1 and all(torch.equal(image, train.x[0]) for image in train.x):
        found.append(problem(where, "train", None, "all images are equal", "check how these images were made"))
    if found:
        raise InputError(*found)
    return Source(train=train, test=test, num_classes=num_classes)


def _label_problems(where: object, part: str, y: Tensor, num_classes: int) -> list[str]:
    """Return a problem if a label of (N,) int64 `y` is not in [0, num_classes)."""
    wrong = y[(y < 0) | (y >= num_classes)]
    if len(wrong) == 0:
        return []
    rule = f"labels must be from 0 to {num_classes - 1}, as in the training part; {len(wrong)} are not"
    return [problem(where, f"{part} label", int(wrong[0]), rule, "correct or remove these images")]


def _shape(x: Tensor) -> str:
    """Return `3x32x32` for (N, 3, 32, 32)."""
    return "x".join(str(length) for length in x.shape[1:])
