"""CIFAR and Fashion-MNIST from fake files in the published formats; nothing leaves the machine."""

import gzip
import hashlib
import pickle
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import torch
from torchvision import datasets

from vsam_tune.data.source import Request
from vsam_tune.data.torchvision_sets import default_root, read
from vsam_tune.errors import InputError


def md5(file):
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def write_batch(file, key, labels):
    """Return images; image i has i in red, i + 1 in green, i + 2 in blue."""
    rows = [np.repeat(np.arange(i, i + 3, dtype=np.uint8), 1024) for i in range(len(labels))]
    file.write_bytes(pickle.dumps({"data": np.stack(rows), key: labels}))
    return [file.name, md5(file)]


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    """Write a tiny CIFAR-10, 4 training images and 2 test images, and give torchvision its checksums."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    kind = datasets.CIFAR10
    lists = [write_batch(folder / f"data_batch_{i}", "labels", [0, 1]) for i in (1, 2)]
    monkeypatch.setattr(kind, "train_list", lists)
    monkeypatch.setattr(kind, "test_list", [write_batch(folder / "test_batch", "labels", [1, 0])])
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["cat", "dog"]}))
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(folder / "batches.meta")})
    return tmp_path


@pytest.fixture
def archive(cifar10, tmp_path_factory, monkeypatch):
    """Serve the same data as an archive from this machine, for a download."""
    file = tmp_path_factory.mktemp("server") / "cifar-10-python.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        tar.add(cifar10 / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(file))
    handler = partial(QuietHandler, directory=str(file.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        monkeypatch.setattr(datasets.CIFAR10, "url", f"http://127.0.0.1:{server.server_port}/{file.name}")
        Thread(target=server.serve_forever, daemon=True).start()
        yield file
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def line_of(request):
    with pytest.raises(InputError) as error:
        read(request)
    (line,) = error.value.lines
    return line


def test_cifar10(cifar10):
    source = read(Request(name="cifar10", root=cifar10))
    assert source.num_classes == 2
    assert source.train.x.shape == (4, 3, 32, 32)
    assert source.train.x.is_contiguous()
    assert source.train.x[:, :, 5, 7].tolist() == [[0, 1, 2], [1, 2, 3], [0, 1, 2], [1, 2, 3]]
    assert source.train.y.tolist() == [0, 1, 0, 1]
    assert (source.test.y.tolist(), source.test.y.dtype) == ([1, 0], torch.int64)


def test_cifar100_has_fine_labels(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    kind = datasets.CIFAR100
    monkeypatch.setattr(kind, "train_list", [write_batch(folder / "train", "fine_labels", [0, 1, 2])])
    monkeypatch.setattr(kind, "test_list", [write_batch(folder / "test", "fine_labels", [2])])
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": ["a", "b", "c"]}))
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(folder / "meta")})
    source = read(Request(name="cifar100", root=tmp_path))
    assert (source.num_classes, len(source.train), source.test.y.tolist()) == (3, 3, [2])


def write_idx(file, array):
    header = b"\0\0\x08" + bytes([array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(header + array.tobytes())


@pytest.fixture
def fashion(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    for part, labels in (("train", [1, 0, 1]), ("t10k", [0, 1])):
        images = np.arange(len(labels), dtype=np.uint8)[:, None, None].repeat(28, 1).repeat(28, 2)
        write_idx(raw / f"{part}-images-idx3-ubyte", images)
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.array(labels, np.uint8))
    return tmp_path


def test_fashion_mnist_is_grey(fashion):
    source = read(Request(name="fashion_mnist", root=fashion))
    assert source.train.x.shape == (3, 1, 28, 28)
    assert source.train.x[:, 0, 3, 3].tolist() == [0, 1, 2]
    assert (source.train.y.tolist(), source.test.y.tolist()) == ([1, 0, 1], [0, 1])


@pytest.mark.parametrize("kept", [0, 3, 10, 900])
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_truncated_fashion_mnist_file(fashion, name, kept):
    file = fashion / "FashionMNIST" / "raw" / name
    file.write_bytes(file.read_bytes()[: min(kept, file.stat().st_size - 1)])
    line = line_of(Request(name="fashion_mnist", root=fashion))
    assert line.startswith(f"{fashion / 'FashionMNIST'}: ")


@pytest.mark.parametrize(
    ("name", "folder"),
    [("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python"), ("fashion_mnist", "FashionMNIST")],
)
def test_not_downloaded(tmp_path, name, folder):
    assert line_of(Request(name=name, root=tmp_path)) == (
        f"{tmp_path}: '{name}': is missing. Fix: use --download, or set data_root to the folder that holds {folder}."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_cifar_file_is_found_by_its_checksum(cifar10):
    file = cifar10 / "cifar-10-batches-py" / "data_batch_2"
    file.write_bytes(file.read_bytes()[:-1])
    line = line_of(Request(name="cifar10", root=cifar10))
    assert line.startswith(f"{cifar10 / 'cifar-10-batches-py'}: files are missing or damaged (")
    assert line.endswith("Fix: delete this folder, then use --download.")


def test_download_once(archive, tmp_path_factory):
    root = tmp_path_factory.mktemp("root") / "made" / "on demand"
    assert len(read(Request(name="cifar10", root=root, download=True)).train) == 4
    archive.unlink()
    assert len(read(Request(name="cifar10", root=root, download=True)).train) == 4
    assert len(read(Request(name="cifar10", root=root)).train) == 4


def test_a_damaged_download_is_refused(archive, tmp_path_factory):
    archive.write_bytes(gzip.compress(b"something else"))
    root = tmp_path_factory.mktemp("root")
    line = line_of(Request(name="cifar10", root=root, download=True))
    assert line == (
        f"{root}: 'cifar10': the download failed (File not found or corrupted.). "
        "Fix: check network and disk, or copy cifar-10-batches-py into this folder from a machine "
        "that has it."
    )


def test_no_network(tmp_path, monkeypatch):
    nobody_listens = "http://127.0.0.1:9/cifar-10-python.tar.gz"
    monkeypatch.setattr(datasets.CIFAR10, "url", nobody_listens)
    line = line_of(Request(name="cifar10", root=tmp_path, download=True))
    assert line.startswith(f"{tmp_path}: 'cifar10': the download failed (<urlopen error")


def test_no_permission_to_make_the_folder(tmp_path):
    (tmp_path / "file").write_text("in the way")
    line = line_of(Request(name="cifar10", root=tmp_path / "file" / "data", download=True))
    assert "the download failed ([Errno 20] Not a directory" in line


def test_the_default_root_is_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "vsam-tune" / "data"
    assert line_of(Request(name="cifar10")).startswith(f"{tmp_path}/vsam-tune/data: 'cifar10': is missing")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(default_root()) == "/home/somebody/.cache/vsam-tune/data"
