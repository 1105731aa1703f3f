"""Train every method on the task of a study, with several seeds each.

Training uses the whole training set (validation part included); the test set is evaluated once, at the end. All methods
use the same seeds, so that their differences are paired. All state is stored in DIR/NAME/baselines. Repeat the command
to resume it, or with more methods or seeds to add these; nothing is trained twice.
"""

import argparse
import re
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from vsam_tune.cli.arguments import (
    ONE_AT_A_TIME,
    add_data,
    add_engine,
    add_format,
    add_settings,
    add_study,
    load_chosen_study,
    seeds,
)
from vsam_tune.cli.columns import Spread
from vsam_tune.cli.invocation import command_line
from vsam_tune.cli.render import render_json, render_rows

if TYPE_CHECKING:
    from vsam_tune.analysis.results import StudyResult

_COLUMNS = ("method", "seeds", "test_accuracy_mean", "test_accuracy_std", "sampled_fraction", "ais")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study(parser)
    add_settings(parser)
    parser.add_argument(
        "--methods",
        type=_names,
        metavar="METHODS",
        help="labels or methods, separated by commas (default: those of the study file, or all)",
    )
    parser.add_argument(
        "--seeds", type=seeds, metavar="N", help="seeds of each row (default: those of the study file, or 3)"
    )
    parser.add_argument(
        "--pick",
        action="append",
        default=[],
        metavar="PICK",
        help="also train a configuration of the search, as `front --pick` does: knee, trial=N, within=X, min-NAME=V or "
        "max-NAME=V; can be repeated",
    )
    add_data(parser)
    add_format(parser)
    add_engine(parser, workers=ONE_AT_A_TIME)


def _names(text: str) -> list[str]:
    """Return the names of a list with commas; commas within parentheses belong to a label.

    Raises:
        argparse.ArgumentTypeError: if the list is empty.
    """
    names = [name.strip() for name in re.split(r",(?![^(]*\))", text) if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"{text!r} contains no name")
    return names


def run(arguments: argparse.Namespace) -> int:
    """Train, then print the results of all rows.

    Returns:
        0; 1 if a training failed, diverged, or is not finished.
    """
    from vsam_tune.cli.progress import Progress
    from vsam_tune.cli.unfinished import report_unfinished
    from vsam_tune.study.baselines import BaselinesJob, wanted_rows
    from vsam_tune.study.execution.runner import Runner
    from vsam_tune.study.storage.folder import BASELINES_FOLDER
    from vsam_tune.study.tracking.run_kind import BASELINE

    study = load_chosen_study(arguments)
    rows = wanted_rows(study, root=arguments.root, methods=arguments.methods, picks=arguments.pick)
    job = BaselinesJob(study=study, home=(arguments.root / study.name).absolute(), rows=rows, seeds=arguments.seeds)
    with Progress(["test_accuracy", "ais"]) as progress:
        result, _ = Runner(job.home).run(
            job, listeners=[progress], workers=arguments.workers, address=arguments.address
        )
    _write(result, arguments)
    folder, fix = arguments.root / study.name / BASELINES_FOLDER, "choose other settings under a new label:"
    return report_unfinished(result, job.wanted, folder, kind=BASELINE, fix=fix)


def _write(result: "StudyResult", arguments: argparse.Namespace) -> None:
    """Write the rows of the baselines, and the next step."""
    from vsam_tune.analysis.comparison import compare

    rows = [asdict(row) for row in compare(result).rows]
    if arguments.format == "json":
        shown = [{name: row[name] for name in _COLUMNS} for row in rows]
        sys.stdout.write(render_json({"study": result.name, "rows": shown}) + "\n")
        return
    if arguments.format == "csv":
        sys.stdout.write(render_rows(rows, _COLUMNS, "csv") + "\n")
        return
    for row in rows:
        row["test_accuracy"] = Spread(row["test_accuracy_mean"], row["test_accuracy_std"])
    columns = ("method", "seeds", "test_accuracy", "sampled_fraction", "ais")
    sys.stdout.write(render_rows(rows, columns, arguments.format) + "\n")
    if arguments.format == "table" and any(row["seeds"] for row in rows):
        sys.stdout.write(f"\nnext: {command_line('compare', result.name, root=arguments.root)}\n")
