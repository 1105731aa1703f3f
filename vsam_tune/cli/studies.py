"""List the studies under a folder: the number of trials in each state, and the hypervolume."""

import argparse
import sys

from vsam_tune.cli.arguments import add_format, add_root
from vsam_tune.cli.invocation import ROOT
from vsam_tune.cli.render import render_rows
from vsam_tune.errors import InputError, problem
from vsam_tune.study.storage.folder import study_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_root(parser)
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the studies.

    Returns:
        0, also if there is no study; 1 if a study cannot be read.

    Raises:
        InputError: if there is no such folder.
    """
    from vsam_tune.analysis.results import STATES
    from vsam_tune.study.storage.stored_study import find_result

    if arguments.root != ROOT and not arguments.root.is_dir():
        fix = f"name the folder of the studies; the default is {ROOT}"
        raise InputError(problem("--root", "", str(arguments.root), "there is no such folder", fix))
    rows, unread = [], 0
    for name in study_names(arguments.root):
        try:
            result = find_result(arguments.root / name)
        except InputError as error:
            sys.stderr.write(f"{error}\n")
            unread += 1
            continue
        if result is None:  # only baselines were trained
            rows.append({"study": name, **dict.fromkeys(STATES, 0)})
            continue
        counts = result.counts()
        rows.append({
            "study": result.name,
            **counts,
            "budget": (result.study.get("budget") or {}).get("trials"),
            "objectives": [each.name for each in result.objectives],
            "hypervolume": result.hypervolume(),
        })  # fmt: skip
    columns = (
        "study",
        "complete",
        "pruned",
        "fail",
        "running",
        "waiting",
        "budget",
        "objectives",
        "hypervolume",
    )
    sys.stdout.write(render_rows(rows, columns, arguments.format) + "\n")
    return 1 if unread else 0
