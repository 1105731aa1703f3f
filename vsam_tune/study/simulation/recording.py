"""Recorded learning curves: of a finished study, or of an `npz:` file that anybody can write (docs/simulate.md)."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.schema import Dimension, FloatDimension, IntDimension
from vsam_tune.analysis.results import Objective, StudyResult
from vsam_tune.errors import InputError, nearest, problem
from vsam_tune.registry.metrics import DIRECTIONS
from vsam_tune.study.storage.learning_curve import read_curve

_LCBENCH = ("time", "val_accuracy", "val_cross_entropy")  # the metrics of its curves, which its file does not name
_COSTS = ("ais_vs_sam", "ais", "gradient_evaluations", "time")  # the first that was recorded is the second objective
_DECADES = 2.0  # choice: positive values over so many powers of ten are sampled on a log scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The trials of one task, each trained to its end.

    Attributes:
        name: of the task.
        space: the searched parameters.
        params: of each trial, by name.
        metrics: names.
        curves: (n, epochs, metrics) float64, the metrics of each trial after each epoch.
        objectives: in order; each is one of the metrics.
        seconds: (n, epochs) float64, from the start of a trial to the end of an epoch.
    """

    name: str
    space: Mapping[str, Dimension]
    params: Sequence[Mapping[str, Any]]
    metrics: tuple[str, ...]
    curves: NDArray[np.float64]
    objectives: tuple[Objective, ...]
    seconds: NDArray[np.float64]

    @property
    def num_trials(self) -> int:
        """How many trials were recorded."""
        return len(self.params)

    @property
    def epochs(self) -> int:
        """The epochs of each trial."""
        return int(self.curves.shape[1])

    def point(self, trial: int, epoch: int) -> dict[str, float]:
        """Return the finite metrics of a trial after an epoch, counted from 1, with the `epoch`."""
        row = self.curves[trial, epoch - 1]
        finite = {name: float(value) for name, value in zip(self.metrics, row, strict=True) if np.isfinite(value)}
        return {**finite, "epoch": float(epoch)}

    def losses(self) -> NDArray[np.float64]:
        """Return the objectives of all trials at their end, everything to be minimised: (n, k)."""
        columns = [each.sign * self.curves[:, -1, self.metrics.index(each.name)] for each in self.objectives]
        return np.stack(columns, axis=1)


def read_recordings(source: str, root: Path, objectives: Sequence[str] = ()) -> list[Recording]:
    """Return the recordings of a study, one, or of a file, one for each task in it.

    Args:
        source: the name of a study, its file, or a path that ends in .npz.
        root: the folder that holds the studies' folders.
        objectives: `NAME`, or `NAME:minimize` and `NAME:maximize` where the direction is not known; empty for those of
            the source.

    Raises:
        InputError: if there is no such study or file, it cannot be read, or it holds no curve that can be replayed.
    """
    if source.endswith(".npz"):
        return _read_file(Path(source), objectives)
    from vsam_tune.study.storage.stored_study import load_definition, load_result  # noqa: PLC0415 - a file needs none

    result = load_result(source, root)
    space = load_definition(source, root).space
    return [_recorded(result, space, root / result.name, objectives)]


def _recorded(result: StudyResult, space: Mapping[str, Dimension], folder: Path, wanted: Sequence[str]) -> Recording:
    """Return the complete trials of a study, as far as each reported after every epoch.

    Raises:
        InputError: if there are none.
    """
    epochs = int(result.study["task"]["epochs"])
    points = {
        trial.number: _by_epoch(folder / (trial.folder or ""))
        for trial in result.trials
        if trial.state == "complete" and trial.feasible
    }
    whole = [number for number, by_epoch in points.items() if set(range(1, epochs + 1)) <= set(by_epoch)]
    if len(whole) < 2:
        rule = f"must have two complete trials or more with a report for each of {epochs} epochs, but has {len(whole)}"
        fix = "search with trial_scheduler: {kind: fifo}, replicates: 1 and more trials"
        raise InputError(problem(folder, "", None, rule, fix))
    common = set.intersection(*({*points[number][epochs]} for number in whole)) - {"epoch", "time_ms"}
    metrics = tuple(sorted(common))
    curves = np.full((len(whole), epochs, len(metrics)), np.nan)
    for i, number in enumerate(whole):
        for epoch in range(1, epochs + 1):
            curves[i, epoch - 1] = [points[number][epoch].get(name, np.nan) for name in metrics]
    return Recording(
        name=result.name,
        space=space,
        params=[result.trials[number].params for number in whole],
        metrics=metrics,
        curves=curves,
        objectives=_objectives(wanted, metrics, folder) if wanted else result.objectives,
        seconds=_seconds(metrics, curves),
    )


def _by_epoch(folder: Path) -> dict[int, dict[str, float]]:
    return {int(point["epoch"]): point for point in read_curve(folder) if "epoch" in point}


