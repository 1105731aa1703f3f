"""The effect of other training processes on AIS (average images per second) and on its ratio to SAM's.

Every run is the same trial of digits with the same seed. A neighbour is another process that trains without end. Runs
with 0, 1 and 2 neighbours come in random order. The machine is shared, so the quietest tenth of the runs, which lacked
least of a processor, counts as idle. The benchmark prints Markdown. Run it with
    .venv/bin/python -m benchmarks.neighbours --out neighbours.json
A call with the file of an earlier call continues it up to the given number of runs.
"""

import argparse
import math
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from benchmarks.machine import on_one_thread
from benchmarks.runs_file import earlier_runs, keep_runs
from benchmarks.trial import first_trial
from trainables.build import build_trainer
from vsam_tune.machine.contention import Contention

STUDY = Path("studies/quickstart.yaml")
CONDITIONS = (0, 1, 2)  # neighbours
IDLE_SHARE, SMALL_ERROR, NEAR = (
    0.1,
    0.01,
    0.02,
)  # share of the runs; relative error of the ratio; relative distance from its idle value
GROUPS = 20  # of the jackknife that gives the error of a run
T_QUANTILE = float(stats.t.ppf(0.975, GROUPS - 1))
_START_SECONDS = 6.0  # until a neighbour trains

Run = dict[str, float]


def main(arguments: list[str] | None = None) -> None:
    """Make the missing runs, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60, help="total number, including earlier calls")
    parser.add_argument("--study", type=Path, default=STUDY)
    parser.add_argument("--epochs", type=int, help="epochs of a run (the study's)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the order")
    parser.add_argument("--out", type=Path, help="JSON file for the results of the runs")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    runs: list[Run] = earlier_runs(options.out)
    for run in _missing(options, len(runs)):
        runs.append(run)
        keep_runs(options.out, runs)
        sys.stderr.write(f"{len(runs)} of {options.runs}: {run}\n")
    print(table(runs))
    print(f"\n{on_one_thread('one thread a run')}")


def _missing(options: argparse.Namespace, done: int) -> Iterator[Run]:
    order = np.random.default_rng(options.seed).permutation(np.resize(CONDITIONS, options.runs))
    if done >= options.runs:
        return
    config, data = first_trial(options.study)
    for neighbours in order[done:].tolist():
        with _neighbours(neighbours, options.study):
            contention = Contention()
            trainer, _ = build_trainer(config, data)
            metrics: dict[str, float] = {}
            for _ in range(options.epochs or trainer.epochs):
                metrics = trainer.train_epoch()
            found = contention.found()
        names = ("ais", "ais_vs_sam", "ais_vs_sam_error", "ais_vs_sam_wall", "ideal_ais_vs_sam", "sampled_fraction")
        # `others_cores` leaves out children of this process, such as the neighbours, so its own lack counts
        lacked = 1 - found["processor_seconds"] / found["seconds"]
        yield {"neighbours": neighbours, "others_cores": found["others_cores"], "lacked": lacked} | {
            name: metrics[name] for name in names
        }


@contextmanager
def _neighbours(number: int, study: Path) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    processes: list[BaseProcess] = [context.Process(target=_train_forever, args=(study,)) for _ in range(number)]
    try:
        for process in processes:
            process.start()
        time.sleep(_START_SECONDS if processes else 0)
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def _train_forever(study: Path) -> None:
    torch.set_num_threads(1)
    config, data = first_trial(study)
    while True:
        trainer, _ = build_trainer(config, data)
        trainer.iterate(trainer.loader.batches(0), len(trainer.loader))


def idle(runs: Sequence[Run]) -> list[Run]:
    """Return the tenth of the runs that lacked least of a processor, at least three runs."""
    quietest = sorted(runs, key=lambda run: run["lacked"])
    return quietest[: max(3, round(IDLE_SHARE * len(runs)))]


def idle_value(runs: Sequence[Run]) -> tuple[float, float]:
    """Return the mean ratio of the idle runs and its standard error, from their spread."""
    ratios = np.array([run["ais_vs_sam"] for run in idle(runs)])
    return float(ratios.mean()), float(ratios.std(ddof=1) / math.sqrt(len(ratios)))


def table(runs: Sequence[Run]) -> str:
    """Return a row for each number of neighbours, and the verdicts on the goals, as Markdown."""
    quiet, (value, error) = idle(runs), idle_value(runs)
    raw = float(np.mean([run["ais"] for run in quiet]))
    rows = [_row("idle: the quietest tenth", quiet, raw, value)]
    rows += [
        _row(str(n), chosen, raw, value) for n in CONDITIONS if (chosen := [r for r in runs if r["neighbours"] == n])
    ]
    known = [run for run in runs if math.isfinite(run["ais_vs_sam"])]
    small = [run for run in known if run["ais_vs_sam_error"] <= SMALL_ERROR * run["ais_vs_sam"]]
    near = [run for run in small if abs(run["ais_vs_sam"] / value - 1) <= NEAR]
    names = ("neighbours", "runs", "processor lacked", "others' cores", "AIS", "AIS / idle", "AIS spread")
    names += ("ais_vs_sam", "over idle", "spread", "stated error", "by the wall clock")
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names), *rows, ""]
    lines.append(f"- idle value {value:.3f} ± {error:.3f} (one standard error, {len(quiet)} runs)")
    lines.append(
        f"- of the {len(small)} runs with a stated error of at most 1 %, {len(near)} lie within 2 % of the idle value"
    )
    for quantile, of_what in ((1.96, "of 1.96 errors"), (T_QUANTILE, f"by t with {GROUPS - 1} degrees of freedom")):
        covered = [
            run
            for run in known
            if abs(run["ais_vs_sam"] - value) <= quantile * math.hypot(run["ais_vs_sam_error"], error)
        ]
        share = len(covered) / len(known)
        lines.append(f"- of {len(known)} runs, {len(covered)} have it in their 95 % interval {of_what}: {share:.0%}")
    lines.append(f"- {len(runs) - len(known)} runs reported no number, as unreliable")
    return "\n".join(lines)


def _row(label: str, runs: Sequence[Run], raw: float, value: float) -> str:
    columns: dict[str, Any] = {name: np.array([run[name] for run in runs]) for name in runs[0]}
    ratio = columns["ais_vs_sam"]
    cells = [
        label,
        str(len(runs)),
        f"{columns['lacked'].mean():.0%}",
        f"{columns['others_cores'].mean():.2f}",
        f"{columns['ais'].mean():,.0f}",
        f"{columns['ais'].mean() / raw:.2f}",
        f"{columns['ais'].std() / columns['ais'].mean():.0%}",
        f"{np.nanmean(ratio):.3f}",
        f"{np.nanmean(ratio) / value:.3f}",
        f"{np.nanstd(ratio) / np.nanmean(ratio):.1%}",
        f"{np.nanmean(columns['ais_vs_sam_error'] / ratio):.1%}",
        f"{np.nanmean(columns['ais_vs_sam_wall']):.3f}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
