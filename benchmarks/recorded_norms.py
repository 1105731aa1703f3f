"""vSAM's sampling rate on norms that a real training had, in their order and shuffled.

The benchmark trains a study's task with SAM, and records h and q in every iteration. Then it feeds vSAM's controller
with these norms, under the authors' settings: in order, shuffled, shuffled within quarters, and stretched to the length
of the paper's trainings. If the order of the norms decides the sampling rate, then shuffling must change it; what
remains after shuffling is the effect of noise. The benchmark prints Markdown. Run it with
    .venv/bin/python -m benchmarks.recorded_norms --record norms.npz
A call with an existing file uses its record, and trains nothing.
"""

import argparse
import json
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.controller_replay import AUTHORS, ITERATIONS, PHASES, sampled, summary
from benchmarks.machine import describe
from benchmarks.norm_sequences import ORDERS, Floats, noise_rows, stretched
from benchmarks.trial import first_trial
from trainables.build import build_trainer
from vsam_tune.atomic_file import atomic_path
from vsam_tune.cli.render import render_rows
from vsam_tune.errors import InputError, problem
from vsam_tune.optimizers.sampling_rate import CHANGES
from vsam_tune.registry.never_adapted import fitted_warmup

STUDY = Path("studies/quickstart.yaml")
TREND_EPOCHS = 5  # of the moving mean that is the trend of the norms
LEAST_ITERATIONS = 4 * AUTHORS["interval"]  # of a record: the warm-up has K + 1 of them
_ENDLESS = 2**31  # iterations of a warm-up that is longer than every run: vSAM is SAM then, bit for bit

# The authors' own two runs of 200 epochs, from their logs; the file names no model.
AUTHORS_RUNS = (
    {"order": "the authors' first run", "samples": "23,511", "f": "0.30"}
    | dict(zip(PHASES, ("0.07", "0.26", "0.755"), strict=True)),
    {"order": "the authors' second run", "samples": "47,715", "f": "0.61"},
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """The norms of one training.

    Attributes:
        norms: (T, 2) float64, h and q of each iteration.
        epoch: iterations of an epoch.
        about: the training: study, data, model, epochs, seed, machine.
    """

    norms: Floats
    epoch: int
    about: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write the record as a NumPy archive."""
        with atomic_path(path) as part, part.open("wb") as file:
            np.savez(file, norms=self.norms, epoch=self.epoch, about=json.dumps(self.about))


def load(path: Path) -> Record:
    """Return the record in a file.

    Raises:
        InputError: if the file is no record.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))
            return Record(norms=archive["norms"], epoch=int(archive["epoch"]), about=about)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        fix = "name another file, or remove it to record again"
        raise InputError(problem(str(path), "", None, "is not a record of this benchmark", fix)) from error


def record(study: Path, *, epochs: int, seed: int, data: str | None = None) -> Record:
    """Train with SAM, and record its norms.

    Args:
        study: file with the task, the base optimizer and rho.
        epochs: of the training.
        seed: of the trial.
        data: of the task; None for the file's.

    Returns:
        h and q of each iteration, over the parameter tensors that the authors' vSAM observes.

    Raises:
        InputError: if the study cannot be trained, or the training is too short.
    """
    config, task_data = first_trial(study, {"task.data": data} if data else None)
    rho = config["method"].get("rho", 0.05)
    method = {"name": "vsam", "rho": rho, "warmup_iterations": _ENDLESS}
    task = {**config["task"], "epochs": epochs}
    trainer, _ = build_trainer({**config, "task": task, "method": method, "seed": seed}, task_data)
    if trainer.num_iterations < LEAST_ITERATIONS:
        fix = f"write {-(-LEAST_ITERATIONS // len(trainer.loader))} or more"
        rule = f"gives {trainer.num_iterations} iterations, and the controller needs {LEAST_ITERATIONS}"
        raise InputError(problem("recorded_norms", "--epochs", epochs, rule, fix))
    trainer.sam_probe = None  # it measures the speed, which is not asked here
    while trainer.epoch < epochs:
        trainer.train_epoch()
    table = trainer.trajectory.table()
    machine = describe(trainer.loader.device)
    about = {"study": study.name, "data": task["data"], "model": task["model"], "epochs": epochs, "rho": rho}
    return Record(
        norms=np.stack([table["l2_psf"], table["l2_sgd"]], axis=1),
        epoch=len(trainer.loader),
        about={**about, "batch_size": task["batch_size"], "seed": seed, **machine},
    )


