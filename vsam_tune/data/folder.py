"""`folder:PATH`: images in PATH/train/CLASS/ and PATH/test/CLASS/, the layout of torchvision's ImageFolder."""

import logging
import shlex
from pathlib import Path

import torch
from torch import Tensor

from vsam_tune.data.image_file import read_rgb
from vsam_tune.data.image_listing import Listing, describe_left_out, list_images
from vsam_tune.data.images import Images, resized
from vsam_tune.data.source import Request, Source, checked_source
from vsam_tune.errors import InputError, problem

logger = logging.getLogger(__name__)

_MOST_LINES = 10  # about unreadable images
_DARK = 64  # of 255; a quarter of the range
_COMMON_SIDE = 32  # pixels; of CIFAR, for which most networks here are made
_PARTS = {"train": "training part", "test": "test part (a search holds its validation part out of train)"}
_OTHER_NAMES = {  # of the two parts
    "train": ("training", "Train", "TRAIN", "Training"),
    "test": ("val", "valid", "validation", "testing", "Test", "TEST", "Testing", "Val", "VAL"),
}


def read(request: Request) -> Source:
    """Read every image as RGB, and shrink it to `resize` if that is given. Log what is left out.

    Returns:
        The images class by class, classes in the alphabetical order of their folders.

    Raises:
        InputError: a folder is missing or has no classes, the classes of the parts differ, an image cannot be read, or
            images differ in size and there is no `resize`.
    """
    path = request.path or Path()
    if not path.is_dir():
        raise InputError(_no_folder(path))
    missing = [_missing(path, part) for part in _PARTS if not (path / part).is_dir()]
    if missing:
        raise InputError(*dict.fromkeys(missing))
    train, test = list_images(path / "train"), list_images(path / "test")
    if left_out := describe_left_out([train, test], path):
        logger.warning("%s", left_out)
    if train.classes != test.classes:
        alone = ", ".join(sorted(set(train.classes) ^ set(test.classes)))
        rule = f"train and test must have the same class folders; only one of them has {alone}"
        raise InputError(problem(path, "", None, rule, "add or remove these folders"))
    reading = _Reading(request.resize)
    parts = [reading.images(listing) for listing in (train, test)]
    if problems := reading.problems(path):
        raise InputError(*problems)
    for line in reading.warnings(path):
        logger.warning("%s", line)
    return checked_source(path, *(Images(torch.stack(images), labels) for images, labels in parts))


class _Reading:
    """Reads the images of both parts, and remembers all that is wrong with them.

    Args:
        resize: as in `Request`.
    """

    def __init__(self, resize: int | None) -> None:
        self._resize = resize
        self._unreadable: list[str] = []
        self._brightest: int | None = None  # value of the images with more than 8 bits
        self._sides: list[tuple[int, Path]] = []  # the smaller side of each image that was read
        self._shape: torch.Size | None = None  # of the first one
        self._of_other_shape: tuple[Path, torch.Size] | None = None

    def images(self, listing: Listing) -> tuple[list[Tensor], Tensor]:
        """Return the images, (3, H, W) uint8, and their labels, (N,) int64; useless if there is a problem."""
        found = [self._image(file) for file in listing.files]
        return [image for image in found if image is not None], torch.tensor(listing.labels, dtype=torch.int64)

    def problems(self, path: Path) -> list[str]:
        """Return one line for each unreadable file, up to a limit, and one about sizes."""
        lines = self._unreadable
        if len(lines) > _MOST_LINES:
            rule = f"{len(lines) - _MOST_LINES} more files have problems like these"
            more = problem(path, "", None, rule, "correct these first, then repeat the command")
            lines = [*lines[:_MOST_LINES], more]
        return [*lines, *self._size_problems()]

    def warnings(self, path: Path) -> list[str]:
        """Return a line if little is left of images with more than 8 bits, such as 12 bits in files of 16."""
        if self._brightest is None or self._brightest >= _DARK:
            return []
        rule = f"images with more than 8 bits use at most {self._brightest} of the 255 levels to which they are scaled"
        return [problem(path, "", None, rule, "scale them to the whole range of their type")]

    def _image(self, file: Path) -> Tensor | None:
        try:
            read = read_rgb(file)
        except InputError as error:
            self._unreadable += error.lines
            return None
        if read.reduced:
            self._brightest = max(self._brightest or 0, int(read.pixels.max()))
        image = torch.from_numpy(read.pixels).permute(2, 0, 1)
        side = min(image.shape[1:])
        self._sides.append((side, file))
        if self._resize is not None:
            return None if side < self._resize else resized(image.unsqueeze(0), self._resize)[0]
        self._shape = self._shape or image.shape
        if image.shape != self._shape and self._of_other_shape is None:
            self._of_other_shape = file, image.shape
        return image

    def _size_problems(self) -> list[str]:
        if not self._sides:
            return []
        side, smallest = min(self._sides)
        if self._resize is not None and side < self._resize:
            rule = f"must be at most {side}, the smaller side of this image"
            return [problem(smallest, "resize", self._resize, rule, f"write {side}, or remove smaller images")]
        if self._shape is None or self._of_other_shape is None:
            return []
        file, (_, height, width) = self._of_other_shape
        rule = f"is {width}x{height} and the first image is {self._shape[2]}x{self._shape[1]}"
        return [problem(file, "", None, rule, f"set resize: {min(side, _COMMON_SIDE)}")]


def _no_folder(path: Path) -> str:
    if path.is_file():
        fix = f"write npz:{path}" if path.suffix == ".npz" else "name the folder of train/ and test/"
        return problem(path, "", None, "is a file", fix)
    return problem(path, "", None, "there is no such folder", "correct the path after folder:")


def _missing(path: Path, part: str) -> str:
    """Return the problem of a missing part; the fix uses the folder that has another name, if there is one."""
    if path.name in _PARTS and all((path.parent / name).is_dir() for name in _PARTS):
        return problem(path, "", None, f"is only the {path.name} part", f"write folder:{path.parent}")
    other = next((name for name in _OTHER_NAMES[part] if (path / name).is_dir()), None)
    if other is None:
        rule, fix = "there is no such folder", "put images into train/CLASS/ and test/CLASS/ below it"
    else:
        rule = f"there is no such folder, but there is {other}"
        fix = f"`{shlex.join(['ln', '-s', other, str(path / part)])}` uses that as the {_PARTS[part]}"
    return problem(path / part, "", None, rule, fix)
