"""Search for the front of a study: accuracy against images a second, or whatever its objectives are.

State is kept under DIR / study name. A study that was interrupted goes on with the same command; one whose budget is
spent says so, and goes on with a larger one.
"""

import argparse
import sys
from pathlib import Path

from vsam_tune.cli.arguments import add_engine, add_root, add_study_file, overrides


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study_file(parser)
    add_root(parser)
    parser.add_argument("--fresh", action="store_true", help="refuse a study that was started before")
    add_engine(parser, workers=None)


def run(arguments: argparse.Namespace) -> int:
    """Search, then print the front and where to look next.

    Returns:
        0 when the budget is spent; 1 when the search ended before, or no trial completed.
    """
    from vsam_tune.cli.front import write_front
    from vsam_tune.cli.progress import Progress
    from vsam_tune.study.file.study_file import load_study
    from vsam_tune.study.search import search
    from vsam_tune.study.storage.study_storage import ended_trials

    study = load_study(arguments.study, overrides(arguments))
    objectives = [each.name for each in study.objectives]
    ended = ended_trials(arguments.root / study.name)
    with Progress(objectives, total=study.budget.trials, ended=ended) as progress:
        result, outcome = search(
            study,
            root=arguments.root,
            listeners=[progress],
            workers=arguments.workers,
            address=arguments.address,
            fresh=arguments.fresh,
        )
    counts = result.counts()
    if outcome == "finished before":
        fix = "a larger budget goes on: --trials N"
        sys.stderr.write(f"{study.name} is finished: {counts['complete']} complete, {counts['pruned']} pruned; {fix}\n")
    if result.front():
        write_front(result, "table")
        sys.stdout.write(_next_steps(arguments.root, study.name))
    if counts["fail"]:
        failed = ", ".join(str(record.number) for record in result.trials if record.state == "fail")
        sys.stderr.write(f"{study.name}: trials {failed} failed. Fix: vsam-tune show {arguments.study} N says why\n")
    if outcome == "interrupted":
        sys.stderr.write(f"{study.name}: the search ended early. Fix: the same command goes on\n")
    elif not result.front():
        sys.stderr.write(f"{study.name}: no trial completed. Fix: vsam-tune trials {arguments.study} says why\n")
    return 1 if outcome == "interrupted" or not result.front() else 0


def _next_steps(root: Path, name: str) -> str:
    at = "" if root == Path("runs") else f" --root {root}"
    steps = {
        f"vsam-tune front {name}{at} --pick knee --export best.yaml": "the configuration at the knee, as a file",
        "vsam-tune train best.yaml --seeds 3": "final training, with test accuracy",
        f"vsam-tune mlflow {name}{at}": "every trial and its trajectory in the MLflow UI",
        f"vsam-tune plot {name}{at} --out front.html": "the front as a picture",
    }
    width = max(map(len, steps))
    return "\nnext:\n" + "".join(f"  {command:<{width}}  {what}\n" for command, what in steps.items())
