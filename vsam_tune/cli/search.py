"""Search the Pareto front of a study: by default accuracy against speed.

All state is stored in DIR/NAME, NAME being the name of the study. Repeat the command to resume an interrupted search.
A finished search continues if the budget grows, for example with --trials. Settings may be replaced for one study:

  vsam-tune search study.yaml name=short task.epochs=20 'objectives=[val_accuracy, gradient_evaluations]'
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vsam_tune.cli.arguments import add_engine, add_study_file, load_chosen_study
from vsam_tune.cli.invocation import command_line

if TYPE_CHECKING:
    from vsam_tune.analysis.results import StudyResult
    from vsam_tune.study.scheduling.budget import Limit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study_file(parser)
    parser.add_argument(
        "--no-resume", action="store_true", help="start a new study only: refuse one that was started before"
    )
    add_engine(parser, workers=None)


def run(arguments: argparse.Namespace) -> int:
    """Search, then print the front and the next steps.

    Returns:
        0 if the budget is spent; 1 if the search was interrupted, or no trial completed.
    """
    from vsam_tune.cli.front import write_front
    from vsam_tune.cli.progress import Progress
    from vsam_tune.study.search import limits_of, search

    study = load_chosen_study(arguments)
    objectives = [each.name for each in study.objectives]
    with Progress(objectives) as progress:
        result, outcome = search(
            study,
            root=arguments.root,
            listeners=[progress],
            workers=arguments.workers,
            address=arguments.address,
            no_resume=arguments.no_resume,
        )
    counts = result.counts()
    failed = [record.number for record in result.trials if record.state == "fail"]
    if outcome != "interrupted":
        summary = f"{counts['complete']} complete, {counts['pruned']} pruned"
        limits = limits_of(study, root=arguments.root)
        sys.stderr.write(_ending(study.name, limits, summary if outcome == "finished before" else "", result))
    if result.front():
        write_front(result, "table")
        sys.stdout.write(_next_steps(arguments.root, study.name))
    if failed:
        fix = command_line("show", study.name, failed[0], root=arguments.root)
        sys.stderr.write(
            f"{study.name}: trials that failed: {', '.join(map(str, failed))}. Fix: {fix} shows the reason\n"
        )
    if outcome == "interrupted":
        sys.stderr.write(f"{study.name}: the search was interrupted. Fix: repeat the command to resume it\n")
    elif not result.front():
        fix = command_line("trials", study.name, root=arguments.root)
        sys.stderr.write(f"{study.name}: {result.no_front_reason}. Fix: {fix} shows the reasons\n")
    return 1 if outcome == "interrupted" or not result.front() else 0


def _ending(name: str, limits: "Sequence[Limit]", before: str, result: "StudyResult") -> str:
    """Return the line about the limits that a search has reached; empty if it just trained all its trials.

    Args:
        name: of the study.
        limits: that are reached.
        before: how many trials had ended before this start; empty if this start ended the search.
        result: of the search.
    """
    reasons = " and ".join(each.reason for each in limits if each.name != "trials")
    if before:
        why, larger = f"; {reasons}" if reasons else "", [each.larger for each in limits]
        settings = " ".join(each for each in larger if each)
        more = f". A larger budget continues it: {settings}" if None not in larger else ""
        return f"{name} is finished: {before}{why}{more}\n"
    return f"{name}: stopped after {result.num_finished()} trials: {reasons}\n" if reasons else ""


def _next_steps(root: Path, name: str) -> str:
    steps = {
        command_line("front", name, "--pick", "knee", "--export", root=root): "export the knee for `train`",
        command_line("mlflow", name, root=root): "see all trials in the MLflow UI",
        command_line("plot", name, "--out", "front.html", root=root): "draw the front",
    }
    width = max(map(len, steps))
    return "\nnext:\n" + "".join(f"  {command:<{width}}  {purpose}\n" for command, purpose in steps.items())
