"""One image file as 8-bit RGB: bits, transparency, orientation, pages, damage."""

import contextlib
import random
import struct
import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

from vsam_tune.data.image_file import has_image_suffix, is_image, read_rgb
from vsam_tune.errors import InputError

RAMP = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
GREY = (RAMP >> 8).astype(np.uint8)


def line_of(file):
    with pytest.raises(InputError) as error:
        read_rgb(file)
    (line,) = error.value.lines
    return line.removeprefix(f"{file}: ")


def tiff(path, data, *, bits, kind=1, photometric=1):
    """Write an uncompressed TIFF of 8x8 that Pillow cannot write; `kind` is its sample format."""
    tags = {256: 8, 257: 8, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: 8, 279: len(data), 339: kind}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    path.write_bytes(head + data + struct.pack("<H", len(tags)) + directory + bytes(4))
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "jp2", "pgm"])
def test_16_bits_keep_their_levels(tmp_path, suffix):
    file = tmp_path / f"ramp.{suffix}"
    Image.fromarray(RAMP).save(file)
    read = read_rgb(file)
    assert read.reduced
    assert read.pixels.dtype == np.uint8
    assert (read.pixels == (RAMP / 257).round()[..., None]).all()
    assert len(np.unique(read.pixels)) == 64


def test_10_bits_of_a_pgm_and_16_of_a_colour_image(tmp_path):
    file = tmp_path / "ramp.pgm"
    file.write_bytes(b"P5 8 8 1023\n" + (RAMP >> 6).astype(">u2").tobytes())
    assert (read_rgb(file).pixels == ((RAMP >> 6) * (255 / 1023)).round()[..., None]).all()
    file.write_bytes(b"P6 8 8 65535\n" + np.stack([RAMP] * 3, axis=-1).astype(">u2").tobytes())
    assert np.abs(read_rgb(file).pixels.astype(int) - (RAMP / 257)[..., None]).max() <= 1


def test_12_bits_of_a_tiff(tmp_path):
    pairs = (RAMP >> 4).ravel().astype(int).reshape(-1, 2)
    packed = bytes(byte for a, b in pairs for byte in (a >> 4, (a & 15) << 4 | b >> 8, b & 255))
    read = read_rgb(tiff(tmp_path / "a.tif", packed, bits=12))
    assert (read.pixels == ((RAMP >> 4) * (255 / 4095)).round()[..., None]).all()


def test_16_bits_of_a_tiff_whose_white_is_zero(tmp_path):
    read = read_rgb(tiff(tmp_path / "a.tif", RAMP.astype("<u2").tobytes(), bits=16, photometric=0))
    assert (read.pixels == (255 - RAMP / 257).round()[..., None]).all()


@pytest.mark.parametrize("suffix", ["tif", "pfm"])
def test_floats_are_shares_of_white(tmp_path, suffix):
    file = tmp_path / f"a.{suffix}"
    Image.fromarray((RAMP / 65535).astype(np.float32)).save(file)
    assert (read_rgb(file).pixels == (RAMP / 257).round()[..., None]).all()


@pytest.mark.parametrize(("low", "high"), [(0, 16), (-0.5, 1), (0, float("inf")), (0, float("nan"))])
def test_other_floats_are_refused(tmp_path, low, high):
    values = np.full((8, 8), low, dtype=np.float32)
    values[0, 0] = high
    Image.fromarray(values).save(tmp_path / "a.tif")
    line = line_of(tmp_path / "a.tif")
    assert line.startswith("holds floats from ")
    assert line.endswith("; only floats from 0 to 1 can be read. Fix: save it with 8 or 16 bits, such as a PNG.")


@pytest.mark.parametrize(
    ("data", "bits", "kind", "rule"),
    [
        (RAMP.astype("<u4"), 32, 1, "holds integers whose white is not known"),
        (RAMP.astype("<i4"), 32, 2, "holds signed integers, whose black is not known"),
        ((RAMP >> 1).astype("<i2"), 16, 2, "holds signed integers, whose black is not known"),
        (GREY.astype("i1"), 8, 2, "holds signed integers, whose black is not known"),
    ],
)
def test_integers_of_unknown_range_are_refused(tmp_path, data, bits, kind, rule):
    file = tiff(tmp_path / "a.tif", data.tobytes(), bits=bits, kind=kind)
    assert line_of(file) == f"{rule}. Fix: save it with 8 or 16 bits, such as a PNG."


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGBA", "png"), ("RGBA", "webp"), ("RGBA", "tif"), ("RGBA", "tga"), ("RGBA", "ico"), ("LA", "png"), ("P", "png")],
)
def test_a_shape_in_alpha_stays_visible(tmp_path, mode, suffix, colour):
    """Black or white icons: all pixels have one colour, and the shape is in the alpha channel alone."""
    icon = np.full((8, 8, 4), colour, dtype=np.uint8)
    icon[..., 3] = 255 * (np.add.outer(np.arange(8), np.arange(8)) % 3 == 0)
    image = Image.fromarray(icon)
    image = image.quantize() if mode == "P" else image.convert(mode)
    file = tmp_path / f"icon.{suffix}"
    image.save(file, **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    assert (read_rgb(file).pixels == np.where(icon[..., 3:] > 0, colour, 128)).all()


@pytest.mark.parametrize("array", [GREY, RAMP, GREY > 99, np.stack([GREY, GREY, GREY], axis=-1)])
def test_a_transparent_colour_of_a_png(tmp_path, array):
    """It has no alpha channel, but names one colour."""
    transparent = (0, 0, 0) if array.ndim == 3 else 0
    Image.fromarray(array).save(tmp_path / "a.png", transparency=transparent)
    pixels = read_rgb(tmp_path / "a.png").pixels
    assert pixels[0, 0].tolist() == [128, 128, 128]
    assert pixels[-1, -1].tolist() == [255, 255, 255]


def test_half_transparent_pixels_are_mixed_and_opaque_ones_kept(tmp_path):
    colours = np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)])
    Image.fromarray(colours).save(tmp_path / "a.png")
    assert (read_rgb(tmp_path / "a.png").pixels == GREY[..., None]).all()
    colours[..., 3] = 128
    Image.fromarray(colours).save(tmp_path / "a.png")
    assert np.abs(read_rgb(tmp_path / "a.png").pixels.astype(float) - (GREY[..., None] / 2 + 64)).max() <= 1


