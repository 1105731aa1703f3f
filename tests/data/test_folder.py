"""`folder:PATH`: image files by class, and the line that each defect gives."""

import subprocess

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

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
    save(folder / "train" / "cat" / "2.gif", (6, 6), 9, mode="L")
    source = read(Request(name="folder", path=folder))
    assert source.train.x[[0, 2], :, 0, 0].tolist() == [[7, 7, 7], [9, 9, 9]]


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_missing_part(folder, part):
    (folder / part).rename(folder / "elsewhere")
    assert line_of(folder) == (
        f"{folder / part}: there is no such folder. Fix: put images into train/CLASS/ and test/CLASS/ below it."
    )


def test_a_part_without_classes(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    assert line_of(tmp_path) == (
        f"{tmp_path / 'train'}: contains no class folder. Fix: put images into CLASS/ below it."
    )


def test_a_class_without_images(folder):
    (folder / "train" / "emu").mkdir()
    assert line_of(folder) == (
        f"{folder / 'train' / 'emu'}: contains no image that Pillow can read. Fix: put images into it."
    )


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
    assert line_of(folder) == f"{file}: is 8x7 and the first image is 6x6. Fix: set resize: 6."


def test_an_image_smaller_than_resize_is_named(folder):
    file = folder / "train" / "cat" / "1.png"
    save(file, (9, 3), (0, 0, 0))
    assert line_of(folder, resize=5) == (
        f"{file}: resize = 5: must be at most 3, the smaller side of this image. "
        "Fix: write 3, or remove smaller images."
    )


def test_the_size_that_an_error_proposes_works(folder):
    save(folder / "train" / "dog" / "1.png", (9, 8), (1, 2, 3))
    save(folder / "test" / "dog" / "1.png", (5, 7), (1, 2, 3))
    assert line_of(folder).endswith("Fix: set resize: 5.")
    assert read(Request(name="folder", path=folder, resize=5)).test.x.shape == (4, 3, 5, 5)
    for part in ("train", "test"):
        save(folder / part / "cat" / "0.png", (70, 60), (1, 2, 3))
    assert line_of(folder).endswith("Fix: set resize: 5.")


def test_every_unreadable_image_has_its_line_up_to_a_limit(folder):
    for number in range(13):
        (folder / "train" / "cat" / f"bad{number:02d}.png").write_bytes(b"")
    with pytest.raises(InputError) as error:
        read(Request(name="folder", path=folder))
    assert len(error.value.lines) == 11
    assert error.value.lines[-1] == (
        f"{folder}: 3 more files have problems like these. Fix: correct these first, then repeat the command."
    )


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Test"])
def test_a_test_part_under_another_name_can_be_linked(folder, name):
    (folder / "test").rename(folder / name)
    line = line_of(folder)
    assert line.startswith(f"{folder / 'test'}: there is no such folder, but there is {name}. Fix: `")
    assert line.endswith("` uses that as the test part (a search holds its validation part out of train).")
    subprocess.run(line.split("`")[1], shell=True, check=True)  # noqa: S602 - as a user would paste it
    assert len(read(Request(name="folder", path=folder)).test) == 4


def test_equal_images_are_refused(folder):
    for file in folder.glob("train/*/*.png"):
        save(file, (6, 6), (7, 7, 7))
    assert line_of(folder) == f"{folder}: train: all images are equal. Fix: check how these images were made."


def test_entries_that_are_left_out_are_named(folder, caplog):
    save(folder / "train" / ".trash" / "1.png", (6, 6), (0, 0, 0))
    (folder / "test" / "cat" / "notes.txt").write_text("cats\n")
    assert len(read(Request(name="folder", path=folder)).train) == 4
    assert caplog.messages == [
        f"{folder}: left out 1 with a name that begins with a dot (train/.trash); "
        "1 not an image that Pillow can read (test/cat/notes.txt)"
    ]


def test_digits_of_16_bits_are_those_of_8(tmp_path, caplog):
    digits = load_digits().images[:40] * (255 / 16)
    for number, image in enumerate(digits.round().astype(np.uint8)):
        for bits, pixels in ((8, image), (16, image.astype(np.uint16) * 257)):
            file = tmp_path / str(bits) / ("test" if number % 4 < 2 else "train") / str(number % 2) / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    short, long = (read(Request(name="folder", path=tmp_path / bits)) for bits in ("8", "16"))
    assert torch.equal(short.train.x, long.train.x)
    assert torch.equal(short.test.x, long.test.x)
    assert caplog.messages == []


def test_12_bits_in_a_file_of_16_are_warned_about(folder, caplog):
    for file in folder.glob("*/*/*.png"):
        Image.fromarray(np.arange(0, 4096, 114, dtype=np.uint16).reshape(6, 6)).save(file)
    save(folder / "train" / "cat" / "0.png", (6, 6), (0, 0, 255))
    assert read(Request(name="folder", path=folder)).train.x[1].max() == 16
    assert caplog.messages == [
        f"{folder}: images with more than 8 bits use at most 16 of the 255 levels to which they are scaled. "
        "Fix: scale them to the whole range of their type."
    ]


def test_the_folder_of_one_part_and_a_file_are_told_from_the_folder_of_both(folder):
    assert line_of(folder / "train") == f"{folder / 'train'}: is only the train part. Fix: write folder:{folder}."
    assert line_of(folder / "nowhere") == (
        f"{folder / 'nowhere'}: there is no such folder. Fix: correct the path after folder:."
    )
    (folder / "digits.npz").write_bytes(b"")
    assert line_of(folder / "digits.npz") == (
        f"{folder / 'digits.npz'}: is a file. Fix: write npz:{folder / 'digits.npz'}."
    )
