"""`folder:PATH`: images in PATH/train/CLASS/* and PATH/test/CLASS/*, listed by torchvision's ImageFolder."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets import ImageFolder

from vsam_tune.data.images import Images, resized
from vsam_tune.data.source import Request, Source, checked_source
from vsam_tune.errors import InputError, problem

# Raised by Pillow for files that are no images, or are damaged.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def read(request: Request) -> Source:
    """Read every image as RGB, and shrink it to `resize` if that is given.

    Returns:
        The images class by class, classes in the alphabetical order of their folders.

    Raises:
        InputError: a folder is missing or has no classes, the classes of the parts differ, an image cannot be read, or
            images differ in size and there is no `resize`.
    """
    path = request.path or Path()
    missing = [part for part in ("train", "test") if not (path / part).is_dir()]
    if missing:
        fix = "put images into train/CLASS/ and test/CLASS/ below it"
        raise InputError(*(problem(path / part, "", None, "there is no such folder", fix) for part in missing))
    train, test = _listed(path / "train"), _listed(path / "test")
    if train.classes != test.classes:
        alone = ", ".join(sorted(set(train.classes) ^ set(test.classes)))
        rule = f"train and test must have the same class folders; only one of them has {alone}"
        raise InputError(problem(path, "", None, rule, "add or remove these folders"))
    return checked_source(path, _loaded(train, request.resize), _loaded(test, request.resize))


def _listed(folder: Path) -> ImageFolder:
    """Return the list of image files, without opening them.

    Raises:
        InputError: there is no class folder, or a class folder is empty.
    """
    try:
        return ImageFolder(str(folder))
    except OSError as error:
        raise InputError(problem(folder, "", None, str(error).rstrip("."), "put images into CLASS/")) from error


def _loaded(listed: ImageFolder, resize: int | None) -> Images:
    """Return all images of a list.

    Raises:
        InputError: an image cannot be read, or its size differs from the first; names the file.
    """
    images: list[Tensor] = []
    for file, _ in listed.samples:
        image = _decoded(Path(file), resize)
        if images and image.shape != images[0].shape:
            height, width = image.shape[1:]
            rule = f"is {width}x{height} and the first image is {images[0].shape[2]}x{images[0].shape[1]}"
            raise InputError(problem(file, "", None, rule, "set resize, e.g. resize: 32"))
        images.append(image)
    return Images(torch.stack(images), torch.tensor(listed.targets, dtype=torch.int64))


def _decoded(file: Path, resize: int | None) -> Tensor:
    """Return one image as (3, H, W) uint8.

    Raises:
        InputError: it is not a readable image, or is smaller than `resize`.
    """
    try:
        with Image.open(file) as image:
            pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
    except _DAMAGE as error:
        rule = f"is not a readable image ({error})"
        raise InputError(problem(file, "", None, rule, "replace or remove this file")) from error
    if resize is None:
        return pixels
    smaller = min(pixels.shape[1:])
    if smaller < resize:
        rule = f"must be at most {smaller}, the smaller side of this image"
        raise InputError(problem(file, "resize", resize, rule, f"write {smaller}, or remove this file"))
    return resized(pixels.unsqueeze(0), resize)[0]