def settings_for(iterations: int) -> dict[str, Any]:
    """Return the authors' settings for a run of this length: the warm-up is the same share of it.

    The warm-up has at least K + 1 iterations, so that both change rates exist at the first adaptation.
    """
    return {**AUTHORS, "warmup_iterations": fitted_warmup(iterations, AUTHORS["interval"])}


def replay_rows(recorded: Record, iterations: int, *, seeds: int) -> list[dict[str, str]]:
    """Return a row for each order and change: the samples of the controller on this record.

    Args:
        recorded: norms of a training.
        iterations: of the run; stretches the record if it is shorter.
        seeds: runs of each row; a seed determines u, the order and the stretching.
    """
    settings, rows = settings_for(iterations), []
    for change in CHANGES:
        for order, reorder in ORDERS.items():
            runs = []
            for seed in range(seeds):
                draws = np.random.default_rng([seed, 1])
                norms = recorded.norms
                if len(norms) < iterations:
                    norms = stretched(norms, iterations, block=min(recorded.epoch, len(norms)), draws=draws)
                runs.append(sampled(reorder(norms, draws), change=change, seed=seed, settings=settings))
            rows.append({"change": change, "order": order, **summary(runs, settings["warmup_iterations"])})
    return rows


def report(recorded: Record, *, iterations: int, seeds: int) -> str:
    """Return the tables as Markdown.

    Args:
        recorded: norms of a training.
        iterations: length to stretch the record to; a longer record is used as it is.
        seeds: runs of each row.
    """
    noise = noise_rows(recorded.norms, TREND_EPOCHS * recorded.epoch // 2 * 2 + 1)
    parts = [
        ", ".join(f"{key} {value}" for key, value in recorded.about.items()),
        render_rows(noise, tuple(noise[0]), "markdown"),
    ]
    for length in sorted({len(recorded.norms), max(iterations, len(recorded.norms))}):
        title = "The record" if length == len(recorded.norms) else "The record, stretched"
        rows: list[dict[str, str]] = replay_rows(recorded, length, seeds=seeds)
        rows += AUTHORS_RUNS if length >= ITERATIONS else ()
        table = render_rows(rows, ("change", "order", "samples", "f", *PHASES), "markdown")
        warmup = settings_for(length)["warmup_iterations"]
        parts += [f"{title}: {length:,} iterations, a warm-up of {warmup:,}", table]
    return "\n\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Record or read, and print the tables.

    Returns:
        0; 2 for bad input.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.record and options.record.exists():
            recorded = load(options.record)
        else:
            torch.set_num_threads(1)
            recorded = record(options.study, epochs=options.epochs, seed=options.seed, data=options.data)
            if options.record:
                recorded.save(options.record)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    print(report(recorded, iterations=options.iterations, seeds=options.replays))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--record", type=Path, metavar="FILE", help="NumPy archive to write the record to, or to read it from")
    add("--study", type=Path, default=STUDY, help=f"study file with the task ({STUDY})")
    add("--data", help="data of the task (the file's)")
    add("--epochs", type=int, default=200, metavar="N", help="of the training (200, as the paper's)")
    add("--seed", type=int, default=0, help="of the training (0)")
    add("--iterations", type=int, default=ITERATIONS, metavar="N", help=f"to stretch the record to ({ITERATIONS})")
    add("--replays", type=int, default=5, metavar="N", help="runs of each row, with seeds of their own (5)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
