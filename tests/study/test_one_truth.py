"""Optuna holds the definition of a study; `study.resolved.yaml` is an export, whose loss or damage changes nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.fake_study import empty_store
from tests.support.toy_study import on_disk, toy_study, write_toy
from vsam_tune.cli.main import main
from vsam_tune.study.baselines import BaselinesJob, wanted_rows
from vsam_tune.study.confirm import Scope, confirm_plan, wanted_trials
from vsam_tune.study.file.sections import Resources
from vsam_tune.study.file.study_file import load_export
from vsam_tune.study.final_training import final_plan
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.search import search_plan
from vsam_tune.study.storage.folder import RESOLVED
from vsam_tune.study.storage.stored_study import load_result

SECTIONS: dict[str, Any] = {
    "initial": [{"x": 1.0}, {"x": -1.0}],
    "budget": {"trials": 2},
    "baselines": {"seeds": 1, "methods": [{"name": "toy", "x": 0.5}]},
}
EXPORT = "task: {data: digits, model: {name: cnn, width: 4}, epochs: 2}\nmethod: {name: sam, rho: 0.1}\n"


def break_export(folder: Path, how: str) -> None:
    path = folder / RESOLVED
    path.unlink()
    if how == "cut":
        path.write_bytes(b"name: t\xff\nspace: {")
    elif how == "of another study":
        path.write_text("name: another\n")
    elif how == "a folder":
        path.mkdir()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def finish(plan: Plan, home: Path, folder: Path) -> None:
    """Store a plan whose trials are complete, with its export."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (home / "mlflow.db").exists():
        (home / "mlflow.db").write_bytes(empty_store())
    storage = on_disk(plan, home)
    for params in plan.enqueued:
        trial = storage.take([params])
        if plan.space:
            trial.suggest_float("x", -1.5, 1.5)
        values = [float(i + 1) for i, _ in enumerate(plan.objectives)]
        storage.complete(trial, values, {"test_accuracy": 90.0, "ais": 100.0, "epoch": 4.0})
    (folder / RESOLVED).write_text(yaml.safe_dump(dict(plan.resolved)))
    (folder / "lock").touch()
    (home / "creation.lock").touch()


class Toy:
    """A toy study whose search, baselines and confirmation have ended, without a training."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "runs"
        self.home = self.root / "toy"
        study = toy_study(folder, **SECTIONS)
        finish(search_plan(study), self.home, self.home)
        (plan,) = BaselinesJob(study=study, home=self.home, rows=wanted_rows(study, root=self.root)).plans()
        finish(plan, self.home, self.home / "baselines")
        wanted = wanted_trials(study, Scope(seeds=1), root=self.root, earlier=None)
        finish(confirm_plan(study, wanted, wanted.replicates), self.home, self.home / "confirm")

    def run(self, command: str, *options: str, **changes: Any) -> int:
        file = write_toy(self.folder, **{**SECTIONS, **changes})
        return main([command, str(file), "--root", str(self.root), *options])


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Toy(tmp_path_factory.mktemp("ended")).folder


@pytest.fixture
def toy(ended: Path, tmp_path: Path) -> Iterator[Toy]:
    shutil.copytree(ended, tmp_path, dirs_exist_ok=True)
    made = Toy.__new__(Toy)
    made.folder, made.root, made.home = tmp_path, tmp_path / "runs", tmp_path / "runs" / "toy"
    return made


@pytest.mark.parametrize(
    ("options", "how"), [([], "missing"), ([], "cut"), ([], "of another study"), (["--no-resume"], "missing")]
)
def test_a_different_study_of_the_name_is_refused_and_nothing_changes(
    options: list[str], how: str, toy: Toy, capsys: pytest.CaptureFixture[str]
) -> None:
    break_export(toy.home, how)
    before = contents(toy.home)
    changes = {"method": {"name": "toy", "seconds": 1}, "sampler": {"kind": "random", "seed": 3}}
    assert toy.run("search", *options, **changes) == 2
    lines = capsys.readouterr().err.splitlines()
    keys = ["name"] if options else ["method.seconds", "sampler.seed"]
    assert [line.split(": ")[1].split(" = ")[0] for line in lines] == keys
    assert contents(toy.home) == before


@pytest.mark.parametrize(
    ("command", "changes", "keys"),
    [
        (
            "baselines",
            {"task": {"epochs": 4, "seed": 3}, "trainable": "tests.support:Other"},
            ["task.seed", "trainable"],
        ),
        ("confirm", {"task": {"epochs": 4, "seed": 3}}, ["task.seed"]),
        ("confirm", {"method": {"name": "toy", "y": 1}}, ["method.y"]),
    ],
)
def test_baselines_and_confirmations_of_a_different_study_are_refused(
    command: str, changes: dict[str, Any], keys: list[str], toy: Toy, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (toy.home, toy.home / command):
        break_export(folder, "missing")
    before = contents(toy.home)
    assert toy.run(command, **changes) == 2
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == keys
    assert contents(toy.home) == before


@pytest.mark.parametrize(
    ("command", "how"),
    [("search", "missing"), ("search", "a folder"), ("baselines", "cut"), ("confirm", "missing")],
)
def test_the_same_study_goes_on_and_writes_its_export_again(
    command: str, how: str, toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    folder = toy.home if command == "search" else toy.home / command
    whole = yaml.safe_load((folder / RESOLVED).read_text())
    break_export(folder, how)
    before = load_result("toy", toy.root).trials
    seeds = ["--seeds", "1"] if command != "search" else []
    assert toy.run(command, *seeds, budget={"trials": 1}) == 0
    assert load_result("toy", toy.root).trials == before
    if how == "a folder":
        assert f"{folder / RESOLVED} cannot be written: " in caplog.text
        return
    again = yaml.safe_load((folder / RESOLVED).read_text())
    assert again == {**whole, "budget": again["budget"]} if command == "search" else whole


def test_a_picked_trial_is_exported_from_the_stored_definition(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    break_export(toy.home, "of another study")
    assert main(["front", "toy", "--root", str(toy.root), "--pick", "trial=1"]) == 0
    content = yaml.safe_load(capsys.readouterr().out)
    assert (content["source"]["trial"], content["method"]) == (1, {"name": "toy", "x": -1.0})


def test_a_final_training_of_another_configuration_is_refused_and_the_same_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "best.yaml", tmp_path / "out"
    file.write_text(EXPORT)
    finish(final_plan(load_export(file), "out", seeds=1, resources=Resources()), out, out)
    break_export(out, "missing")
    before = contents(out)
    file.write_text(EXPORT.replace("0.1", "0.2").replace("epochs: 2", "epochs: 3"))
    assert main(["train", str(file), "--out", str(out)]) == 2
    assert capsys.readouterr().err.count("Fix: another --out DIR; nothing is ever deleted") == 2
    assert contents(out) == before
    file.write_text(EXPORT)
    assert main(["train", str(file), "--out", str(out)]) == 0
