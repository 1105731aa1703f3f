"""Which files of a folder are images of which class, and which are left out with a word."""

import os

import pytest
from PIL import Image

from vsam_tune.data.image_listing import describe_left_out, list_images
from vsam_tune.errors import InputError


def save(file, kind=None):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(file, format=kind)


@pytest.fixture
def part(tmp_path):
    """Write two classes with an image each."""
    for name in ("cat", "dog"):
        save(tmp_path / "train" / name / "1.png")
    return tmp_path / "train"


def names(part, listing):
    return [str(file.relative_to(part)) for file in listing.files]


def left_out(part, listing):
    return describe_left_out([listing], part.parent).removeprefix(f"{part.parent}: left out ")


def test_all_that_pillow_reads_is_listed(part):
    for name, kind in (("a.gif", None), ("b.jp2", None), ("c.tga", None), ("d", "PNG"), ("e.jpeg.bak", "JPEG")):
        save(part / "cat" / name, kind)
    save(part / "cat" / "deep" / "er" / "f.AVIF")
    listing = list_images(part)
    assert names(part, listing) == [
        "cat/1.png", "cat/a.gif", "cat/b.jp2", "cat/c.tga", "cat/d", "cat/e.jpeg.bak", "cat/deep/er/f.AVIF",
        "dog/1.png",
    ]  # fmt: skip
    assert (listing.classes, listing.labels) == (["cat", "dog"], [0] * 7 + [1])
    assert describe_left_out([listing], part) == ""


def test_the_order_is_that_of_torchvision(part):
    """Studies that were started before depend on it."""
    from torchvision.datasets import ImageFolder

    for name in (
        "cat/b/1.png",
        "cat/a.png",
        "cat/B/2.png",
        "dog/a b/1.png",
        "dog/a/1.png",
        "dog/a/b/0.png",
        "Ant/1.png",
    ):
        save(part / name)
    expected = ImageFolder(str(part))
    listing = list_images(part)
    assert [(str(file), label) for file, label in zip(listing.files, listing.labels, strict=True)] == expected.samples
    assert listing.classes == expected.classes


def test_hidden_entries_are_left_out(part):
    save(part / ".ipynb_checkpoints" / "1-checkpoint.png")
    save(part / "cat" / ".ipynb_checkpoints" / "1-checkpoint.png")
    (part / "cat" / "._1.png").write_bytes(b"\0\5\26\7")  # as macOS leaves it on other file systems
    (part / ".DS_Store").write_bytes(b"")
    listing = list_images(part)
    assert (names(part, listing), listing.classes) == (["cat/1.png", "dog/1.png"], ["cat", "dog"])
    assert left_out(part, listing) == (
        "4 with a name that begins with a dot (train/.DS_Store, train/.ipynb_checkpoints, train/cat/._1.png, ...)"
    )


def test_links_in_circles_are_not_followed(part):
    (part / "cat" / "self").symlink_to(".")
    (part / "cat" / "up").symlink_to("..")
    (part / "all").symlink_to(".")
    (part / "above").symlink_to("../..")
    (part / "dog" / "ring").symlink_to("ring")
    (part / "dog" / "more").mkdir()
    (part / "dog" / "more" / "back").symlink_to(part / "dog")
    save(part / "dog" / "more" / "2.png")
    listing = list_images(part)
    assert names(part, listing) == ["cat/1.png", "dog/1.png", "dog/more/2.png"]
    assert left_out(part, listing) == (
        "5 linked to a folder that is read already (train/above, train/all, train/cat/self, ...); "
        "1 neither file nor folder (train/dog/ring)"
    )


def test_links_to_images_and_to_other_folders_are_followed(part, tmp_path):
    save(tmp_path / "store" / "3.png")
    (part / "dog" / "3.png").symlink_to(tmp_path / "store" / "3.png")
    (part / "dog" / "store").symlink_to(tmp_path / "store")
    (part / "fox").symlink_to(tmp_path / "store")
    (part / "dog" / "again").symlink_to(tmp_path / "store")
    listing = list_images(part)
    assert names(part, listing) == ["cat/1.png", "dog/1.png", "dog/3.png", "dog/again/3.png", "fox/3.png"]
    assert left_out(part, listing) == "1 linked to a folder that is read already (train/dog/store)"


def test_what_is_no_image_is_left_out_with_a_word(part):
    (part / "labels.csv").write_text("cat,dog\n")
    save(part / "loose.png")
    (part / "cat" / "notes.txt").write_text("cats\n")
    (part / "cat" / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (part / "dog" / "gone.png").symlink_to("nothing.png")
    os.mkfifo(part / "dog" / "pipe.png")  # to open it would wait for ever
    listing = list_images(part)
    assert names(part, listing) == ["cat/1.png", "dog/1.png"]
    assert left_out(part, listing) == (
        "2 outside of the class folders (train/labels.csv, train/loose.png); "
        "2 not an image that Pillow can read (train/cat/notes.txt, train/cat/photo.heic); "
        "2 neither file nor folder (train/dog/gone.png, train/dog/pipe.png)"
    )


def test_a_class_of_other_files_says_which(part):
    for number in range(5):
        (part / "dog" / f"{number}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (part / "dog" / "1.png").unlink()
    (part / "emu").mkdir()
    with pytest.raises(InputError) as error:
        list_images(part)
    rule = "contains no image that Pillow can read"
    assert error.value.lines == (
        f"{part / 'dog'}: {rule}; there are 0.heic, 1.heic, 2.heic, .... Fix: put images into it.",
        f"{part / 'emu'}: {rule}. Fix: put images into it.",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read(part):
    (part / "dog").chmod(0)
    with pytest.raises(InputError) as error:
        list_images(part)
    (part / "dog").chmod(0o700)
    assert str(error.value).startswith(f"{part / 'dog'}: cannot be read: Permission denied. Fix: check its permissions")
