"""A study whose files were moved or copied goes on; one whose data were exchanged is refused."""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.toy_study import write_toy
from vsam_tune.study.file.same_files import _warn
from vsam_tune.study.file.study_file import load_study

DATA = {"npz": "npz:sets/digits.npz", "folder": "folder:sets/images"}


@pytest.fixture(autouse=True)
def new_process() -> None:
    _warn.cache_clear()


def project(folder: Path, **task: Any) -> tuple[Path, dict[str, Any]]:
    """Return the study file of a project with data and weights, and its definition as the first start stored it."""
    (folder / "sets" / "images" / "train" / "cat").mkdir(parents=True)
    np.savez(folder / "sets" / "digits.npz", x_train=np.arange(9))
    (folder / "sets" / "images" / "train" / "cat" / "1.png").write_bytes(b"an image")
    (folder / "weights.pt").write_bytes(b"weights")
    file = write_toy(folder, task={"epochs": 4, **task})
    return file, load_study(file).resolved()


@pytest.mark.parametrize("kind", DATA)
def test_a_moved_project_goes_on_and_says_so_once(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, stored = project(tmp_path / "old", data=DATA[kind], initial_checkpoint="weights.pt")
    moved = file.parent.rename(tmp_path / "new")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert load_study(moved / "toy.yaml").differences(stored) == []
    lines = [entry.getMessage() for entry in caplog.records]
    scheme, path = DATA[kind].split(":")
    assert lines == [
        f"task.data: {scheme}:{tmp_path / 'old' / path} is no longer there. {scheme}:{tmp_path / 'new' / path} is used,"
        " and taken for the same data",
        f"task.initial_checkpoint: {tmp_path / 'old' / 'weights.pt'} is no longer there. {tmp_path}/new/weights.pt is"
        " used, and taken for the same data",
    ]


@pytest.mark.parametrize("kind", DATA)
def test_a_copied_project_goes_on_without_a_word(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, stored = project(tmp_path / "old", data=DATA[kind], initial_checkpoint="weights.pt")
    shutil.copytree(file.parent, tmp_path / "new")
    assert load_study(tmp_path / "new" / "toy.yaml").differences(stored) == []
    assert not caplog.records


def test_data_that_moved_alone_are_found_by_the_command_line(tmp_path: Path) -> None:
    file, stored = project(tmp_path / "old", data="npz:sets/digits.npz")
    (file.parent / "sets" / "digits.npz").rename(tmp_path / "digits.npz")
    assert load_study(file, {"task.data": f"npz:{tmp_path / 'digits.npz'}"}).differences(stored) == []


@pytest.mark.parametrize("data", ["npz:other.npz", "npz:sets/digits.npz", "folder:sets/images", "digits"])
def test_other_data_are_a_difference(data: str, tmp_path: Path) -> None:
    file, stored = project(tmp_path / "old", data="npz:sets/digits.npz")
    new = tmp_path / "new"
    shutil.copytree(file.parent, new)
    for name in ("other.npz", "sets/digits.npz"):
        np.savez(new / name, x_train=np.arange(9)[::-1])  # as many bytes
    assert "task.data" in load_study(write_toy(new, task={"epochs": 4, "data": data})).differences(stored)


def test_a_folder_with_other_files_is_a_difference(tmp_path: Path) -> None:
    file, stored = project(tmp_path / "old", data="folder:sets/images")
    shutil.copytree(file.parent, tmp_path / "new")
    (tmp_path / "new" / "sets" / "images" / "train" / "cat" / "2.png").write_bytes(b"another image")
    assert load_study(tmp_path / "new" / "toy.yaml").differences(stored) == ["task.data"]


@pytest.mark.parametrize("name", ["digits.npz", "renamed.npz"])
def test_missing_and_renamed_data_are_a_difference(name: str, tmp_path: Path) -> None:
    file, stored = project(tmp_path / "old", data="npz:sets/digits.npz")
    moved = file.parent.rename(tmp_path / "new")
    (moved / "sets" / "digits.npz").rename(moved / "sets" / "renamed.npz")
    now = load_study(moved / "toy.yaml", {"task.data": f"npz:{moved / 'sets' / name}"})
    assert now.differences(stored) == ["task.data"]
