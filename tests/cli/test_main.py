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


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: vsam-tune {name} ")
    assert err == ""


def test_help_answers_at_once() -> None:
    """In a fresh interpreter no command's help loads what takes a second to load."""
    code = (
        "import sys; from vsam_tune.cli.main import COMMANDS, main\n"
        "for name in COMMANDS:\n    assert main([name, '--help']) == 0\n"
        f"    loaded = [heavy for heavy in {HEAVY} if heavy in sys.modules]\n    assert not loaded, (name, loaded)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_program_itself_loads_nothing_heavy() -> None:
    code = f"import sys, vsam_tune.cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, encoding="utf-8").stdout == "[]\n"
    )


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    lines = overview.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(COMMANDS)
    assert all(len(line) <= 120 for line in lines)
    assert main([]) == 2
    assert capsys.readouterr() == ("", overview)


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vsam-tune {__version__}\n"


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["serach", "x.yaml"], "vsam-tune: 'serach' is not a command. Fix: vsam-tune search"),
        (["xyzzy"], "vsam-tune: 'xyzzy' is not a command. Fix: vsam-tune --help"),
        (
            ["methods", "--fromat", "json"],
            "vsam-tune methods: unrecognized arguments: --fromat json. Fix: write --format",
        ),
        (
            ["search"],
            "vsam-tune search: the following arguments are required: STUDY. Fix: vsam-tune search --help",
        ),
        (
            ["search", "x.yaml", "--tri", "5"],
            "vsam-tune search: unrecognized arguments: --tri 5. Fix: write --trials",
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


@pytest.mark.parametrize(
    ("argv", "fix"),
    [
        (["search", "a.yaml", "--fresh"], "write --no-resume"),
        (["confirm", "--time-only"], "write --timing-only"),
        (["confirm", "--possible"], "write --include-possible"),
        (["methods", "--format", "jsn"], "write json"),
        (["methods", "--format", "xyzzy"], "vsam-tune methods --help"),
        (["methods", "--xyzzy"], "vsam-tune methods --help"),
        (["spaces", "vsma"], "write vsam"),
    ],
)
def test_a_misspelt_or_former_name_is_corrected(argv: list[str], fix: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err.endswith(f". Fix: {fix}\n")) == ("", 1, True)


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "| head -1", "2>&1 | head -1"])
def test_a_stream_that_is_closed_is_no_error(redirection: str) -> None:
    line = f"{sys.executable} -m vsam_tune.cli.main methods --format json {redirection}"
    ended = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, encoding="utf-8", check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_full_disk_is_one_line() -> None:
    line = f"{sys.executable} -m vsam_tune.cli.main --help > /dev/full"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, encoding="utf-8", check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in ended.stderr


def test_a_stream_without_the_characters_gets_others() -> None:
    code = (
        "import sys; from vsam_tune.cli import methods; from vsam_tune.cli.main import main;"
        "methods.run = lambda _: sys.stdout.write('1 \\u00b1 2, \\u00e9\\n') and 0; sys.exit(main(['methods']))"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, rb"1 +- 2, \xe9" + b"\n", b"")


def raising(error: BaseException) -> Callable[[Any], int]:
    def run(_: Any) -> int:
        raise error

    return run


def test_what_nobody_foresaw_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(methods, "run", raising(RuntimeError("so\n  and so")))
    assert main(["methods"]) == 1
    fix = "set VSAM_TUNE_DEBUG=1 and repeat the command to see the traceback"
    assert capsys.readouterr() == ("", f"vsam-tune methods: RuntimeError: so and so. Fix: {fix}\n")
    monkeypatch.setattr(methods, "run", raising(RuntimeError()))
    assert main(["methods"]) == 1
    assert capsys.readouterr().err.startswith("vsam-tune methods: RuntimeError: RuntimeError(). Fix: ")
    monkeypatch.setenv("VSAM_TUNE_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["methods"])


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(methods, "run", raising(KeyboardInterrupt()))
    assert main(["methods"]) == 130
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
