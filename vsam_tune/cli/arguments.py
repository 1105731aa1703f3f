"""The arguments that several commands share, so that they read alike everywhere."""

import argparse
from pathlib import Path

from vsam_tune.cli.render import FORMATS


def add_study(parser: argparse.ArgumentParser) -> None:
    """Declare the positional STUDY and `--root`, for commands on a study that was started."""
    parser.add_argument("study", metavar="STUDY", help="a study file, or a study's name")
    add_root(parser)


def add_study_file(parser: argparse.ArgumentParser) -> None:
    """Declare the positional STUDY.yaml, and the options that replace settings of it."""
    parser.add_argument("study", type=Path, metavar="STUDY.yaml", help="the study file")
    parser.add_argument("--trials", type=positive, metavar="N", help="the budget in trials, instead of the file's")
    add_data(parser)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Declare `--data` and `--download`."""
    parser.add_argument("--data", metavar="SPEC", help="the task's data, instead of the file's: npz:PATH, digits, ...")
    parser.add_argument("--download", action="store_true", help="fetch the data set where it is missing")


def overrides(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the settings that options replace, by dotted key; an option that was not given replaces nothing."""
    options = {"budget.trials": "trials", "task.data": "data", "task.download": "download"}
    return {key: value for key, name in options.items() if (value := getattr(arguments, name, None))}


def add_root(parser: argparse.ArgumentParser) -> None:
    """Declare `--root`."""
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="the folder of the studies' folders (runs)",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """Declare `--format`."""
    parser.add_argument("--format", choices=FORMATS, default="table", help="how to print it (table)")


def add_engine(parser: argparse.ArgumentParser, *, workers: int | None) -> None:
    """Declare `--workers` and `--address`."""
    shown = "as many as fit" if workers is None else workers
    parser.add_argument("--workers", type=positive, default=workers, metavar="N", help=f"trials side by side ({shown})")
    parser.add_argument("--address", metavar="HOST:PORT", help="an existing Ray cluster (one on this machine)")


def positive(text: str) -> int:
    """Return a whole number >= 1.

    Raises:
        argparse.ArgumentTypeError: if it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number >= 1")
    return int(text)
