"""Validate a study file and everything that it names, and estimate what the study costs.

Trains the first iterations of one trial to measure their time. Prints every problem, one a line; with a problem the
exit code is 2.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.arguments import add_study_file, load_chosen_study
from vsam_tune.cli.check_summary import summary
from vsam_tune.cli.invocation import command_line
from vsam_tune.cli.render import render_json

if TYPE_CHECKING:
    from vsam_tune.study.file.study_file import Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study_file(parser)
    parser.add_argument("--format", choices=("table", "json"), default="table", help="output format (default: table)")


def run(arguments: argparse.Namespace) -> int:
    """Check the study and print its facts and costs; return 0."""
    from vsam_tune.errors import problem
    from vsam_tune.machine.hardware import gpus
    from vsam_tune.study.baselines import past_the_end, wanted_rows
    from vsam_tune.study.search import ask_trainable, range_warnings

    study = load_chosen_study(arguments)
    facts = ask_trainable(study, time_iterations=True)
    searched = _searches(study)
    for line in range_warnings(study, facts) if searched else past_the_end(wanted_rows(study, root=Path()), facts):
        sys.stderr.write(f"warning: {line}\n")
    if study.resources.gpus > 0 and not gpus():
        rule = "this machine has no GPU: the check ran on its CPU, and a search here cannot start"
        fix = "start the search with --address of a cluster with GPUs, or write gpus: 0"
        line = problem(study.place("resources.gpus"), "resources.gpus", study.resources.gpus, rule, fix)
        sys.stderr.write(f"warning: {line}\n")
    seeds = asdict(study.replication) if study.replication.replicates > 1 else {}
    costs = cost(study, facts)
    if arguments.format == "json":
        rows: dict[str, Any] = {"study": study.name, **facts, **seeds, **costs}
        sys.stdout.write(render_json(rows) + "\n")
        return 0
    lines = list(summary(study, facts, costs, searched=searched))
    width = max(len(subject) for subject, _ in lines)
    sys.stdout.write(f"{arguments.study} is valid.\n\n")
    sys.stdout.writelines(f"{subject:<{width}}  {sentence}\n" for subject, sentence in lines)
    sys.stdout.write(f"\nnext: {_next_step(study, arguments)}\n")
    return 0


def _searches(study: "Study") -> bool:
    """Return whether the study is there for a search: a table of the paper, without a budget, only has baselines."""
    from vsam_tune.study.file.sections import Budget

    return study.baselines is None or study.budget != Budget()


def _next_step(study: "Study", arguments: argparse.Namespace) -> str:
    """Return the command that starts the study, with the settings that it was checked with."""
    options: list[object] = [*arguments.settings, *(["--data", arguments.data] if arguments.data else [])]
    if not _searches(study):
        return command_line("baselines", arguments.study, *options, root=arguments.root)
    trials = ["--trials", arguments.trials] if arguments.trials else []
    return command_line("search", arguments.study, *options, *trials, root=arguments.root)


def cost(study: "Study", facts: dict[str, float]) -> dict[str, float]:
    """Return the costs of trials, from timed iterations on this machine; empty for a trainable without a timing.

    Args:
        study: the loaded study file.
        facts: the result of the trainable's `check`.

    Returns:
        Seconds that one trial trains, with all its replicates, at the cost of the base optimizer and of SAM; hours of
        one worker for the whole budget of trials, halfway between the two, and for the baselines; and hours of the
        paper's GPU for the baselines, if the task is one of the paper's.
    """
    if "plain_seconds" not in facts:
        return {}
    iterations = facts["iterations_per_epoch"] * study.epochs
    plain, sampled = iterations * facts["plain_seconds"], iterations * facts["sampled_seconds"]
    replicates = study.replication.replicates
    costs = {"seconds_per_trial_sgd": replicates * plain, "seconds_per_trial_sam": replicates * sampled}
    if study.budget.trials is not None:
        costs["worker_hours"] = study.budget.trials * replicates * (plain + sampled) / 2 / 3600
    if passes := _passes_of_baselines(study):
        whole = 1 / (1 - (study.task.validation_fraction or 0.0))  # they also train on the validation part
        costs["baselines_worker_hours"] = whole * _seconds(plain, sampled, passes) / 3600
        if (ais := _paper_ais(study)) is not None:
            images = whole * facts["train_images"] * study.task.epochs
            costs["baselines_paper_gpu_hours"] = _seconds(images / ais[0], images / ais[1], passes) / 3600
    return costs


def _seconds(plain: float, sampled: float, passes: list[float]) -> float:
    """Return the seconds of trainings, each between those with one gradient an iteration and those with two."""
    return sum(plain + (sampled - plain) * (each - 1) for each in passes)


def _passes_of_baselines(study: "Study") -> list[float]:
    """Return the gradient evaluations per iteration of each training of the baselines, from METHODS.

    A forward pass without a backward pass counts as a third. Additional epochs count as more evaluations.
    """
    from vsam_tune.study.baselines import wanted_rows
    from vsam_tune.study.file.baselines import Baselines

    if study.custom_trainable:
        return []
    entries = [row.parameters.entry for row in wanted_rows(study, root=Path())]
    seeds = (study.baselines or Baselines()).seeds
    return [each.epochs * (each.gradient_evaluations + each.forward_passes / 3) for each in entries] * seeds


def _paper_ais(study: "Study") -> tuple[float, float] | None:
    """Return SGD's and SAM's images a second on the paper's RTX 3090; None if the paper does not list them."""
    from vsam_tune.analysis import published_tables

    settings = study.task.model_dump(mode="json")
    settings["data"] = settings["data"].removeprefix("random_")
    quantized = bool(settings.get("quantization"))
    rows = published_tables.rows_of(published_tables.task_of(settings), quantized=quantized)
    ais = {row.method: row.ais for row in rows if row.ais and row.method in ("sgd", "sam")}
    return (ais["sgd"], ais["sam"]) if len(ais) == 2 else None
