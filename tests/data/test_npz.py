"""`npz:PATH`: valid archives, and the line for each defect of a file."""

import contextlib
import struct
import zipfile

import numpy as np
import pytest
import torch

from vsam_tune.data.npz import read
from vsam_tune.data.source import Request
from vsam_tune.errors import InputError

GREY = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
LABELS = np.array([0, 1, 2, 0, 1, 2])
GOOD = {"x_train": GREY, "y_train": LABELS, "x_test": GREY[:3], "y_test": LABELS[:3]}


def header(entries):
    """Return the bytes of a .npy file that ends after its header."""
    text = f"{{{entries}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text


@pytest.fixture
def write(tmp_path):
    def write(**changes):
        path = tmp_path / "set.npz"
        np.savez(path, **{name: array for name, array in (GOOD | changes).items() if array is not None})
        return Request(name="npz", path=path)

    return write


def lines_of(request):
    with pytest.raises(InputError) as error:
        read(request)
    return [line.removeprefix(f"{request.path}: ") for line in error.value.lines]


def test_grey_images_get_a_channel(write):
    source = read(write())
    assert source.num_classes == 3
    assert source.train.x.shape == (6, 1, 4, 4)
    assert source.train.x[1, 0, 0].tolist() == [16, 17, 18, 19]
    assert source.train.y.tolist() == [0, 1, 2, 0, 1, 2]
    assert (len(source.test), source.train.y.dtype) == (3, torch.int64)


def test_channels_last_become_channels_first(write):
    colour = np.arange(6 * 2 * 2 * 3, dtype=np.uint8).reshape(6, 2, 2, 3)
    source = read(write(x_train=colour, x_test=colour[:3]))
    assert source.train.x.shape == (6, 3, 2, 2)
    assert source.train.x[0].tolist() == [[[0, 3], [6, 9]], [[1, 4], [7, 10]], [[2, 5], [8, 11]]]
    assert source.train.x.is_contiguous()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64", ">i4"])
def test_labels_of_any_integer_type_also_as_a_column(write, dtype):
    source = read(write(y_train=LABELS.astype(dtype)[:, None]))
    assert source.train.y.tolist() == [0, 1, 2, 0, 1, 2]


def test_a_test_part_may_lack_a_class(write):
    assert read(write(y_test=np.array([0, 0, 1]))).num_classes == 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"x_test": None, "labels": LABELS},
            "must hold x_train, y_train, x_test, y_test; it lacks x_test. "
            "Fix: rename the arrays; there are: x_train, y_train, y_test, labels.",
        ),
        (
            {"x_train": GREY / 255},
            "x_train.dtype = 'float64': must be uint8. "
            "Fix: store 0 to 255, e.g. (255 * x).round().astype(numpy.uint8).",
        ),
        (
            {"x_train": np.zeros((6, 3, 32, 32), np.uint8), "x_test": np.zeros((3, 32, 32, 3), np.uint8)},
            "x_train.shape = (6, 3, 32, 32): must be (N, H, W), or (N, H, W, C) with C at most 4. "
            "Fix: put channels last, e.g. x.transpose(0, 2, 3, 1).",
        ),
        (
            {"x_train": np.zeros((6, 0, 4), np.uint8)},
            "x_train.shape = (6, 0, 4): images must have pixels. Fix: store images.",
        ),
        (
            {"y_train": LABELS.astype(np.float32)},
            "y_train.dtype = 'float32': must be an integer type. "
            "Fix: store class numbers from 0, e.g. y.astype(numpy.int64).",
        ),
        (
            {"y_test": np.eye(3, dtype=int)},
            "y_test.shape = (3, 3): must be (N,) or (N, 1). "
            "Fix: store class numbers, e.g. y.argmax(1) where rows are one-hot.",
        ),
        (
            {"y_train": LABELS[:5]},
            "length of y_train = 5: y_train must have one label per image; x_train holds 6 images. "
            "Fix: write both from the same images.",
        ),
        (
            {"y_train": LABELS - 1},
            "train label = -1: labels must be from 0 to 1, as in the training part; 2 are not. "
            "Fix: correct or remove these images.",
        ),
        (
            {"y_train": LABELS * 2, "y_test": LABELS[:3] * 2},
            "train: labels must be 0 to K-1, K >= 2, each at least once; 3 of 5 classes occur. "
            "Fix: number the classes without gaps, from 0.",
        ),
        (
            {"y_train": LABELS * 0, "y_test": LABELS[:3] * 0},
            "train: labels must be 0 to K-1, K >= 2, each at least once; 1 of 2 classes occur. "
            "Fix: number the classes without gaps, from 0.",
        ),
        (
            {"y_test": np.array([0, 1, 3])},
            "test label = 3: labels must be from 0 to 2, as in the training part; 1 are not. "
            "Fix: correct or remove these images.",
        ),
        ({"x_test": GREY[:0], "y_test": LABELS[:0]}, "test: holds no images. Fix: add images to it."),
        (
            {"x_test": np.zeros((3, 5, 5), np.uint8)},
            "training and test images must have one shape; they are 1x4x4 and 1x5x5. "
            "Fix: convert one part to the other's size and colours.",
        ),
    ],
)
def test_each_defect_gives_one_line(write, changes, expected):
    assert expected in lines_of(write(**changes))


