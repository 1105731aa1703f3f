"""List all trials of a study: state, objectives, parameters, and the reason why a trial was stopped or failed."""

import argparse
import sys
from typing import TYPE_CHECKING

from vsam_tune.cli.arguments import add_format, add_study
from vsam_tune.cli.render import render_rows

if TYPE_CHECKING:
    from vsam_tune.analysis.results import TrialRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study(parser)
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the trials; return 0."""
    from vsam_tune.study.execution.folder_lock import is_locked
    from vsam_tune.study.storage.stored_study import load_result

    result = load_result(arguments.study, arguments.root)
    at_work = is_locked(arguments.root / result.name)
    front = {record.number for record in result.front()}
    names = [each.name for each in result.objectives]
    params = sorted({name for record in result.trials for name in record.params})
    replicates = ["replicates"] if any("replicates" in record.metrics for record in result.trials) else []
    rows = [
        {
            "trial": record.number,
            "state": _state(record, at_work=at_work),
            "front": record.number in front,
            **{name: record.metrics.get(name) for name in (*names, "sampled_fraction")},
            **record.values,
            "errors": record.errors,
            **record.params,
            **{name: record.metrics[name] for name in replicates if name in record.metrics},
            "epochs": record.epochs,
            "seconds": record.seconds,
            "resumed": record.resumed,
            "why": record.why or None,
        }
        for record in result.trials
    ]
    columns = ["trial", "state", "front", *names, "sampled_fraction", *params, *replicates, "epochs", "seconds", "why"]
    sys.stdout.write(render_rows(rows, columns, arguments.format) + "\n")
    return 0


def _state(record: "TrialRecord", *, at_work: bool) -> str:
    if record.paused is not None:
        return "paused"
    return "interrupted" if record.state == "running" and not at_work else record.state
