"""`vsam-tune`: finds the command, imports its module alone, and turns errors into one line and an exit code."""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from vsam_tune import __version__, interruption
from vsam_tune.cli.arguments import fill_study
from vsam_tune.cli.invocation import command_line
from vsam_tune.cli.parser import CommandParser
from vsam_tune.cli.streams import discard_output, prepare_streams
from vsam_tune.errors import InputError, nearest

_INTERRUPTED = "vsam-tune: interrupted; finished trials are kept. Fix: repeat the command to resume\n"

# name -> (module, what it does). A module has `add_arguments(parser)` and `run(arguments) -> exit code`.
COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("vsam_tune.cli.check", "validate a study file and estimate what the study costs"),
    "search": ("vsam_tune.cli.search", "search the Pareto front of a study, or resume the search"),
    "front": ("vsam_tune.cli.front", "print the front; pick a configuration and export it"),
    "train": ("vsam_tune.cli.train", "final training of an exported configuration, with several seeds"),
    "confirm": ("vsam_tune.cli.confirm", "train the front again with fresh seeds: which points remain?"),
    "baselines": ("vsam_tune.cli.baselines", "train every method on the task of a study, with several seeds"),
    "compare": ("vsam_tune.cli.compare", "compare the baselines with SAM and with the paper"),
    "compare-studies": ("vsam_tune.cli.compare_studies", "compare the hypervolumes of studies, and of repeats"),
    "rungs": ("vsam_tune.cli.rungs", "show where trials were stopped, and why"),
    "simulate": ("vsam_tune.cli.simulate", "replay a search with another sampler, trial scheduler or more workers"),
    "trials": ("vsam_tune.cli.trials", "list all trials of a study"),
    "show": ("vsam_tune.cli.show", "show one trial: parameters, learning curve, error, log, files"),
    "plot": ("dashboards.plot", "draw the front or the baselines into an HTML or PNG file"),
    "mlflow": ("vsam_tune.cli.mlflow", "open the MLflow UI on a study"),
    "studies": ("vsam_tune.cli.studies", "list the studies under a folder, and their progress"),
    "methods": ("vsam_tune.cli.methods", "list the optimizers: cost, hyper-parameters, source"),
    "models": ("vsam_tune.cli.models", "list the networks: parameters, options, source"),
    "spaces": ("vsam_tune.cli.spaces", "list which parameters are searched for each method"),
    "doctor": ("vsam_tune.cli.doctor", "check this machine or a Ray cluster, and how reliable AIS is on it"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the command and its options; None for those of the process.

    Returns:
        0 on success, 1 if something failed, 2 for bad input, 130 after Ctrl-C or SIGHUP, 143 after SIGTERM. A line on
        stderr says what is wrong.
    """
    prepare_streams()
    interruption.install()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks what may follow
        from vsam_tune.cli.completion import complete

        complete(COMMANDS)
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()  # a closed pipe is noticed here, not when Python exits
    except BrokenPipeError:  # the reader of the pipe needs no more
        discard_output()
        return 0
    except OSError as error:  # such as a full disk behind `>`
        discard_output()
        sys.stderr.write(f"vsam-tune: the output cannot be written: {error.strerror}\n")
        return 1
    return code


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        (sys.stdout if arguments else sys.stderr).write(_overview())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        sys.stdout.write(f"vsam-tune {__version__}\n")
        return 0
    name, *options = arguments
    if name not in COMMANDS:
        fix = command_line(nearest(name, COMMANDS) or "--help")
        sys.stderr.write(f"vsam-tune: {name!r} is not a command. Fix: {fix}\n")
        return 2
    return _run(name, options)


def _run(name: str, options: list[str]) -> int:
    logging.basicConfig(format="vsam-tune: %(message)s", level=logging.WARNING, stream=sys.stderr)
    module, summary = COMMANDS[name]
    command = import_module(module)
    parser = CommandParser(name, command.__doc__ or summary)
    command.add_arguments(parser)
    try:
        parsed = parser.parse_intermixed_args(options)  # KEY=VALUE may follow options
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        fill_study(parsed)
        code = int(command.run(parsed))
        return interruption.exit_code() or code if code else 0
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(_INTERRUPTED)
        return interruption.exit_code() or 130
    except SystemExit as stop:  # while Ray starts, it handles SIGTERM itself
        if stop.code != signal.SIGTERM:
            raise
        sys.stderr.write(_INTERRUPTED)
        return 128 + signal.SIGTERM
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get("VSAM_TUNE_DEBUG"):
            raise
        text = " ".join(str(error).split()) or repr(error)
        fix = "set VSAM_TUNE_DEBUG=1 and repeat the command to see the traceback"
        sys.stderr.write(f"vsam-tune {name}: {type(error).__name__}: {text}. Fix: {fix}\n")
        return 1


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    start = command_line("search", "quickstart")
    return "\n".join([
        f"usage: vsam-tune COMMAND ...   (help of a command: {command_line('COMMAND', '--help')}; --version)",
        "",
        "Search the trade-off between accuracy and speed of sharpness-aware optimizers.",
        f"Start: {start}",
        "",
        *(f"  {name:<{width}}{summary}" for name, (_, summary) in COMMANDS.items()),
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
