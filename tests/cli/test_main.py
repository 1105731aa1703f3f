import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from vsam_tune import __version__
from vsam_tune.cli import methods
from vsam_tune.cli.main import COMMANDS, main

HEAVY = ("torch", "ray", "optuna", "mlflow", "plotly", "pandas")
ALL = [*COMMANDS, "plot"]  # plot comes from an entry point of dashboards


@pytest.mark.parametrize("name", ALL)
def test_every_command_says_what_it_does_and_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: vsam-tune {name} ")
    assert err == ""


def test_help_answers_at_once() -> None:
    """In a fresh interpreter no command's help loads what takes a second to load."""
    code = (
        f"import sys; from vsam_tune.cli.main import main\nfor name in {ALL}:\n    assert main([name, '--help']) == 0\n"
        f"    loaded = [heavy for heavy in {HEAVY} if heavy in sys.modules]\n    assert not loaded, (name, loaded)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_program_itself_loads_nothing_heavy() -> None:
    code = f"import sys, vsam_tune.cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    lines = overview.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == ALL
    assert all(len(line) <= 120 for line in lines)
    assert main([]) == 2
    assert capsys.readouterr() == ("", overview)


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vsam-tune {__version__}\n"


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["serach", "x.yaml"], "vsam-tune: 'serach' is no command. Fix: vsam-tune search"),
        (["xyzzy"], "vsam-tune: 'xyzzy' is no command. Fix: vsam-tune --help"),
        (
            ["methods", "--fromat", "json"],
            "vsam-tune methods: unrecognized arguments: --fromat json. Fix: vsam-tune methods --help",
        ),
        (
            ["search"],
            "vsam-tune search: the following arguments are required: STUDY.yaml. Fix: vsam-tune search --help",
        ),
        (
            ["search", "x.yaml", "--tri", "5"],
            "vsam-tune search: unrecognized arguments: --tri 5. Fix: vsam-tune search --help",
        ),
        (
            ["search", "x.yaml", "--trials", "-5"],
            "vsam-tune search: argument --trials: '-5' must be a whole number >= 1. Fix: vsam-tune search --help",
        ),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(argv: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert capsys.readouterr() == ("", f"{line}\n")


def raising(error: BaseException) -> Callable[[Any], int]:
    def run(_: Any) -> int:
        raise error

    return run


def test_what_nobody_foresaw_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(methods, "run", raising(RuntimeError("so\n  and so")))
    assert main(["methods"]) == 1
    fix = "VSAM_TUNE_DEBUG=1 vsam-tune methods ... shows where"
    assert capsys.readouterr() == ("", f"vsam-tune methods: RuntimeError: so and so. Fix: {fix}\n")
    monkeypatch.setattr(methods, "run", raising(RuntimeError()))
    assert main(["methods"]) == 1
    assert capsys.readouterr().err.startswith("vsam-tune methods: RuntimeError: RuntimeError(). Fix: ")
    monkeypatch.setenv("VSAM_TUNE_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["methods"])


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(methods, "run", raising(KeyboardInterrupt()))
    assert main(["methods"]) == 1
    assert capsys.readouterr().err.startswith("vsam-tune: interrupted; ")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("argv", [["--help"], ["methods", "--help"], ["methods", "--format", "json"]], ids=" ".join)
def test_a_reader_that_leaves_early_is_no_error(argv: list[str], unbuffered: str) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "vsam_tune.cli.main", *argv]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment, text=True, check=False)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, "")
