"""Train every method on a study's task, several seeds each, on training and validation part; tested once, at the end.

The seeds are the same for all rows, so that their differences are paired. State is kept under DIR / study name /
baselines, and the results beside the search's. What was interrupted goes on with the same command; more methods or
seeds are added to those that are there, and nothing is trained twice.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.arguments import add_data, add_engine, add_format, add_root, overrides, positive
from vsam_tune.cli.render import render_json, render_rows

if TYPE_CHECKING:
    from vsam_tune.results import StudyResult, TrialRecord

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
    from vsam_tune.study.baselines import baselines, baselines_plan, wanted_rows
    from vsam_tune.study.config import load_study
    from vsam_tune.study.storage import BASELINES, find_result

    study = load_study(arguments.study, overrides(arguments))
    rows = wanted_rows(study, root=arguments.root, methods=arguments.methods, picks=arguments.pick)
    wanted = baselines_plan(study, rows, seeds=arguments.seeds).initial
    former = find_result(arguments.root / study.name, BASELINES)
    with Progress(["test_accuracy", "ais"], total=len(wanted), ended=_num_ended(former, wanted)) as progress:
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
    return _tell_what_is_missing(result, wanted, arguments.root / study.name)


def _newest(result: "StudyResult", params: Mapping[str, Any]) -> "TrialRecord | None":
    """Return the newest trial with these parameters: one that failed may have been repeated."""
    return next((record for record in reversed(result.trials) if record.params == params), None)


def _num_ended(result: "StudyResult | None", wanted: Sequence[Mapping[str, Any]]) -> int:
    from vsam_tune.results import FINISHED

    newest = [_newest(result, params) for params in wanted] if result else []
    return sum(record is not None and record.state in FINISHED for record in newest)


def _write(result: "StudyResult", arguments: argparse.Namespace) -> None:
    """Write a row for each row of the baselines, and where to look next."""
    from vsam_tune.cli.remarks import spread
    from vsam_tune.comparison import compare

    rows = [asdict(row) for row in compare(result).rows]
    if arguments.format == "json":
        shown = [{name: row[name] for name in _COLUMNS} for row in rows]
        sys.stdout.write(render_json({"study": result.name, "rows": shown}) + "\n")
        return
    if arguments.format == "csv":
        sys.stdout.write(render_rows(rows, _COLUMNS, "csv") + "\n")
        return
    for row in rows:
        row["test_accuracy"] = spread("test_accuracy", row["test_accuracy_mean"], row["test_accuracy_std"])
    columns = ("method", "seeds", "test_accuracy", "sampled_fraction", "ais")
    sys.stdout.write(render_rows(rows, columns, arguments.format) + "\n")
    if arguments.format == "table":
        at = "" if arguments.root == Path("runs") else f" --root {arguments.root}"
        sys.stdout.write(f"\nnext: vsam-tune compare {result.name}{at}\n")


def _tell_what_is_missing(result: "StudyResult", wanted: Sequence[Mapping[str, Any]], home: Path) -> int:
    """Say which of the wanted trainings have not completed; return the exit code."""
    from vsam_tune.study.storage import BASELINES_FOLDER

    newest = [(params, _newest(result, params)) for params in wanted]
    left = 0
    for params, record in newest:
        if record is None or record.state in ("waiting", "running"):
            left += 1
        elif record.state != "complete":
            cure = "the same command" if record.state == "fail" else "other settings, under a label: of their own"
            name = f"{params['label']} seed {params['replicate']}"
            where = home / BASELINES_FOLDER / str(record.folder)
            sys.stderr.write(f"{where}: {name} is {record.state} ({record.why}). Cure: {cure}\n")
    if left:
        sys.stderr.write(
            f"{result.name}: {left} of {len(wanted)} trainings are not done. Cure: the same command goes on\n"
        )
    return 0 if all(record is not None and record.state == "complete" for _, record in newest) else 1
