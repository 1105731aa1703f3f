"""One image file as 8-bit RGB: formats, bits, transparency and orientation."""

import struct
import zlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from vsam_tune.errors import InputError, problem

# Raised by Pillow for files that are no images, or are damaged; found by changing bytes of images.
_DAMAGE = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError,
    MemoryError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
# Formats that Pillow identifies and cannot decode; and EPS, for which it starts Ghostscript.
_NOT_DECODED = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
_MORE_IN_ONE_IMAGE = frozenset({"MPO", "PSD"})  # their first image is whole; previews and layers follow
_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 254, 255, 258, 262, 339  # tags of TIFF
_SIGNED, _WHITE_IS_ZERO = 2, 0  # values of the last two
_BACKGROUND = (128, 128, 128, 255)
_SAVE_AGAIN = "save it with 8 or 16 bits, such as a PNG"


class RgbImage(NamedTuple):
    """An image file as it is read.

    Attributes:
        pixels: (H, W, 3) uint8.
        reduced: whether the file has more than 8 bits a pixel and channel.
    """

    pixels: NDArray[np.uint8]
    reduced: bool


class _RefusedError(Exception):
    """An image that cannot become 8-bit RGB without a guess.

    Args:
        rule: as for `problem`.
        fix: as for `problem`.
    """

    def __init__(self, rule: str, fix: str) -> None:
        super().__init__(rule)
        self.rule, self.fix = rule, fix


@cache
def _formats() -> list[str]:
    Image.init()
    return [name for name in Image.OPEN if name not in _NOT_DECODED]


@cache
def _suffixes() -> frozenset[str]:
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in _formats())


def has_image_suffix(file: Path) -> bool:
    """Return whether a file's name ends like that of an image that Pillow can read."""
    return file.suffix.lower() in _suffixes()


def is_image(file: Path) -> bool:
    """Return whether the content of a file is that of an image that Pillow can read, whatever its name is.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        try:
            Image.open(stream, formats=_formats()).close()
        except _DAMAGE:
            return False
    return True


def read_rgb(file: Path) -> RgbImage:
    """Return an image as 8-bit RGB, upright as its EXIF orientation says.

    Values of more than 8 bits are scaled from the range of their type, and floats from 0 to 1. choice: what is
    transparent becomes mid-grey; on black or white, shapes of the same colour would vanish.

    Raises:
        InputError: it is not a readable image, holds several images, or the range of its values is not known.
    """
    try:
        with file.open("rb") as stream:  # from a path, Pillow 13.0 maps TIFFs, and garbles those that are turned
            image = Image.open(stream, formats=_formats())
            _check_single(image)
            upright = ImageOps.exif_transpose(image)
            grey_or_colour = _eight_bits(upright, of=image)
            pixels = np.array(_opaque(grey_or_colour).convert("RGB"))
            return RgbImage(pixels, reduced=grey_or_colour is not upright)
    except _RefusedError as error:
        raise InputError(problem(file, "", None, error.rule, error.fix)) from error
    except _DAMAGE as error:
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "Pillow does not know its format" if unknown else str(error) or repr(error)
        rule = f"is not a readable image ({reason})"
        raise InputError(problem(file, "", None, rule, "replace or remove this file")) from error


def _check_single(image: Image.Image) -> None:
    """Check that a file holds one image, and not several pages or the frames of an animation.

    Raises:
        _RefusedError: it holds several.
    """
    count = int(getattr(image, "n_frames", 1))  # only classes of formats that can hold several have it
    if image.format in _MORE_IN_ONE_IMAGE:
        return
    if isinstance(image, TiffImageFile) and count > 1:
        count = sum(_is_page(image, position) for position in range(count))
        image.seek(0)
    if count > 1:
        raise _RefusedError(f"holds {count} images, and only one can be read", "save each of them as a file")


def _is_page(image: TiffImageFile, position: int) -> bool:
    """Return whether an image in a TIFF is a page, and not a smaller copy of one."""
    image.seek(position)
    tags = image.tag_v2
    return not (tags.get(_SUBFILE_TYPE, 0) & 1 or tags.get(_OLD_SUBFILE_TYPE) == 2)


def _eight_bits(image: Image.Image, *, of: Image.Image) -> Image.Image:
    """Return an image with 8 bits a channel; `of` is the file that it comes from.

    Raises:
        _RefusedError: the range of its values is not known.
    """
    if isinstance(of, TiffImageFile) and _SIGNED in _all_values(of, _SAMPLE_FORMAT):
        raise _RefusedError("holds signed integers, whose black is not known", _SAVE_AGAIN)
    if image.mode == "F":
        return _grey(_checked_floats(image))
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.float64)
    shares = values / _white(of)
    if isinstance(of, TiffImageFile) and of.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        shares = 1 - shares
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return _grey(shares)
    return Image.merge("LA", (_grey(shares), _grey((values != transparent).astype(np.float64))))


def _checked_floats(image: Image.Image) -> NDArray[np.float64]:
    """Return the values of an image of floats, from 0 to 1.

    Raises:
        _RefusedError: there are others.
    """
    values = np.asarray(image, dtype=np.float64)
    low, high = values.min(), values.max()
    if not 0 <= low <= high <= 1:  # NaN included
        raise _RefusedError(f"holds floats from {low:g} to {high:g}; only floats from 0 to 1 can be read", _SAVE_AGAIN)
    return values


def _white(image: Image.Image) -> int:
    """Return the value of white in a file of integers of more than 8 bits.

    Raises:
        _RefusedError: it is not known.
    """
    if isinstance(image, TiffImageFile) and image.mode.startswith("I;16"):
        return (1 << max(_all_values(image, _BITS), default=16)) - 1
    if image.format in ("PNG", "JPEG2000", "PPM"):  # Pillow scales those of 9 to 15 bits to 16
        return 65535
    raise _RefusedError("holds integers whose white is not known", _SAVE_AGAIN)


def _all_values(image: TiffImageFile, tag: int) -> tuple[int, ...]:
    value = image.tag_v2.get(tag, ())
    return value if isinstance(value, tuple) else (value,)


def _grey(shares: NDArray[np.float64]) -> Image.Image:
    """Return a grey image from shares of white, in [0, 1]."""
    return Image.fromarray((255 * shares).round().astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    """Return an image without transparency."""
    if not image.has_transparency_data:
        return image
    background = Image.new("RGBA", image.size, _BACKGROUND)
    return Image.alpha_composite(background, image.convert("RGBA"))
