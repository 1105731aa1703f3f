"""Efficiency of vSAM: the measured ratio of its AIS (average images per second) to SAM's, over the ideal ratio.

The ideal ratio follows from the gradient evaluations. Without a study, the benchmark makes short runs of a network of
full size on noise in CIFAR's shape, and alternates between vSAM and SAM. With a study, it reads the metrics of the
trials. It prints Markdown. Run it with
    .venv/bin/python -m benchmarks.efficiency --model resnet18 --runs 6 --iterations 40
    .venv/bin/python -m benchmarks.efficiency --study cifar10_10k --root runs
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import disturbance, hint, on_one_thread
from benchmarks.runs_file import earlier_runs, keep_runs
from benchmarks.trial import first_trial
from trainables.build import build_trainer
from vsam_tune.machine.contention import Contention
from vsam_tune.registry.data_and_models import MODELS
from vsam_tune.study.storage.stored_study import load_result

TASK = """\
name: efficiency
task: {{data: random_cifar10, model: {model}, batch_size: 128, epochs: 1}}
method: {{name: vsam, beta: 0, num_slices: 1, warmup_iterations: 1, interval: {interval}}}
space: {{beta: null, num_slices: null, warmup_iterations: null}}
"""
STRETCH, STEPS = 4, 1  # alternating iterations of vSAM and of SAM
COLUMNS = ("sampled_fraction", "ais_vs_sam", "ais_vs_sam_error", "ideal_ais_vs_sam", "efficiency")


def main(arguments: list[str] | None = None) -> None:
    """Measure or read the runs, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", help="search to read the trials of, instead of a measurement")
    parser.add_argument("--root", type=Path, default=Path("runs"))
    parser.add_argument("--model", choices=sorted(MODELS), default="resnet18")
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--interval", type=int, default=5, help="vSAM samples one in so many iterations")
    parser.add_argument("--out", type=Path, help="JSON file for the results of the runs")
    options = parser.parse_args(arguments)
    if options.study:
        trials = load_result(options.study, options.root).trials
        rows = [trial.metrics for trial in trials if trial.state == "complete" and "efficiency" in trial.metrics]
        print(table(rows))
        return
    torch.set_num_threads(1)
    rows = earlier_runs(options.out)
    contention = Contention()
    while len(rows) < options.runs:
        rows.append(run(options.model, options.iterations, options.interval, seed=len(rows)))
        keep_runs(options.out, rows)
        sys.stderr.write(f"{rows[-1]}\n")
    print(table(rows))
    print(f"\n{on_one_thread()}")
    print(hint({**disturbance(contention), "threads": 1}))


def run(model: str, iterations: int, interval: int, *, seed: int) -> dict[str, float]:
    """Return the metrics of some iterations of vSAM that alternate with iterations of SAM."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "efficiency.yaml"
        file.write_text(TASK.format(model=model, interval=interval), encoding="utf-8")
        config, data = first_trial(file)
    trainer, _ = build_trainer({**config, "seed": seed}, data)
    batches = trainer.loader.batches(0)
    trainer.model.train()
    while trainer.iteration < iterations:
        with trainer.ais.running():
            trainer.iterate(batches, min(iterations, trainer.iteration + STRETCH))
        if trainer.sam_probe is not None:
            trainer.sam_probe.take_block(STEPS)
    metrics = trainer.metrics()
    return {name: float(metrics[name]) for name in COLUMNS}


def table(rows: Sequence[Mapping[str, float]]) -> str:
    """Return a row for each run and the mean efficiency with its spread, as Markdown."""
    lines = [f"| run | {' | '.join(COLUMNS)} |", "|" + "---|" * (len(COLUMNS) + 1)]
    lines += [f"| {i} | {' | '.join(f'{row[name]:.3f}' for name in COLUMNS)} |" for i, row in enumerate(rows)]
    efficiency = np.array([row["efficiency"] for row in rows])
    spread = f" ± {efficiency.std(ddof=1):.3f} (standard deviation)" if len(rows) > 1 else ""
    beyond = int(np.sum(np.abs(efficiency - 1) > 0.1))
    lines += ["", f"efficiency {efficiency.mean():.3f}{spread} over {len(rows)}; {beyond} beyond 10 % of 1"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
