"""vSAM's controller, fed with given norms: which iterations it samples, and when in the run.

The norms do not depend on the decisions, as they would in a training. As in a training, the controller sees the norms
of the sampled iterations only. No torch here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsam_tune.optimizers.sampling_rate import SamplingRate

ITERATIONS = 78_200  # of the paper's trainings: 200 epochs of CIFAR at batch 128
AUTHORS: Mapping[str, Any] = {  # the settings of the authors' runs
    "beta": 0.13,
    "num_slices": 5,
    "warmup_iterations": 1_173,
    "interval": 50,
    "max_rate": 0.8,
}
PHASES = {"0 to 50 %": (0.0, 0.5), "50 to 75 %": (0.5, 0.75), "75 to 100 %": (0.75, 1.0)}


def sampled(norms: NDArray[np.float64], *, change: str, seed: int, settings: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return which iterations the controller samples.

    Args:
        norms: (T, 2), h and q of each iteration.
        change: form of the change rates.
        seed: of u.
        settings: those of AUTHORS, or other values.

    Returns:
        (T,) bool.
    """
    controller = SamplingRate(change=change, **settings)
    pairs, uniform = norms.tolist(), np.random.default_rng(seed).random(len(norms)).tolist()
    taken = np.zeros(len(norms), dtype=np.bool_)
    for t, (h, q) in enumerate(pairs):
        if controller.begins_interval(t):
            controller.begin_interval(t)
        if controller.is_sampled(t, uniform.__getitem__):
            controller.count_sample(t)
            controller.record([(h, q)])
            taken[t] = True
    return taken


def phase_fractions(taken: NDArray[np.bool_], warmup_iterations: int) -> dict[str, float]:
    """Return the sampled fraction in each of PHASES, the warm-up left out."""
    ends = {phase: [round(share * len(taken)) for share in shares] for phase, shares in PHASES.items()}
    return {phase: float(taken[max(low, warmup_iterations) : high].mean()) for phase, (low, high) in ends.items()}


def summary(runs: Sequence[NDArray[np.bool_]], warmup_iterations: int) -> dict[str, str]:
    """Return the cells of a table row: samples with their range over the runs, f, and f in each phase.

    Args:
        runs: (T,) bool each, one for each seed.
        warmup_iterations: of these runs.
    """
    counts = [int(run.sum()) for run in runs]
    phases = [phase_fractions(run, warmup_iterations) for run in runs]
    return {
        "samples": f"{np.mean(counts):,.0f} ({min(counts):,} to {max(counts):,})",
        "f": f"{np.mean(counts) / len(runs[0]):.3f}",
        **{name: f"{np.mean([each[name] for each in phases]):.3f}" for name in PHASES},
    }
