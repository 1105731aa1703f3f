"""Early stopping on a study's task: the test accuracy at the epoch with the best validation accuracy, and at the last.

With wrong labels, a method that stops before it learns them by heart can do as well as one that learns none of them.
Each method trains on the training part under several seeds; the validation part chooses the epoch, and the test images
never do. It prints Markdown. Run it with
    .venv/bin/python -m benchmarks.early_stopping studies/quickstart.yaml --seeds 10
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import on_one_thread
from benchmarks.runs_file import earlier_runs, keep_runs
from benchmarks.trial import first_trial
from trainables.build import build_trainer, evaluation_loader
from vsam_tune.data.load import TaskData
from vsam_tune.trial import trial_seed

METHODS = ("sgd", "sam")


def main(arguments: list[str] | None = None) -> None:
    """Train both methods under each seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="study file, whose task is trained")
    parser.add_argument("--data", help="data set, instead of the file's, such as npz:PATH")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, help="JSON file for the results; those that it has are not trained again")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    config, data = first_trial(options.study, {"task.data": options.data} if options.data else None)
    rows = earlier_runs(options.out)
    done = {(row["method"], row["seed"]) for row in rows}
    for seed in range(options.seeds):
        for name in METHODS:
            if (name, seed) in done:
                continue
            rows.append({"method": name, "seed": seed, **run(config, data, name, seed)})
            keep_runs(options.out, rows)
            sys.stderr.write(f"{rows[-1]}\n")
    print(table(rows))
    print(f"\n{on_one_thread()}")


def run(config: dict[str, Any], data: TaskData, method: str, seed: int) -> dict[str, Any]:
    """Train one method and return its accuracies in percent, on the test images where no part is named."""
    task = config["task"]
    rho = {"rho": config["method"]["rho"]} if method == "sam" else {}
    seeded = {**config, "method": {"name": method, **rho}, "seed": trial_seed(task["seed"], "early stopping", seed)}
    trainer, validation = build_trainer(seeded, data)
    trainer.sam_probe = None  # nothing is timed
    test = evaluation_loader(task, data, data.test, trainer.loader.device)
    curve = []
    for _ in range(trainer.epochs):
        trainer.train_epoch()
        curve.append((trainer.evaluate(validation)[0], trainer.evaluate(test)[0]))
    on_validation, on_test = np.array(curve).T
    best = int(np.argmax(on_validation))
    return {
        "last_test_accuracy": on_test[-1],
        "epoch": best + 1,
        "stopped_test_accuracy": on_test[best],
        "gradient_evaluations_per_epoch": trainer.optimizer.gradient_evaluations / trainer.epochs,
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a row for each method, with means and standard deviations over the seeds, as Markdown."""
    lines = [
        "| method | seeds | accuracy, last epoch, % | chosen epoch | accuracy there, % | gradient evaluations |",
        "|---|---|---|---|---|---|",
    ]
    for method in METHODS:
        own = [row for row in rows if row["method"] == method]
        if not own:
            continue
        last, epoch, stopped = (
            np.array([row[key] for row in own]) for key in ("last_test_accuracy", "epoch", "stopped_test_accuracy")
        )
        spent = epoch * np.array([row["gradient_evaluations_per_epoch"] for row in own])
        cells = (_spread(last, 1), _spread(epoch, 0), _spread(stopped, 1), f"{spent.mean():,.0f}")
        lines.append(f"| {method} | {len(own)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values: "np.ndarray[Any, Any]", decimals: int) -> str:
    mean = f"{values.mean():.{decimals}f}"
    return f"{mean} ± {values.std(ddof=1):.{decimals}f}" if len(values) > 1 else mean


if __name__ == "__main__":
    main()
