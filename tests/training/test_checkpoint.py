"""Checkpoints: whole or absent, whatever happens to the disk; readable without running code from them."""

import os
import re
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from tests.support.full_disk import fill_disk
from tests.support.tiny_trial import equal_state
from vsam_tune.training.checkpoint import load_checkpoint, save_checkpoint

STATE = {
    "weights": torch.arange(30_000, dtype=torch.float32),
    "half": torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
    "counters": {"iteration": 7, "rate": 0.1, "name": "vsam", "draws": [0.25, float("inf")], "none": None},
}


@contextmanager
def disk_without_space():
    """Let the next checkpoint find no space at all."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        fill_disk(monkeypatch, "checkpoint.pt")
        yield


@contextmanager
def disk_that_fills_up():
    """Let every file that is written end after 50,000 bytes, in the middle of the weights."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_saved_is_loaded(tmp_path):
    save_checkpoint(STATE, tmp_path / "checkpoint.pt")
    assert equal_state(load_checkpoint(tmp_path / "checkpoint.pt"), STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_later_checkpoint_replaces_the_former(tmp_path):
    save_checkpoint(STATE, tmp_path / "checkpoint.pt")
    save_checkpoint({"iteration": 8}, tmp_path / "checkpoint.pt")
    assert load_checkpoint(tmp_path / "checkpoint.pt") == {"iteration": 8}


@pytest.mark.parametrize("failing", [disk_without_space, disk_that_fills_up])
def test_a_full_disk_leaves_the_former_checkpoint_and_nothing_else(failing, tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint({"iteration": 6}, path)
    with failing(), pytest.raises(OSError, match=r"checkpoint\.pt|space|large"):
        save_checkpoint(STATE, path)
    assert load_checkpoint(path) == {"iteration": 6}
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]
    save_checkpoint(STATE, path)
    assert equal_state(load_checkpoint(path), STATE)


def test_what_cannot_be_saved_leaves_the_former_checkpoint_and_nothing_else(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint({"iteration": 6}, path)
    with pytest.raises((AttributeError, TypeError, OSError)):
        save_checkpoint({"iteration": 7, "clock": lambda: 0.0}, path)
    assert load_checkpoint(path) == {"iteration": 6}
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        save_checkpoint(STATE, tmp_path / "gone" / "checkpoint.pt")


def test_the_data_are_on_the_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    path, events = tmp_path / "checkpoint.pt", []
    fsync, replace = os.fsync, Path.replace
    temporary = re.compile("[0-9a-f]{8}")

    def noted_fsync(descriptor):
        fsync(descriptor)
        file = Path(f"/proc/self/fd/{descriptor}").readlink()
        size = file.stat().st_size if file.is_file() else 0
        events.append(("fsync", "folder" if file == tmp_path else temporary.sub("XXXXXXXX", file.name), size))

    def noted_replace(self, target):
        events.append(("rename", temporary.sub("XXXXXXXX", self.name), self.stat().st_size))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    save_checkpoint(STATE, path)
    size = path.stat().st_size
    assert events == [
        ("fsync", "checkpoint.pt.XXXXXXXX.part", size),
        ("rename", "checkpoint.pt.XXXXXXXX.part", size),
        ("fsync", "folder", 0),
    ]


@pytest.mark.parametrize("kept", [0.0, 0.00001, 0.3, 0.9, 0.9999])
def test_a_file_that_was_cut_is_an_error_that_names_it(kept, tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(STATE, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(RuntimeError, match=r"checkpoint\.pt: not a checkpoint, or a truncated one"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [b"epoch: 3\n", b"\x00" * 1000, b"PK\x03\x04" + b"\xff" * 1000])
def test_another_file_is_an_error_that_names_it(content, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(RuntimeError, match=r"checkpoint\.pt: not a checkpoint"):
        load_checkpoint(tmp_path / "checkpoint.pt")


def test_no_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "checkpoint.pt")


class Intruder:
    def __reduce__(self):
        return (os.mkdir, ("intruded",))


def test_code_in_a_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Intruder()}, tmp_path / "checkpoint.pt")
    with pytest.raises(RuntimeError, match=r"checkpoint\.pt: not a checkpoint"):
        load_checkpoint(tmp_path / "checkpoint.pt")
    assert not (tmp_path / "intruded").exists()
