"""What a decision of `mo_asha` costs the driver when thousands of trials run on hundreds of workers.

    python -m benchmarks.scheduler_scale --trials 100 1000 10000 --workers 256

Simulated trials of 27 epochs, rungs at 1, 3 and 9, two objectives. A report is all that the driver does for one: the
searcher, the trial scheduler with or without its guard, and Optuna's storage in memory.
"""

import argparse
import resource
import time
from typing import Any

import numpy as np

from search_spaces.schema import FloatDimension
from vsam_tune.analysis.results import Objective
from vsam_tune.study.file.sections import MoAsha, RandomSearch
from vsam_tune.study.simulation.recording import Recording
from vsam_tune.study.simulation.simulator import simulate

EPOCHS = 27


def synthetic(trials: int, seed: int) -> Recording:
    """Return trials whose accuracy grows with the cost of an epoch, and with luck."""
    draws = np.random.default_rng(seed)
    cost, luck = draws.uniform(1, 2, trials), draws.normal(size=trials)
    epochs = np.arange(1, EPOCHS + 1)
    accuracy = (
        80 + 5 * cost[:, np.newaxis] + luck[:, np.newaxis] - 20 / epochs + draws.normal(size=(trials, EPOCHS)) / epochs
    )
    curves = np.stack([accuracy, np.repeat(cost[:, np.newaxis], EPOCHS, axis=1)], axis=2)
    return Recording(
        name="synthetic",
        space={"x": FloatDimension(type="float", low=0.0, high=1.0)},
        params=[{"x": float(value)} for value in draws.random(trials)],
        metrics=("val_accuracy", "gradient_evaluations"),
        curves=curves,
        objectives=(Objective("val_accuracy", "maximize"), Objective("gradient_evaluations", "minimize")),
        seconds=np.cumsum(np.repeat(cost[:, np.newaxis], EPOCHS, axis=1), axis=1),
    )


def main() -> None:
    """Print a line for each number of trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--workers", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"{'trials':>7} {'guard':>5} {'variant':>10} {'finished':>8} {'CPU s':>7} {'ms a trial':>10} {'peak MiB':>8}")
    for trials in arguments.trials:
        recording = synthetic(trials, arguments.seed)
        for variant in ("stopping", "promotion"):
            for guard in ("off", "on"):
                off: Any = {"guard": "off"} if guard == "off" else {}
                section = MoAsha(kind="mo_asha", variant=variant, **off)
                started = time.process_time()
                (end,) = simulate(
                    recording,
                    sampler=RandomSearch(seed=arguments.seed),
                    trial_scheduler=section,
                    workers=arguments.workers,
                    budgets=[trials * EPOCHS],
                )
                seconds = time.process_time() - started
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                case = f"{trials:7} {guard:>5} {variant:>10} {end.finished:8}"
                print(f"{case} {seconds:7.1f} {1000 * seconds / trials:10.2f} {peak:8.0f}", flush=True)


if __name__ == "__main__":
    main()
