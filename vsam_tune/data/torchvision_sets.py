"""CIFAR-10, CIFAR-100 and Fashion-MNIST; torchvision downloads, verifies and reads them."""

import os
import tarfile
from pathlib import Path

import torch
from filelock import FileLock
from torchvision import datasets

from vsam_tune.data.images import Images
from vsam_tune.data.source import Request, Source, checked_source
from vsam_tune.errors import InputError, problem

_SETS = {
    "cifar10": (datasets.CIFAR10, "cifar-10-batches-py"),  # the folder that torchvision fills
    "cifar100": (datasets.CIFAR100, "cifar-100-python"),
    "fashion_mnist": (datasets.FashionMNIST, "FashionMNIST"),
}
# Raised by torchvision for files that are missing, have a wrong checksum, or cannot be parsed.
_DAMAGE = (OSError, RuntimeError, ValueError, TypeError, KeyError, IndexError, EOFError, AssertionError)


def default_root() -> Path:
    """Return the folder of downloaded data sets: vsam-tune/data in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vsam-tune" / "data"


def read(request: Request) -> Source:
    """Read a data set from `root`; download it first if it is missing and `download` is set.

    Returns:
        The images in the order of the files.

    Raises:
        InputError: it is missing and `download` is False, the download failed, or a file is damaged.
    """
    root = (request.root or default_root()).expanduser()
    if request.download:
        _download(request.name, root)
    kind, folder = _SETS[request.name]
    try:
        parts = [kind(str(root), train=train) for train in (True, False)]
    except _DAMAGE as error:
        if (root / folder).exists():
            rule = f"files are missing or damaged ({error})"
            raise InputError(
                problem(root / folder, "", None, rule, "delete this folder, then use --download")
            ) from error
        fix = f"use --download, or set data_root to the folder that holds {folder}"
        raise InputError(problem(root, "", request.name, "is missing", fix)) from error
    return checked_source(root / folder, *(_images(part) for part in parts))


def _download(name: str, root: Path) -> None:
    """Fetch and verify the missing files; one process at a time, since workers share the folder.

    Raises:
        InputError: the network, the disk, a permission or a checksum failed.
    """
    kind, folder = _SETS[name]
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f"{name}.lock"):
            kind(str(root), download=True)
    except (OSError, RuntimeError, EOFError, tarfile.TarError) as error:
        fix = f"check network and disk, or copy {folder} into this folder from a machine that has it"
        raise InputError(problem(root, "", name, f"the download failed ({error})", fix)) from error


def _images(part: datasets.VisionDataset) -> Images:
    """Return CIFAR's (N, 32, 32, 3) array or Fashion-MNIST's (N, 28, 28) tensor, channels first."""
    pixels = torch.as_tensor(part.data)
    channels_first = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2).contiguous()
    return Images(channels_first, torch.as_tensor(part.targets, dtype=torch.int64))
