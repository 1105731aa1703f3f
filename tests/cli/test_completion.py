"""Completion as a shell asks for it: the line in the environment, the answer in file descriptor 8."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ended_study import Searched

CHECKOUT = Path(__file__).parents[2]


def completions(line: str, folder: Path) -> list[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(CHECKOUT),
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    command = f"exec {sys.executable} -m vsam_tune.cli.main 8>&1 9>/dev/null >/dev/null"
    ended = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    return [each.strip() for each in ended.stdout.split("\n") if each.strip()]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vsam-tune fr", ["front"]),
        ("vsam-tune front --inc", ["--include-possible"]),
        ("vsam-tune front --format ma", ["markdown"]),
        ("vsam-tune front --root runs m", ["mine", "mine.yaml"]),
        ("vsam-tune front m", ["mine", "mine.yaml"]),
        ("vsam-tune search m", ["mine", "mine.yaml"]),
        ("vsam-tune search mine.yaml task.ep", ["task.epochs="]),
        ("vsam-tune search mine.yaml na", ["name="]),
        ("vsam-tune search qu", ["quickstart"]),
        ("vsam-tune spaces vs", ["vsam", "vsam_a"]),
        ("vsam-tune baselines --methods sgd,vsam_", ["sgd,vsam_a"]),
        ("vsam-tune front --columns trial,eff", ["trial,efficiency"]),
        ("vsam-tune front --pick k", ["knee"]),
        ("vsam-tune front --pick w", ["within="]),
        ("vsam-tune front --pick min-a", ["min-ais=", "min-ais_vs_sam="]),
    ],
)
def test_the_shell_is_offered_what_may_follow(
    line: str, expected: list[str], searched: Searched, tmp_path: Path
) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    shutil.copy(searched.folder / "optuna.db", tmp_path / "runs" / "mine")
    shutil.copy(searched.file, tmp_path / "mine.yaml")
    assert completions(line, tmp_path) == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_itself_completes_a_command(tmp_path: Path) -> None:
    """The two lines of the README, in a real bash: its completion function fills COMPREPLY."""
    register = Path(sys.executable).parent / "register-python-argcomplete"
    program = tmp_path / "vsam-tune"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m vsam_tune.cli.main "$@"\n')
    program.chmod(0o755)
    script = f"""
        eval "$({sys.executable} {register} vsam-tune)"
        COMP_LINE='vsam-tune doc' COMP_POINT=13 COMP_TYPE=9 COMP_WORDS=(vsam-tune doc) COMP_CWORD=1
        function=$(complete -p vsam-tune | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        $function vsam-tune doc vsam-tune
        echo "${{COMPREPLY[@]}}"
    """
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, encoding="utf-8", check=False)
    assert (ended.stdout.strip(), ended.stderr) == ("doctor", "")