@pytest.mark.parametrize("array", [GREY[:6], RAMP[:6]], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("suffix", ["png", "tif", "lzw.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation(tmp_path, array, suffix, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    file = tmp_path / f"a.{suffix}"
    Image.fromarray(array).save(file, exif=exif, **({"compression": "tiff_lzw"} if "lzw" in suffix else {}))
    upright = {
        1: array, 2: array[:, ::-1], 3: array[::-1, ::-1], 4: array[::-1],
        5: array.T, 6: np.rot90(array, -1), 7: np.rot90(array, 2).T, 8: np.rot90(array),
    }[orientation]  # fmt: skip
    expected = upright if array.dtype == np.uint8 else (upright / 257).round()
    assert (read_rgb(file).pixels == expected[..., None]).all()


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif"])
def test_exif_orientation_of_lossy_formats(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(GREY[:6]).save(tmp_path / f"a.{suffix}", exif=exif)
    pixels = read_rgb(tmp_path / f"a.{suffix}").pixels
    assert pixels.shape == (8, 6, 3)
    assert np.abs(pixels.astype(float) - np.rot90(GREY[:6], -1)[..., None]).max() < 30


@pytest.mark.parametrize("suffix", ["tif", "gif", "png", "webp", "avif"])
def test_a_file_of_several_images_is_refused(tmp_path, suffix):
    file = tmp_path / f"a.{suffix}"
    image = Image.fromarray(GREY).convert("RGB")
    image.save(file, save_all=True, append_images=[ImageOps.invert(image), ImageOps.mirror(image)])
    assert line_of(file) == "holds 3 images, and only one can be read. Fix: save each of them as a file."


def test_previews_are_no_further_images(tmp_path):
    image = Image.fromarray(GREY)
    preview = image.resize((2, 2))
    preview.encoderinfo = {"tiffinfo": {254: 1}}
    image.save(tmp_path / "a.tif", save_all=True, append_images=[preview])
    image.save(tmp_path / "photo.jpg", format="MPO", save_all=True, append_images=[preview])  # as telephones write it
    assert (read_rgb(tmp_path / "a.tif").pixels == GREY[..., None]).all()
    assert read_rgb(tmp_path / "photo.jpg").pixels.shape == (8, 8, 3)


@pytest.mark.parametrize("suffix", ["bmp", "gif", "ico", "jp2", "pcx", "ppm", "qoi", "sgi", "tga"])
def test_formats_beyond_those_of_torchvision(tmp_path, suffix):
    with_suffix, without = tmp_path / f"a.{suffix}", tmp_path / "a"
    Image.fromarray(GREY).convert("RGB").save(with_suffix)
    without.write_bytes(with_suffix.read_bytes())
    assert has_image_suffix(with_suffix)
    assert not has_image_suffix(without)
    assert is_image(without)
    assert np.abs(read_rgb(without).pixels.astype(int) - GREY[..., None]).max() <= 1


@pytest.mark.parametrize(
    ("name", "content"),
    [("notes.txt", b"cats"), ("empty", b""), ("list.csv", b"a,b\n1,2\n"), ("page.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n")],
)
def test_other_files_are_no_images(tmp_path, name, content):
    """EPS is a program, which Pillow would have Ghostscript run."""
    (tmp_path / name).write_bytes(content)
    assert not has_image_suffix(tmp_path / name)
    assert not is_image(tmp_path / name)
    assert line_of(tmp_path / name).startswith("is not a readable image (")


def test_a_damaged_image_is_one_line(tmp_path):
    """Whatever bytes are changed, Pillow's errors do not come through."""
    draws = random.Random(0)  # noqa: S311 - of no secret
    exif = Image.Exif()
    exif[0x112] = 6
    made = []
    for suffix in ("png", "jpg", "tif", "webp", "avif", "jp2", "gif", "bmp", "tga", "dds", "ico"):
        file = tmp_path / f"a.{suffix}"
        Image.fromarray(GREY).convert("RGB").save(file, exif=exif)
        made.append((file, file.read_bytes()))
    for _ in range(600):
        file, content = draws.choice(made)
        changed = bytearray(content)
        for _ in range(draws.choice((1, 3, 20))):
            changed[draws.randrange(min(len(changed), 400))] = draws.randrange(256)
        file.write_bytes(changed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow also warns of damage
            with contextlib.suppress(InputError):
                assert read_rgb(file).pixels.ndim == 3
