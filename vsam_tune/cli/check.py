"""Validate a study file and everything it names, train the first iterations of one trial, and say what it would cost.

Prints one line for each thing that is wrong, all at once, and exits with 2.
"""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.arguments import add_study_file, overrides
from vsam_tune.cli.render import render_json, render_rows

if TYPE_CHECKING:
    from vsam_tune.study.config import Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study_file(parser)
    parser.add_argument("--format", choices=("table", "json"), default="table", help="how to print it (table)")


def run(arguments: argparse.Namespace) -> int:
    """Check the study and print what it is and costs; return 0."""
    from vsam_tune.study.config import load_study
    from vsam_tune.study.search import ask_trainable, warnings

    study = load_study(arguments.study, overrides(arguments))
    facts = ask_trainable(study, time_iterations=True)
    for line in warnings(study, facts):
        sys.stderr.write(f"warning: {line}\n")
    rows: dict[str, Any] = {"study": study.name, **facts, **cost(study, facts)}
    if arguments.format == "json":
        sys.stdout.write(render_json(rows) + "\n")
        return 0
    sys.stdout.write(render_rows([{"": name, "value": value} for name, value in rows.items()], ("", "value"), "table"))
    sys.stdout.write(f"\n\n{arguments.study} is fine. next: vsam-tune search {arguments.study}\n")
    return 0


def cost(study: "Study", facts: dict[str, float]) -> dict[str, float]:
    """Return what trials cost, from timed iterations on this machine; nothing for a trainable that was not timed.

    Args:
        study: the loaded study file.
        facts: what the trainable's `check` said.

    Returns:
        Seconds of training of one trial at the base optimizer's and at SAM's cost, and hours of one worker for the
        whole budget of trials between the two.
    """
    if "plain_seconds" not in facts:
        return {}
    iterations = facts["iterations_per_epoch"] * study.epochs
    plain, sampled = iterations * facts["plain_seconds"], iterations * facts["sampled_seconds"]
    costs = {"seconds_per_trial_sgd": plain, "seconds_per_trial_sam": sampled}
    if study.budget.trials is not None:
        costs["worker_hours"] = study.budget.trials * (plain + sampled) / 2 / 3600
    return costs
