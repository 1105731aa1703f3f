"""Validate a study file and everything it names, train the first iterations of one trial, and say what it would cost.

Prints one line for each thing that is wrong, all at once, and exits with 2.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.arguments import add_study_file, overrides
from vsam_tune.cli.render import render_json, render_rows

if TYPE_CHECKING:
    from vsam_tune.study.file.study_file import Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study_file(parser)
    parser.add_argument("--format", choices=("table", "json"), default="table", help="how to print it (table)")


def run(arguments: argparse.Namespace) -> int:
    """Check the study and print what it is and costs; return 0."""
    from vsam_tune.study.file.study_file import load_study
    from vsam_tune.study.search import ask_trainable, warnings

    study = load_study(arguments.study, overrides(arguments))
    facts = ask_trainable(study, time_iterations=True)
    for line in warnings(study, facts):
        sys.stderr.write(f"warning: {line}\n")
    seeds = asdict(study.replication) if study.replication.replicates > 1 else {}
    rows: dict[str, Any] = {"study": study.name, **facts, **seeds, **cost(study, facts)}
    if arguments.format == "json":
        sys.stdout.write(render_json(rows) + "\n")
        return 0
    sys.stdout.write(render_rows([{"": name, "value": value} for name, value in rows.items()], ("", "value"), "table"))
    command = "baselines" if study.baselines else "search"
    sys.stdout.write(f"\n\n{arguments.study} is fine. next: vsam-tune {command} {arguments.study}\n")
    return 0


def cost(study: "Study", facts: dict[str, float]) -> dict[str, float]:
    """Return what trials cost, from timed iterations on this machine; nothing for a trainable that was not timed.

    Args:
        study: the loaded study file.
        facts: what the trainable's `check` said.

    Returns:
        Seconds of training of one trial, all its replicates, at the base optimizer's and at SAM's cost; hours of one
        worker for the whole budget of trials between the two, and for the baselines; and hours of the paper's GPU for
        these, where the task is one of the paper's.
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
        whole = 1 / (1 - (study.task.validation_fraction or 0.0))  # they train on the validation part as well
        costs["baselines_worker_hours"] = whole * _seconds(plain, sampled, passes) / 3600
        if (ais := _paper_ais(study)) is not None:
            images = whole * facts["train_images"] * study.task.epochs
            costs["baselines_paper_gpu_hours"] = _seconds(images / ais[0], images / ais[1], passes) / 3600
    return costs


def _seconds(plain: float, sampled: float, passes: list[float]) -> float:
    """Return what trainings take, each between one gradient an iteration, `plain`, and two, `sampled`."""
    return sum(plain + (sampled - plain) * (each - 1) for each in passes)


def _passes_of_baselines(study: "Study") -> list[float]:
    """Return the gradient evaluations an iteration of each training of the baselines, as METHODS lists them.

    A forward pass without a backward counts a third; more epochs than the task's count as more evaluations.
    """
    from vsam_tune.study.baselines import wanted_rows
    from vsam_tune.study.file.baselines import Baselines

    if study.custom_trainable:
        return []
    entries = [row.parameters.entry for row in wanted_rows(study, root=Path())]
    seeds = (study.baselines or Baselines()).seeds
    return [each.epochs * (each.gradient_evaluations + each.forward_passes / 3) for each in entries] * seeds


def _paper_ais(study: "Study") -> tuple[float, float] | None:
    """Return SGD's and SAM's images a second on the paper's RTX 3090; None where the paper does not have them."""
    from vsam_tune.analysis import published_tables

    settings = study.task.model_dump(mode="json")
    settings["data"] = settings["data"].removeprefix("random_")
    quantized = bool(settings.get("quantization"))
    rows = published_tables.rows_of(published_tables.task_of(settings), quantized=quantized)
    ais = {row.method: row.ais for row in rows if row.ais and row.method in ("sgd", "sam")}
    return (ais["sgd"], ais["sam"]) if len(ais) == 2 else None
