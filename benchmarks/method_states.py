"""The states of AE-SAM, SAF, MESA and vSAM over a run: do the methods work as in their papers?

The benchmark reads the trajectories of a study's baselines, and prints a row for each part of the run with means over
the iterations and the seeds. AE-SAM samples few iterations early and many late, since its threshold falls; the
trajectory loss of SAF and the distillation loss of MESA begin after their start epoch. Run it after
`vsam-tune baselines` with
    .venv/bin/python -m benchmarks.method_states [STUDY] [--root runs] [--parts 8]
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from vsam_tune.study.storage.stored_study import load_baselines

_COLUMNS = ("sampled", "squared_norm", "threshold", "penalty", "sampling_rate")  # of a trajectory


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="quickstart", help="a study file, or a study's name (quickstart)")
    parser.add_argument("--root", type=Path, default=Path("runs"), metavar="DIR", help="folder of the studies (runs)")
    parser.add_argument("--parts", type=int, default=8, metavar="N", help="parts of a run (8)")
    arguments = parser.parse_args()
    result = load_baselines(arguments.study, arguments.root)
    folder = arguments.root / result.name / "baselines"
    print(f"| method | part of the run | {' | '.join(_COLUMNS)} |")
    print("|---|---|" + "---|" * len(_COLUMNS))
    for label in result.study["rows"]:
        paths = [
            folder / record.folder / "trajectory.parquet"
            for record in result.trials
            if record.params["label"] == label and record.state == "complete" and record.folder
        ]
        if paths:
            _print_rows(label, parts_of(paths, arguments.parts))


def parts_of(paths: list[Path], parts: int) -> np.ndarray:
    """Return the means of the columns over equal parts of the runs.

    Args:
        paths: trajectories of the same length.
        parts: number of parts.

    Returns:
        (parts, len(_COLUMNS)) float64; NaN if a column has no number in a part.
    """
    tables = [pq.read_table(path, columns=list(_COLUMNS)) for path in paths]
    runs = np.array([[table[name].to_numpy().astype(np.float64) for name in _COLUMNS] for table in tables])
    means = [
        [_mean(part[:, column]) for column in range(len(_COLUMNS))] for part in np.array_split(runs, parts, axis=2)
    ]
    return np.array(means)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _print_rows(label: str, parts: np.ndarray) -> None:
    """Print the rows of a method that samples iterations or has a loss term."""
    if np.isnan(parts[:, 1:4]).all() and not parts[:, 0].any():
        return
    for number, row in enumerate(parts, start=1):
        cells = " | ".join("" if np.isnan(value) else f"{value:.3g}" for value in row)
        print(f"| {label} | {number}/{len(parts)} | {cells} |")


if __name__ == "__main__":
    main()
