import sys
from pathlib import Path

import pytest

from tests.support.toy_study import TRAINABLE, toy_plan
from tests.support.trainables.quadratic import Quadratic
from vsam_tune.errors import InputError
from vsam_tune.study.execution.preflight import preflight, resolve
from vsam_tune.study.file.study_file import load_study
from vsam_tune.study.search import search_plan


def test_a_trainable_is_found_by_module_and_class() -> None:
    assert resolve(TRAINABLE) is Quadratic


def test_a_module_of_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own.py").write_text("from ray.tune import Trainable\nclass Mine(Trainable): ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert resolve("my_own:Mine").__module__ == "my_own"
    del sys.modules["my_own"]


def test_a_trainable_in_a_file_with_the_name_of_our_package_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trainables.py").write_text("from ray.tune import Trainable\nclass Mine(Trainable): ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert resolve("trainables.classification:Classification").__name__ == "Classification"
    with pytest.raises(InputError, match=r"Fix: rename trainables\.py, since vsam-tune has a package of this name"):
        resolve("trainables:Mine")


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("nowhere:Class", "No module named 'nowhere'"),
        ("tests.support.toy_study:Nothing", "module 'tests.support.toy_study' has no attribute 'Nothing'"),
        ("pathlib:Path", "is no ray.tune.Trainable"),
    ],
)
def test_what_is_not_a_trainable_is_an_error(name: str, rule: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(name)
    (line,) = caught.value.lines
    assert line == (
        f"study: trainable = {name!r}: {rule}. Fix: name a ray.tune.Trainable, or a function, in a module that is"
        " installed or in this folder."
    )


def test_a_trainable_without_check_is_taken_at_its_word(tmp_path: Path) -> None:
    assert preflight(toy_plan(tmp_path), time_iterations=True) == {}


def test_ours_is_asked_about_the_first_starting_point_in_another_process(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("name: a\ntask: {data: digits, model: {name: cnn, width: 2}, epochs: 2, batch_size: 100}\n")
    facts = preflight(search_plan(load_study(file)), time_iterations=False)
    assert (facts["train_images"], facts["iterations_per_epoch"]) == (1100, 11)
    assert facts["parameters"] > 0


def test_what_check_finds_wrong_comes_back_as_it_said_it(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("name: a\ntask: {data: npz:nothing.npz}\n")
    with pytest.raises(InputError) as caught:
        preflight(search_plan(load_study(file)), time_iterations=False)
    (line,) = caught.value.lines
    assert str(tmp_path / "nothing.npz") in line
    assert "Fix: " in line


@pytest.mark.parametrize(
    ("trainable", "error"), [("SetupFails", "LookupError: no such table"), ("SetupExits", "SystemExit: no such table")]
)
def test_check_sets_a_custom_trainable_up(trainable: str, error: str, tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, trainable=f"tests.support.trainables.workers:{trainable}")
    with pytest.raises(InputError, match=rf"setup fails: {error}.*\(workers\.py, line \d+\)\. Fix: correct"):
        preflight(plan, time_iterations=True)


def test_check_takes_one_step_of_a_custom_trainable(tmp_path: Path) -> None:
    assert preflight(toy_plan(tmp_path, trainable="tests.support.trainables.workers:Plain"), time_iterations=True) == {}
