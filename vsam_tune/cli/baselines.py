"""Train every method on a study's task, several seeds each, on training and validation part; tested once, at the end.

The seeds are the same for all rows, so that their differences are paired. State is kept under DIR / study name /
baselines, and the results beside the search's. What was interrupted goes on with the same command; more methods or
seeds are added to those that are there, and nothing is trained twice.
"""

import argparse
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vsam_tune.cli.arguments import add_data, add_engine, add_format, add_root, overrides, positive
from vsam_tune.cli.render import render_json, render_rows, spread_text

if TYPE_CHECKING:
    from vsam_tune.analysis.results import StudyResult

_COLUMNS = ("method", "seeds", "test_accuracy_mean", "test_accuracy_std", "sampled_fraction", "ais")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("study", type=Path, metavar="STUDY.yaml", help="the study file")
    add_root(parser)
    parser.add_argument(
        "--methods", type=_names, metavar="NAMES", help="rows by label or method, with commas (the study file's; all)"
    )
    parser.add_argument("--seeds", type=positive, metavar="N", help="replicates of each row (the study file's; 3)")
    parser.add_argument(
        "--pick",
        action="append",
        default=[],
        metavar="RULE",
        help="also train a configuration of the search: knee, or trial=N; may be repeated",
    )
    add_data(parser)
    add_format(parser)
    add_engine(parser, workers=1)  # side by side is sooner done, and slower for each: AIS would show it


def _names(text: str) -> list[str]:
    """Return the names in a list with commas; those within parentheses belong to a label.

    Raises:
        argparse.ArgumentTypeError: if there is none.
    """
    names = [name.strip() for name in re.split(r",(?![^(]*\))", text) if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"{text!r} names nothing")
    return names


def run(arguments: argparse.Namespace) -> int:
    """Train, then print what all rows have come to.

    Returns:
        0; 1 if a wanted training failed, diverged, or is not done.
    """
    from vsam_tune.cli.progress import Progress
    from vsam_tune.cli.unfinished import num_ended, tell_what_is_missing
    from vsam_tune.study.baselines import baselines, baselines_plan, wanted_rows
    from vsam_tune.study.file.study_file import load_study
    from vsam_tune.study.storage.study_storage import BASELINES, BASELINES_FOLDER, find_result
    from vsam_tune.study.tracking.run_kind import BASELINE

    study = load_study(arguments.study, overrides(arguments))
    rows = wanted_rows(study, root=arguments.root, methods=arguments.methods, picks=arguments.pick)
    wanted = baselines_plan(study, rows, seeds=arguments.seeds).enqueued
    former = find_result(arguments.root / study.name, BASELINES)
    with Progress(["test_accuracy", "ais"], total=len(wanted), ended=num_ended(former, wanted)) as progress:
        result = baselines(
            study,
            root=arguments.root,
            methods=arguments.methods,
            seeds=arguments.seeds,
            picks=[f"trial={row.trial}" for row in rows if row.trial is not None],  # the knee of a search may move
            listeners=[progress],
            workers=arguments.workers,
            address=arguments.address,
        )
    _write(result, arguments)
    folder, fix = arguments.root / study.name / BASELINES_FOLDER, "other settings, under a label: of their own"
    return tell_what_is_missing(result, wanted, folder, kind=BASELINE, fix=fix)


def _write(result: "StudyResult", arguments: argparse.Namespace) -> None:
    """Write a row for each row of the baselines, and where to look next."""
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
        row["test_accuracy"] = spread_text("test_accuracy", row["test_accuracy_mean"], row["test_accuracy_std"])
    columns = ("method", "seeds", "test_accuracy", "sampled_fraction", "ais")
    sys.stdout.write(render_rows(rows, columns, arguments.format) + "\n")
    if arguments.format == "table":
        at = "" if arguments.root == Path("runs") else f" --root {arguments.root}"
        sys.stdout.write(f"\nnext: vsam-tune compare {result.name}{at}\n")
