"""`folder:PATH`: image files by class, and the line that each defect gives."""

import numpy as np
import pytest
import torch
from PIL import Image

from vsam_tune.data.folder import read
from vsam_tune.data.source import Request
from vsam_tune.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """Write two classes: images of one colour, with red 100 for cats and 200 for dogs."""
    for part in ("train", "test"):
        for name, red in (("cat", 100), ("dog", 200)):
            for number in range(2):
                save(tmp_path / part / name / f"{number}.png", (6, 6), (red, number, 0))
    return tmp_path


def save(file, size, colour, mode="RGB"):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(file)


def line_of(folder, resize=None):
    with pytest.raises(InputError) as error:
        read(Request(name="folder", path=folder, resize=resize))
    (line,) = error.value.lines
    return line


def test_classes_are_numbered_in_alphabetical_order(folder):
    source = read(Request(name="folder", path=folder))
    assert source.num_classes == 2
    assert source.train.y.tolist() == [0, 0, 1, 1]
    assert source.train.x.shape == (4, 3, 6, 6)
    assert source.train.x[:, 0, 0, 0].tolist() == [100, 100, 200, 200]
    assert source.train.x.dtype == torch.uint8
    assert len(source.test) == 4


def test_resize_averages_areas_of_images_of_any_size(folder):
    stripes = np.zeros((4, 8, 3), np.uint8)
    stripes[:, ::2] = 100
    Image.fromarray(stripes).save(folder / "train" / "cat" / "0.png")
    source = read(Request(name="folder", path=folder, resize=2))
    assert source.train.x.shape == (4, 3, 2, 2)
    assert source.train.x[0].unique().tolist() == [50]


def test_grey_and_palette_images_become_colour(folder):
    save(folder / "train" / "cat" / "0.png", (6, 6), 7, mode="L")
    save(folder / "train" / "cat" / "1.gif", (6, 6), 0, mode="P")
    assert read(Request(name="folder", path=folder)).train.x[0, :, 0, 0].tolist() == [7, 7, 7]


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_missing_part(folder, part):
    (folder / part).rename(folder / "elsewhere")
    assert line_of(folder) == (
        f"{folder / part}: there is no such folder. Fix: put images into train/CLASS/ and test/CLASS/ below it."
    )


def test_a_part_without_classes(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    assert line_of(tmp_path).startswith(f"{tmp_path / 'train'}: Couldn't find any class folder in")


def test_a_class_without_images(folder):
    (folder / "train" / "emu").mkdir()
    line = line_of(folder)
    assert line.startswith(f"{folder / 'train'}: Found no valid file for the classes emu.")
    assert line.endswith("Fix: put images into CLASS/.")


def test_other_classes_in_the_two_parts(folder):
    (folder / "test" / "dog").rename(folder / "test" / "wolf")
    assert line_of(folder) == (
        f"{folder}: train and test must have the same class folders; only one of them has dog, wolf. "
        "Fix: add or remove these folders."
    )


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("kept", [0, 40, 0.6])
def test_a_truncated_image_is_named(folder, suffix, kept):
    file = folder / "train" / "dog" / f"9.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    content = file.read_bytes()
    file.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    line = line_of(folder, resize=4)
    assert line.startswith(f"{file}: is not a readable image (")
    assert line.endswith("Fix: replace or remove this file.")


def test_images_of_several_sizes_ask_for_resize(folder):
    file = folder / "test" / "dog" / "1.png"
    save(file, (8, 7), (0, 0, 0))
    assert line_of(folder) == f"{file}: is 8x7 and the first image is 6x6. Fix: set resize, e.g. resize: 32."


def test_an_image_smaller_than_resize_is_named(folder):
    file = folder / "train" / "cat" / "1.png"
    save(file, (9, 3), (0, 0, 0))
    assert line_of(folder, resize=5) == (
        f"{file}: resize = 5: must be at most 3, the smaller side of this image. Fix: write 3, or remove this file."
    )
