"""The commands that messages propose run where the reader is."""

import argparse
import contextlib
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ended_study import Searched
from vsam_tune.cli import invocation
from vsam_tune.cli.arguments import load_chosen_study
from vsam_tune.cli.invocation import command_line
from vsam_tune.cli.main import COMMANDS, main
from vsam_tune.study.file import builtin_studies
from vsam_tune.study.file.builtin_studies import builtin_names
from vsam_tune.study.file.study_file import Study, load_study

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def copied(searched: Searched, tmp_path: Path) -> Searched:
    """The ended study below a folder whose name has a blank, which is the working folder too."""
    base = tmp_path / "my studies"
    shutil.copytree(searched.root, base / "runs")
    shutil.copy(searched.file, base / "mine.yaml")
    return Searched(base / "mine.yaml", base / "runs", base / "runs" / "mine")


def run_in_shell(line: str, folder: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)} | ({"PATH": path} if path else {})
    return subprocess.run(  # noqa: S602 - a command line is tested
        line, shell=True, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )


def proposed(out: str) -> list[str]:
    """Return the command lines of the steps below or after `next:`, without what they are for."""
    steps = out.partition("next:")[2].splitlines()
    return [step.strip().split("  ")[0] for step in steps if step.strip()]


@pytest.mark.parametrize("root", [[], ["--root", "elsewhere with blanks"]])
def test_every_step_after_a_search_runs_as_printed(root: list[str], copied: Searched) -> None:
    base = copied.file.parent
    if root:
        copied.root.rename(base / root[1])
    program = f"{shlex.quote(sys.executable)} -m vsam_tune.cli.main"
    searched = run_in_shell(f"{program} search mine.yaml {shlex.join(root)}", base)
    steps = proposed(searched.stdout)
    assert [step.removeprefix(f"{program} ").split()[0] for step in steps] == ["front", "mlflow", "plot"]
    for step in steps:
        ended = run_in_shell(f"{step} --url" if " mlflow " in step else step, base)
        assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), (step, ended.stderr)
        if " front " in step:
            (train,) = proposed(ended.stdout)
    (exported,) = base.glob("mine-trial*.yaml")
    assert train == f"{program} train {exported.name} --seeds 3"
    assert run_in_shell(f"{train} --help", base).returncode == 0


def test_a_name_on_the_path_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin of mine" / "vsam-tune"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command_line("front", "a b") == f"'{program}' front 'a b'"
    monkeypatch.setenv("PATH", str(program.parent))
    assert command_line("front", "a b") == "vsam-tune front 'a b'"


def test_a_relative_path_stays_as_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vsam-tune").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["./vsam-tune"])
    monkeypatch.setenv("PATH", "")
    assert invocation.program() in ("./vsam-tune", "vsam-tune")


def test_the_root_is_named_where_it_is_not_the_default() -> None:
    assert command_line("trials", "mine", root=Path("runs")) == "vsam-tune trials mine"
    assert command_line("trials", "mine", root=Path("a b")) == "vsam-tune trials mine --root 'a b'"


def test_the_study_may_be_omitted_where_there_is_one(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("front", "trials"):
        assert main([command, "--root", str(searched.root)]) == 0
        assert capsys.readouterr().err == f"study: mine, the only one in {searched.root}\n"
    assert main(["show", "2", "--root", str(searched.root), "--format", "json"]) == 0
    assert '"number": 2' in capsys.readouterr().out
    assert main(["compare", "--root", str(searched.root)]) == 2
    assert "holds no baselines yet" in capsys.readouterr().err


@pytest.mark.parametrize("command", [name for name in COMMANDS if name in ("confirm", "baselines", "plot", "mlflow")])
def test_without_any_study_the_command_says_how_to_start_one(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", "a.html"] if command == "plot" else []
    assert main([command, *out, "--root", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{tmp_path}: contains no study. Fix: vsam-tune search STUDY.yaml.\n"


def test_a_misspelt_study_is_corrected(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["front", "mien", "--root", str(searched.root)]) == 2
    assert capsys.readouterr().err.endswith("holds no study of this name. Fix: write mine.\n")


@pytest.mark.parametrize("name", ["quickstart", "cifar10_10k"])
def test_a_built_in_study_is_found_from_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    study = chosen(name)
    assert (study.name, study.file.name) == (name, f"{name}.yaml")
    assert main(["front", name]) == 2
    assert capsys.readouterr().err == f"runs: '{name}': was not started. Fix: vsam-tune search {name}.\n"


def test_the_built_in_studies_are_those_of_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT / "studies")  # where the paths in them start, as elsewhere in the current folder
    for name in builtin_names():
        assert load_study(CHECKOUT / "studies" / f"{name}.yaml").resolved() == chosen(name).resolved()


def test_a_study_is_chosen_by_file_or_by_name(copied: Searched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied.file.parent)
    by_name = chosen("mine")
    assert by_name.file.name == "optuna.db"
    assert by_name.resolved() == chosen("mine.yaml").resolved() == chosen(str(copied.file)).resolved()
    shutil.copy("mine.yaml", "without_suffix")
    assert chosen("without_suffix").resolved() == by_name.resolved()
    (copied.file.parent / "mine").mkdir()  # a folder of that name is in nobody's way
    assert chosen("mine").file.name == "optuna.db"


def test_a_started_study_goes_before_a_built_in_one(copied: Searched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its definition may be older than the one in the package."""
    monkeypatch.setattr(builtin_studies, "builtin_names", lambda: ["mine"])
    assert chosen("mine", copied.root).file.name == "optuna.db"


def test_a_study_whose_name_ends_like_a_file_opens_by_it(copied: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    """Earlier versions let one start."""
    copied.folder.rename(copied.root / "exp.yaml")
    with contextlib.closing(sqlite3.connect(copied.root / "exp.yaml" / "optuna.db")) as database:
        database.execute("update studies set study_name = 'exp.yaml' where study_name = 'mine'")
        database.commit()
    assert main(["trials", "exp.yaml", "--root", str(copied.root)]) == 0
    assert "complete" in capsys.readouterr().out


def chosen(name: str, root: Path = Path("runs")) -> Study:
    return load_chosen_study(argparse.Namespace(study=name, root=root))
