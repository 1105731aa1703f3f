"""The cost of the SAM probe (the reference) in a trial, and the proof that it has no other effect on the trial.

Each trial runs with and without the probe, alternately. `reference_seconds` is the time of the probe's blocks. The
ratio of the AIS (average images per second) with and without it shows whether it slows the other iterations, and the
final weights are compared bit by bit. The benchmark prints Markdown. Run it with
    .venv/bin/python -m benchmarks.reference_cost --pairs 8
    .venv/bin/python -m benchmarks.reference_cost --model resnet8 --epochs 3 --pairs 2
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import on_one_thread
from benchmarks.trial import first_trial
from trainables.build import build_trainer
from vsam_tune.data.load import TaskData
from vsam_tune.registry.data_and_models import MODELS

STUDY = Path("studies/quickstart.yaml")
TASK = """\
name: reference_cost
task: {{data: random_cifar10, model: {model}, subset: 20000, batch_size: 128, epochs: {epochs}}}
method: {{name: vsam}}
"""


def main(arguments: list[str] | None = None) -> None:
    """Train the pairs, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model",
        choices=sorted(MODELS),
        help="model to train on noise in CIFAR's shape (default: the quickstart's task)",
    )
    parser.add_argument("--epochs", type=int, default=3, help="epochs of that model, with 123 iterations each")
    parser.add_argument("--pairs", type=int, default=8)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    config, data = _trial(options.model, options.epochs)
    pairs = []
    for seed in range(options.pairs):
        order = (True, False) if seed % 2 else (False, True)
        pair = {beside: trained(config, data, seed=seed, reference=beside) for beside in order}
        pairs.append(pair)
        sys.stderr.write(f"{seed}: { ({key: run['metrics']['train_seconds'] for key, run in pair.items()}) }\n")
    print(table([pair[True] for pair in pairs], [pair[False] for pair in pairs]))
    print(f"\n{on_one_thread()}")


def _trial(model: str | None, epochs: int) -> tuple[dict[str, Any], TaskData]:
    if model is None:
        return first_trial(STUDY)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "reference_cost.yaml"
        file.write_text(TASK.format(model=model, epochs=epochs), encoding="utf-8")
        return first_trial(file)


def trained(config: dict[str, Any], data: TaskData, *, seed: int, reference: bool) -> dict[str, Any]:
    """Return the metrics of a trial, with or without the SAM probe, and its final weights, buffers, random state."""
    trainer, _ = build_trainer({**config, "seed": seed}, data)
    if not reference:
        trainer.sam_probe = trainer.timer = None
    metrics = {}
    for _ in range(trainer.epochs):
        metrics = trainer.train_epoch()
    tensors = [*trainer.model.state_dict().values(), torch.get_rng_state()]
    return {"metrics": metrics, "bits": [tensor.clone() for tensor in tensors]}


def table(with_it: Sequence[dict[str, Any]], without: Sequence[dict[str, Any]]) -> str:
    """Return a row for each pair and the means, as Markdown."""
    lines = [
        "| pair | seconds | probe steps | share of the seconds | AIS with / without | same bits |",
        "|" + "---|" * 6,
    ]
    shares, ratios = [], []
    for i, (one, other) in enumerate(zip(with_it, without, strict=True)):
        metrics = one["metrics"]
        shares.append(metrics["reference_seconds"] / metrics["train_seconds"])
        ratios.append(metrics["ais"] / other["metrics"]["ais"])
        same = all(torch.equal(a, b) for a, b in zip(one["bits"], other["bits"], strict=True))
        cells = f"{metrics['train_seconds']:.1f} | {metrics['reference_steps']} | {shares[-1]:.1%} | {ratios[-1]:.3f}"
        lines.append(f"| {i} | {cells} | {'yes' if same else 'NO'} |")
    error = np.std(ratios, ddof=1) / math.sqrt(len(ratios)) if len(ratios) > 1 else math.nan
    lines.append(
        f"\nshare {np.mean(shares):.1%}; AIS with over without {np.mean(ratios):.3f} ± {error:.3f} (one standard error)"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