def test_all_defects_are_reported_at_once(write):
    found = lines_of(write(x_train=GREY.astype(float), y_train=LABELS[:2], y_test=np.float64(3)))
    assert [line.split(" = ")[0] for line in found] == [
        "x_train.dtype",
        "y_test.dtype",
        "y_test.shape",
        "length of y_train",
        "length of y_test",
    ]


def test_a_missing_file(tmp_path):
    request = Request(name="npz", path=tmp_path / "absent.npz")
    assert lines_of(request) == ["there is no such file. Fix: correct the path after npz:."]


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.999])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_truncated_file(tmp_path, save, kept):
    path = tmp_path / "cut.npz"
    save(path, **GOOD)
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    (line,) = lines_of(Request(name="npz", path=path))
    assert line.startswith("is not a readable NumPy archive (")
    assert line.endswith("Fix: write or copy it again with numpy.savez.")


def test_a_flipped_bit_fails_the_checksum(tmp_path):
    path = tmp_path / "bad.npz"
    np.savez(path, **GOOD)
    content = bytearray(path.read_bytes())
    content[content.index(GREY.tobytes()) + 50] ^= 1
    path.write_bytes(content)
    (line,) = lines_of(Request(name="npz", path=path))
    assert line.startswith("is not a readable NumPy archive (Bad CRC-32 for file 'x_train.npy')")


def test_one_array_is_not_an_archive(tmp_path):
    np.save(tmp_path / "one.npy", GREY)
    (line,) = lines_of(Request(name="npz", path=tmp_path / "one.npy"))
    assert line == "holds an array, not an archive. Fix: use numpy.savez."


def test_pickled_objects_are_refused_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle from a data file was run",))

    path = tmp_path / "trap.npz"
    np.savez(path, **GOOD | {"y_train": np.array([Trap()], dtype=object)}, allow_pickle=True)
    (line,) = lines_of(Request(name="npz", path=path))
    assert "it holds Python objects, no numbers" in line


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("x_train.npy", b"no array", "holds other content than arrays in x_train"),
        ("x_train", b"", "holds other content than arrays in x_train"),
        ("x_train.npy", b"\x93NUMPY", "is not a readable NumPy archive ("),
        (
            "x_train.npy",
            header("'descr': '|u1', 'fortran_order': False, 'shape': (10**15,)"),
            "is not a readable NumPy",
        ),
        ("x_train.npy", header("'descr': '|O', 'fortran_order': False, 'shape': (3,)"), "is not a readable NumPy"),
        (
            "x_train.npy",
            header("'descr': [('a', '<u4')], 'fortran_order': False, 'shape': ()") + b"abcd",
            "x_train.dtype = ",
        ),
        ("x_train.npy", header("'shape': (3,)"), "is not a readable NumPy archive ("),
    ],
)
def test_an_entry_that_is_no_array_of_images(write, name, content, rule):
    request = write(x_train=None)
    with zipfile.ZipFile(request.path, "a") as archive:
        archive.writestr(name, content)
    lines = lines_of(request)
    assert lines[0].startswith(rule)
    assert all("Fix: " in line for line in lines)


def test_changed_bytes_are_lines(write):
    """Whatever byte of an archive is another one, no error of NumPy or of zipfile comes through."""
    draws = np.random.default_rng(0)
    request = write()
    content = np.frombuffer(request.path.read_bytes(), np.uint8)
    for _ in range(300):
        changed = content.copy()
        changed[draws.integers(len(content), size=draws.choice([1, 4]))] = draws.integers(256, dtype=np.uint8)
        request.path.write_bytes(changed.tobytes())
        with contextlib.suppress(InputError):
            read(request)
