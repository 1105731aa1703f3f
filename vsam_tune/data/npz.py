"""`npz:PATH`: a NumPy archive with x_train, y_train, x_test, y_test, in the layout that Keras ships."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vsam_tune.data.images import Images
from vsam_tune.data.source import Request, Source, checked_source
from vsam_tune.errors import InputError, problem

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_MAX_CHANNELS = 4
# Raised by NumPy and zipfile for damaged files; found by flipping bytes of an archive.
_DAMAGE = (
    OSError, ValueError, TypeError, LookupError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error
)  # fmt: skip


def read(request: Request) -> Source:
    """Read the archive: x is uint8 of (N, H, W) or (N, H, W, C), y is integer of (N,) or (N, 1).

    Returns:
        The images in the order of the file, channels first.

    Raises:
        InputError: the file is missing or damaged, an array is missing or has another type or shape, or
            `checked_source` refuses the labels.
    """
    path = request.path or Path()
    arrays = _read_arrays(path)
    found = [line for key in _ARRAYS for line in _array_problems(path, key, arrays[key])]
    for part in ("train", "test"):
        lengths = [len(arrays[f"{axis}_{part}"]) if arrays[f"{axis}_{part}"].ndim else 0 for axis in "xy"]
        if lengths[0] != lengths[1]:
            rule = f"y_{part} must have one label per image; x_{part} holds {lengths[0]} images"
            fix = "write both from the same images"
            found.append(problem(path, f"length of y_{part}", lengths[1], rule, fix))
    if found:
        raise InputError(*found)
    parts = [_images(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")]
    return checked_source(path, *parts)


def _read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Return the four arrays by name.

    Raises:
        InputError: the file cannot be read, is no archive, or lacks one of the four as an array.
    """
    if path.is_dir():
        raise InputError(problem(path, "", None, "is a folder", "name the archive in it, or write folder:PATH"))
    if not path.is_file():
        raise InputError(problem(path, "", None, "there is no such file", "correct the path after npz:"))
    try:
        with path.open("rb") as file:  # np.load would leave the file open after an error
            archive = np.load(file, allow_pickle=False)  # a pickle could run any code
            if isinstance(archive, np.ndarray):
                raise InputError(problem(path, "", None, "holds an array, not an archive", "use numpy.savez"))
            missing = [key for key in _ARRAYS if key not in archive.files]
            if missing:
                rule = f"must hold {', '.join(_ARRAYS)}; it lacks {', '.join(missing)}"
                fix = f"rename the arrays; there are: {', '.join(archive.files) or 'none'}"
                raise InputError(problem(path, "", None, rule, fix))
            arrays = {key: archive[key] for key in _ARRAYS}
            no_arrays = [key for key, value in arrays.items() if not isinstance(value, np.ndarray)]
            if no_arrays:  # NumPy returns the bytes of an entry that does not begin like an array
                rule = f"holds other content than arrays in {', '.join(no_arrays)}"
                raise InputError(problem(path, "", None, rule, "write it again with numpy.savez"))
            return arrays
    except _DAMAGE as error:
        rule = f"is not a readable NumPy archive ({_reason(error)})"
        raise InputError(problem(path, "", None, rule, "write or copy it again with numpy.savez")) from error


def _reason(error: Exception) -> str:
    """Return the message of an error, without NumPy's advice to load pickles, which could run any code."""
    text = str(error) or repr(error)
    if text.startswith("Object arrays"):
        return "it holds Python objects, no numbers"
    return "it is neither an archive nor an array" if "pickle" in text else text


def _array_problems(path: Path, key: str, array: NDArray[np.generic]) -> list[str]:
    """Return the problems of type and shape of one array."""
    found = []
    if key.startswith("x"):
        if array.dtype != np.uint8:
            fix = "store 0 to 255, e.g. (255 * x).round().astype(numpy.uint8)"
            found.append(problem(path, f"{key}.dtype", str(array.dtype), "must be uint8", fix))
        if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] > _MAX_CHANNELS):
            rule = f"must be (N, H, W), or (N, H, W, C) with C at most {_MAX_CHANNELS}"
            fix = "put channels last, e.g. x.transpose(0, 2, 3, 1)"
            found.append(problem(path, f"{key}.shape", array.shape, rule, fix))
        elif 0 in array.shape[1:]:
            rule, fix = "images must have pixels", "store images"
            found.append(problem(path, f"{key}.shape", array.shape, rule, fix))
    else:
        if array.dtype.kind not in "iu":
            fix = "store class numbers from 0, e.g. y.astype(numpy.int64)"
            found.append(problem(path, f"{key}.dtype", str(array.dtype), "must be an integer type", fix))
        if not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)):
            fix = "store class numbers, e.g. y.argmax(1) where rows are one-hot"
            found.append(problem(path, f"{key}.shape", array.shape, "must be (N,) or (N, 1)", fix))
    return found


def _images(x: NDArray[np.generic], y: NDArray[np.generic]) -> Images:
    """Return (N, H, W[, C]) and (N[, 1]) as channels-first tensors."""
    pixels = torch.from_numpy(x)
    channels_first = pixels.unsqueeze(1) if x.ndim == 3 else pixels.permute(0, 3, 1, 2).contiguous()
    return Images(channels_first, torch.from_numpy(y.astype(np.int64).reshape(-1)))
