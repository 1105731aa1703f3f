"""The commands that messages propose run where the reader is."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ended_study import Searched
from vsam_tune.cli import invocation
from vsam_tune.cli.invocation import command_line
from vsam_tune.cli.main import COMMANDS, main

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
    assert train == f"{program} train best.yaml --seeds 3"
    assert (base / "best.yaml").is_file()
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
