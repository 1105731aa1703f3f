"""`vsam-tune`: finds the command, imports it alone, and turns what goes wrong into one line and an exit code."""

import argparse
import difflib
import io
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import NoReturn

from typing_extensions import override

from vsam_tune import __version__
from vsam_tune.errors import InputError

# name -> (module, what it does). A module has `add_arguments(parser)` and `run(arguments) -> exit code`.
COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("vsam_tune.cli.check", "validate a study file and what it names; say what it would cost"),
    "search": ("vsam_tune.cli.search", "the Pareto search; goes on where it stopped"),
    "baselines": ("vsam_tune.cli.baselines", "train every method on a study's task, several seeds each"),
    "front": ("vsam_tune.cli.front", "the front, its hypervolume and knee; --pick one and --export it"),
    "trials": ("vsam_tune.cli.trials", "all trials of a study"),
    "show": ("vsam_tune.cli.show", "one trial: parameters, curve, failure, log, checkpoint"),
    "train": ("vsam_tune.cli.train", "final training of an exported configuration, several seeds"),
    "confirm": ("vsam_tune.cli.confirm", "train the front again under fresh seeds: what remains, and a fair pick"),
    "compare": ("vsam_tune.cli.compare", "the baselines: accuracy, speed, differences to SAM, the paper's numbers"),
    "mlflow": ("vsam_tune.cli.mlflow", "open the MLflow UI on a study"),
    "methods": ("vsam_tune.cli.methods", "the optimizers: cost, hyper-parameters, source"),
    "models": ("vsam_tune.cli.models", "the networks: parameters, options, source"),
    "spaces": ("vsam_tune.cli.spaces", "what is searched for each method"),
    "studies": ("vsam_tune.cli.studies", "the studies under a root, and how far they are"),
    "doctor": ("vsam_tune.cli.doctor", "what this machine or cluster can do"),
}
PLUGINS = "vsam_tune.commands"  # entry points that add commands, such as those of `dashboards`


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the options in one line."""

    @override
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. Fix: {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the command and its options; None for those of the process.

    Returns:
        0 if all went well, 1 if something failed and is named on stderr, 2 for bad input.
    """
    _write_utf8()
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()  # a closed pipe is noticed here, not when Python exits
    except BrokenPipeError:  # the reader of the pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _write_utf8() -> None:
    """Write UTF-8 in every locale: tables hold characters such as ± that a C locale cannot encode."""
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
            stream.reconfigure(encoding="utf-8", errors=errors)


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        (sys.stdout if arguments else sys.stderr).write(_overview())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        sys.stdout.write(f"vsam-tune {__version__}\n")
        return 0
    commands = _commands()
    name = arguments[0]
    if name not in commands:
        near = difflib.get_close_matches(name, commands, 1)
        fix = f"vsam-tune {near[0]}" if near else "vsam-tune --help"
        sys.stderr.write(f"vsam-tune: {name!r} is no command. Fix: {fix}\n")
        return 2
    return _run(name, *commands[name], arguments[1:])


def _run(name: str, module: str, summary: str, options: list[str]) -> int:
    logging.basicConfig(format="vsam-tune: %(message)s", level=logging.WARNING, stream=sys.stderr)
    command = import_module(module)
    parser = _Parser(prog=f"vsam-tune {name}", description=command.__doc__ or summary, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_arguments(parser)
    try:
        parsed = parser.parse_args(options)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        return int(command.run(parsed))
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("vsam-tune: interrupted; no finished trial is lost. Fix: the same command goes on\n")
        return 1
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get("VSAM_TUNE_DEBUG"):
            raise
        text = " ".join(str(error).split()) or repr(error)
        fix = f"VSAM_TUNE_DEBUG=1 vsam-tune {name} ... shows where"
        sys.stderr.write(f"vsam-tune {name}: {type(error).__name__}: {text}. Fix: {fix}\n")
        return 1


def _commands() -> dict[str, tuple[str, str]]:
    """Return the commands by name: ours, and those that entry points add with `MODULE:HELP`."""
    return COMMANDS | {point.name: (point.module, point.load()) for point in entry_points(group=PLUGINS)}


def _overview() -> str:
    commands = _commands()
    width = max(map(len, commands)) + 2
    lines = [f"  {name:<{width}}{summary}" for name, (_, summary) in commands.items()]
    return "\n".join([
        "usage: vsam-tune COMMAND ...   (vsam-tune COMMAND --help; --version)",
        "",
        "What accuracy costs in speed, for sharpness-aware optimizers. Start: vsam-tune search studies/quickstart.yaml",
        "",
        *lines,
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
