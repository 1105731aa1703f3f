"""Show the rungs of a study: how many trials passed each, whether the guard has it in force, and why.

With --decisions, or --trial N, explain the decision on each trial at each rung.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.arguments import add_format, add_study
from vsam_tune.cli.render import render_json, render_rows
from vsam_tune.errors import InputError, problem

if TYPE_CHECKING:
    from vsam_tune.analysis.results import StudyResult, TrialRecord

_DECISION = ("trial", "epoch", "passes", "rank", "rows", "kept", "spared")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study(parser)
    add_format(parser)
    parser.add_argument("--decisions", action="store_true", help="explain the decision on each trial at each rung")
    parser.add_argument("--trial", type=int, metavar="N", help="explain the decisions on trial N alone")


def run(arguments: argparse.Namespace) -> int:
    """Print the rungs, or the decisions.

    Returns:
        0.

    Raises:
        InputError: if there is no such study or trial, or its trial scheduler has no rungs.
    """
    from vsam_tune.study.scheduling.rung_summary import decision_rows, rung_rows
    from vsam_tune.study.storage.stored_study import load_result

    result = load_result(arguments.study, arguments.root)
    rows = rung_rows(result)
    if not rows:
        fix = "search with trial_scheduler: {kind: mo_asha}, under another name:"
        raise InputError(problem(result.name, "trial_scheduler.kind", "fifo", "has no rungs", fix))
    decisions = list(decision_rows(_chosen(result, arguments.trial)))
    if arguments.format == "json":
        text = render_json({"rungs": rows, "decisions": decisions})
    elif not arguments.decisions and arguments.trial is None:
        text = _rungs(rows, arguments.format)
    elif arguments.format == "table":
        text = "\n".join(each["text"] for each in decisions) or "no trial has reached a rung yet"
    else:
        text = render_rows(decisions, _DECISION, arguments.format)
    sys.stdout.write(text + "\n")
    return 0


def _chosen(result: "StudyResult", number: int | None) -> Sequence["TrialRecord"]:
    """Return the trials to explain: one, or all.

    Raises:
        InputError: if there is no trial of that number.
    """
    chosen = [trial for trial in result.trials if number in (None, trial.number)]
    if number is not None and not chosen:
        rule = f"must be the number of one of the {len(result.trials)} trials of {result.name}"
        raise InputError(problem("--trial", "", number, rule, f"vsam-tune trials {result.name}"))
    return chosen


def _rungs(rows: Sequence[Mapping[str, Any]], format: Any) -> str:  # noqa: A002, ANN401 - as render_rows has it
    shown = [{**row, **{f"tau {name}": tau for name, tau in row["tau"].items()}} for row in rows]
    taus = [f"tau {name}" for name in rows[0]["tau"]]
    columns = ["epoch", "reached", "passed", "stopped", "waiting", "audits", "in_force", "finished", "loss", *taus]
    table = render_rows(shown, columns, format)
    return table if format != "table" else "\n".join([table, "", *_notes(rows)])


def _notes(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    from vsam_tune.analysis.rung_correlation import WEAK

    for row in rows:
        if row["in_force"] is False:
            loss = (
                f"its rule would lose {100 * row['loss']:.0f} % of the hypervolume of {row['finished']} finished trials"
            )
            yield f"epoch {row['epoch']}: the guard has the rung off: {loss}"
        for name, tau in row["tau"].items():
            if tau is not None and tau < WEAK:
                yield f"epoch {row['epoch']}: {name} there says little about the end (Kendall's tau {tau:.2f})"
    yield "loss: the part of the hypervolume of the finished trials that the rule would have lost"
    yield "tau: Kendall's tau between the values at the rung and at the end, over the finished trials"
