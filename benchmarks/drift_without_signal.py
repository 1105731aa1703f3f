"""The null case of vSAM's sampling rate: how many iterations it samples if nothing changes but noise.

The controller gets independent log-normal h and q without a trend, for as many iterations as the paper's trainings
have. The first table has the paper's table 1 next to it. The second one shows how much the samples depend on the spread
of the noise. There is no training, and the result does not depend on the machine. Run it with
    .venv/bin/python -m benchmarks.drift_without_signal [--iterations 78200] [--spread 0.1] [--seeds 5]
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from benchmarks.controller_replay import AUTHORS, ITERATIONS, PHASES, sampled, summary
from vsam_tune.analysis.published_tables import tables
from vsam_tune.cli.render import render_rows
from vsam_tune.optimizers.sampling_rate import CHANGES

BETAS = (0.05, 0.1, 0.13, 0.15, 0.2)  # those of the paper's table 1
SPREADS = (0.02, 0.05, 0.1, 0.2, 0.4)
COLUMNS = ("samples", "f", *PHASES)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--iterations", type=int, default=ITERATIONS, metavar="N", help=f"iterations per run ({ITERATIONS})"
    )
    parser.add_argument(
        "--spread",
        type=float,
        default=0.1,
        metavar="S",
        help="standard deviation of log h and of log q in the first table (0.1)",
    )
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="runs of each row (5)")
    arguments = parser.parse_args()
    print(table_by_beta(iterations=arguments.iterations, spread=arguments.spread, seeds=arguments.seeds))
    print(f"\n{table_by_spread(iterations=arguments.iterations, seeds=arguments.seeds)}")


def table_by_beta(*, iterations: int, spread: float, seeds: int) -> str:
    """Return the samples for each beta next to table 1's, for both forms of the change rates, as Markdown."""
    published = table_1()
    rows = []
    for change in CHANGES:
        for beta in BETAS:
            cells = _row(beta=beta, change=change, iterations=iterations, spread=spread, seeds=seeds)
            paper = f"{published[beta]:,.0f}" if change == "relative" else ""  # the paper has no other form
            rows.append({"change": change, "beta": beta, "table 1": paper, **cells})
    return render_rows(rows, ("change", "beta", "table 1", *COLUMNS), "markdown")


def table_by_spread(*, iterations: int, seeds: int) -> str:
    """Return the samples for each spread of the noise at the authors' beta, as Markdown."""
    rows = [
        {
            "change": change,
            "spread": spread,
            **_row(beta=AUTHORS["beta"], change=change, iterations=iterations, spread=spread, seeds=seeds),
        }
        for change in CHANGES
        for spread in SPREADS
    ]
    return render_rows(rows, ("change", "spread", *COLUMNS), "markdown")


def _row(*, beta: float, change: str, iterations: int, spread: float, seeds: int) -> dict[str, str]:
    runs = [sampled_on_noise(beta, change, seed, iterations=iterations, spread=spread) for seed in range(seeds)]
    return summary(runs, AUTHORS["warmup_iterations"])


def table_1() -> dict[float, float]:
    """Return the paper's number of samples by beta, of WRN-28-10 on CIFAR-100."""
    found = {row.method: row.sampling_number for row in tables() if row.table == 1}
    numbers = {beta: found[f"vsam(beta={beta})"] for beta in BETAS}
    return {beta: number for beta, number in numbers.items() if number is not None}


def sampled_on_noise(beta: float, change: str, seed: int, *, iterations: int, spread: float) -> NDArray[np.bool_]:
    """Return which iterations of one run are sampled, under the authors' settings.

    Args:
        beta: how strongly the change rates move the expected number of samples.
        change: form of the change rates.
        seed: of the noise and of u.
        iterations: of the run.
        spread: standard deviation of log h and of log q.

    Returns:
        (iterations,) bool.
    """
    norms = np.exp(spread * np.random.default_rng([seed, 1]).standard_normal((iterations, 2)))
    return sampled(norms, change=change, seed=seed, settings={**AUTHORS, "beta": beta})


if __name__ == "__main__":
    main()
