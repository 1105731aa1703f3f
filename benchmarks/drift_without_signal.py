"""The null case of vSAM's sampling rate: its growth on stationary noise.

The controller gets independent log-normal h and q, for half the iterations of the paper's runs. The table shows the
sampled fraction for the paper's relative change rates and for log ratios, with mean and standard deviation over seeds.
There is no training, and it takes half a minute. Run it with
    .venv/bin/python -m benchmarks.drift_without_signal [--iterations 39100] [--spread 0.1] [--seeds 5]
"""

import argparse
from statistics import mean, stdev

import numpy as np

from vsam_tune.optimizers.sampling_rate import CHANGES, SamplingRate
from vsam_tune.registry.methods import METHODS

_BETAS = (0.05, 0.1, 0.13, 0.15, 0.2)  # those of the paper's table 1
_PARTS = 4  # of a run; the growth shows in their fractions


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=39_100, metavar="N", help="iterations per run (39100)")
    parser.add_argument(
        "--spread", type=float, default=0.1, metavar="S", help="standard deviation of log h and of log q (0.1)"
    )
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="runs of each row, at least 2 (5)")
    arguments = parser.parse_args()
    quarters = " | ".join(f"quarter {part}" for part in range(1, _PARTS + 1))
    print(f"| change | beta | sampled fraction | {quarters} |")
    print("|---|---|---|" + "---|" * _PARTS)
    for change in CHANGES:
        for beta in _BETAS:
            runs = [
                sampled(beta, change, seed, iterations=arguments.iterations, spread=arguments.spread)
                for seed in range(arguments.seeds)
            ]
            fractions = [float(run.mean()) for run in runs]
            parts = np.mean([[part.mean() for part in np.array_split(run, _PARTS)] for run in runs], axis=0)
            shown = " | ".join(f"{part:.3f}" for part in parts)
            print(f"| {change} | {beta} | {mean(fractions):.3f} ± {stdev(fractions):.3f} | {shown} |")


def sampled(beta: float, change: str, seed: int, *, iterations: int, spread: float) -> np.ndarray:
    """Return which iterations of one run are sampled, under vSAM's default settings.

    Args:
        beta: how strongly the change rates move the expected number of samples.
        change: form of the change rates.
        seed: of the noise and of u.
        iterations: of the run.
        spread: standard deviation of log h and of log q.

    Returns:
        (iterations,) bool.
    """
    defaults = {name: setting.default for name, setting in METHODS["vsam"].hyperparameters.items()}
    names = ("num_slices", "warmup_iterations", "interval", "max_rate")
    controller = SamplingRate(beta=beta, change=change, **{name: defaults[name] for name in names})  # type: ignore[arg-type]
    draws = np.random.default_rng(seed)
    pairs = np.exp(spread * draws.standard_normal((iterations, 2))).tolist()
    uniform = draws.random(iterations).tolist()
    taken = np.zeros(iterations, dtype=bool)
    for t in range(iterations):
        if controller.begins_interval(t):
            controller.begin_interval(t)
        if controller.is_sampled(t, uniform.__getitem__):
            controller.count_sample(t)
            controller.record([(pairs[t][0], pairs[t][1])])
            taken[t] = True
    return taken


if __name__ == "__main__":
    main()
