"""A trial's learning curve and trajectory as points of MLflow."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vsam_tune.study.storage.learning_curve import position
from vsam_tune.study.tracking.mlflow_names import mlflow_names

THINNED = 200  # points of a trajectory column that go to MLflow
_NOT_CURVES = ("time_ms", "iteration", "epoch")  # the axes of a learning curve
_LARGEST_STEP = 2**63 - 1  # of MLflow's databases

Point = tuple[str, float, int, int]  # key, value, milliseconds since 1970, step


def curve_points(curve: Sequence[Mapping[str, float]], *, since: int = 0) -> list[Point]:
    """Return a learning curve as MLflow's points, by iteration.

    Infinities are left out, which MLflow draws as 1.8e308, and points at iterations beyond 64 bits.

    Args:
        curve: all of it: names that differ only in what MLflow refuses must differ in MLflow.
        since: how many points of the curve to leave out.
    """
    names = mlflow_names(list(dict.fromkeys(key for point in curve for key in point if key not in _NOT_CURVES)))
    return [
        (names[key], float(value), int(point["time_ms"]), int(position(point)))
        for point in curve[since:]
        for key, value in point.items()
        if key not in _NOT_CURVES and math.isfinite(value) and abs(position(point)) <= _LARGEST_STEP
    ]


def trajectory_points(path: Path, time_ms: int) -> list[Point]:
    """Return a trajectory as MLflow's points by iteration, thinned to `THINNED` a column.

    A column keeps the iterations at which it has a number, such as the sampled ones of `l2_psf`;
    `cumulative_samples` counts the sampled iterations.

    Args:
        path: of `trajectory.parquet`.
        time_ms: the time that all points carry.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - on the writer's thread alone

    table = pq.read_table(path)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    iterations, sampled = columns.pop("iteration"), columns.pop("sampled")
    columns["cumulative_samples"] = np.cumsum(sampled).astype(np.float64)
    return [
        (name, float(column[row]), time_ms, int(iterations[row]))
        for name, column in columns.items()
        for row in thinned(np.flatnonzero(np.isfinite(column)))
    ]


def thinned(rows: np.ndarray) -> np.ndarray:
    """Return at most `THINNED` of the rows, first and last among them, evenly spread; (m,) integers as given."""
    if len(rows) <= THINNED:
        return rows
    return rows[np.linspace(0, len(rows) - 1, THINNED).round().astype(np.int64)]