def _read_file(path: Path, wanted: Sequence[str]) -> list[Recording]:
    """Return a recording for each task of a file.

    Raises:
        InputError: if it cannot be read, or lacks an array.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        reason = getattr(error, "strerror", None) or "is no npz file"
        raise InputError(problem(path, "", None, str(reason), "write the path of a file of numpy.savez")) from error
    lcbench = "configs" in arrays and "metrics" not in arrays
    params = arrays.get("params", arrays.get("configs"))
    tasks = {name: array for name, array in arrays.items() if array.ndim == 3}
    if params is None or params.ndim != 2 or not tasks:
        rule = "must hold `params`, (trials, parameters), and learning curves, (trials, epochs, metrics)"
        raise InputError(problem(path, "", None, rule, "add the array; docs/simulate.md describes the file"))
    names = [str(name) for name in arrays.get("param_names", [f"x{i}" for i in range(params.shape[1])])]
    metrics = tuple(str(name) for name in arrays.get("metrics", _LCBENCH if lcbench else ()))
    for name, curves in tasks.items():
        if curves.shape[0] != len(params) or curves.shape[2] != len(metrics) or curves.shape[0] < 2:
            rule = f"has the shape {curves.shape}, but must have ({len(params)} >= 2, epochs, {len(metrics)})"
            fix = "give each trial a curve, and each metric a name in `metrics`"
            raise InputError(problem(path, name, None, rule, fix))
    space = {name: _dimension(column) for name, column in zip(names, params.T, strict=True)}
    rows = [_typed(space, row) for row in params]
    stored = [str(each) for each in arrays.get("objectives", ())]
    objectives = _objectives(wanted or stored, metrics, path)
    return [
        Recording(
            name=path.stem if name == "curves" else name,
            space={name: dimension for name, dimension in space.items() if not isinstance(dimension, float)},
            params=rows,
            metrics=metrics,
            curves=np.asarray(curves, dtype=np.float64),
            objectives=objectives,
            seconds=_seconds(metrics, np.asarray(curves, dtype=np.float64)),
        )
        for name, curves in sorted(tasks.items())
    ]


def _dimension(column: NDArray[Any]) -> Dimension | float:
    """Return the dimension of a parameter, from the values that were recorded; its value if there is only one."""
    low, high = float(column.min()), float(column.max())
    if low == high:
        return low
    log = low > 0 and high / low >= 10**_DECADES
    if (column == np.round(column)).all():
        return IntDimension(type="int", low=round(low), high=round(high), log=log)
    return FloatDimension(type="float", low=low, high=high, log=log)


def _typed(space: Mapping[str, Dimension | float], row: NDArray[Any]) -> dict[str, Any]:
    values = zip(space.items(), row.tolist(), strict=True)
    return {
        name: round(value) if isinstance(dimension, IntDimension) else float(value)
        for (name, dimension), value in values
        if not isinstance(dimension, float)
    }


def _objectives(wanted: Sequence[str], metrics: Sequence[str], place: Path) -> tuple[Objective, ...]:
    """Return objectives by name; without any the accuracy, and the first cost that was recorded.

    Raises:
        InputError: if one was not recorded, or has no known direction.
    """
    if not wanted:
        costs = [name for name in _COSTS if name in metrics]
        wanted = [name for name in ["val_accuracy", *costs[:1]] if name in metrics]
        if not wanted:
            fix = f"write --objectives {metrics[0]}:minimize"
            raise InputError(problem(place, "objectives", None, "are not known", fix))
    found = []
    for entry in wanted:
        name, _, direction = entry.partition(":")
        direction = direction or {"time": "minimize", **DIRECTIONS}.get(name, "")
        if name not in metrics:
            fix = f"write {near}" if (near := nearest(name, metrics)) else f"one of {', '.join(metrics)}"
            raise InputError(problem("--objectives", "", name, "was not recorded", fix))
        if direction not in ("minimize", "maximize"):
            raise InputError(problem("--objectives", "", entry, "has no known direction", f"write {name}:minimize"))
        found.append(Objective(name, "minimize" if direction == "minimize" else "maximize"))
    return tuple(found)


def _seconds(metrics: Sequence[str], curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return when each epoch ended: by `time` or `train_seconds`, else by the gradient evaluations, else after 1 s."""
    for name in ("time", "train_seconds"):
        if name in metrics and np.isfinite(curves[:, :, metrics.index(name)]).all():
            return np.maximum.accumulate(curves[:, :, metrics.index(name)], axis=1)
    epochs = np.arange(1, curves.shape[1] + 1, dtype=np.float64)
    if "gradient_evaluations" in metrics:
        return np.maximum.accumulate(curves[:, :, metrics.index("gradient_evaluations")] * epochs, axis=1)
    return np.tile(epochs, (len(curves), 1))
