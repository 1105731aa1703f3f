"""The contract between driver and worker: the configuration of a trial, and its reports. See docs/trainables.md."""

import math
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any, NotRequired, TypedDict

from vsam_tune.seeds import derive_seed

MOST_SEEDS = 10_000  # choice: of one trial, of one row of baselines, or of one training


class TrialConfig(TypedDict):
    """The configuration that the driver sends to the worker of a trial. All values are plain, as in JSON.

    Attributes:
        task: all keys of the study file's `task:`; paths are absolute, `epochs` is the budget of one replicate.
        base_optimizer: `optimizer` as `module:class` of torch, and its keyword arguments.
        method: `name`, and each setting of the method, fixed or searched.
        trainable: `module:name` of the trainable itself.
        params: the searched parameters alone, by name; in a final training `replicate`; in baselines and confirmations
            `label`, with `replicate` or `timing`.
        number: of the trial in its study, from 0.
        seed: fixes everything that is random in the trial, in [0, 2**32).
        folder: absolute path of the trial's files, which driver and worker both see; empty in a dry run.
        final: whether to train on the training and validation parts together, and to test at the end.
        test: whether to report `test_accuracy` once, in the last report, after a training as in a search.
        replicates: how many seeds to train one after the other, at least 1.
        pause_epochs: epochs after which the trial may be paused, to go on later from its folder, perhaps in another
            process: a checkpoint has to be written before such an epoch is reported.
        cpus: processors of the trial; a worker keeps to as many threads.
        gpus: devices of the trial; a fraction is shared with other trials.
        sampled_fraction: only for a timing: the fraction of iterations with a second gradient, in [0, 1]; None for the
            timing's own.
        seconds: only for a timing: how long it takes.
    """

    task: dict[str, Any]
    base_optimizer: dict[str, Any]
    method: dict[str, Any]
    trainable: str
    params: Mapping[str, Any]
    number: int
    seed: int
    folder: str
    final: bool
    test: bool
    replicates: int
    pause_epochs: list[int]
    cpus: float
    gpus: float
    sampled_fraction: NotRequired[float | None]
    seconds: NotRequired[float]


class Report(TypedDict, total=False):
    """The report that a worker sends after each step. Every other key is a metric, if its value is a number.

    Attributes:
        epoch: epochs done, over all replicates.
        iteration: iterations done, over all replicates.
        done: True in the last report of the trial.
        diverged: the iteration at which training went wrong; goes with `done`.
        unreliable_reason: why `ais_vs_sam` is not finite; says nothing against the configuration.
        replicates: how many replicates have ended, where there are several; the metrics are means over them.
        replicate_ended: True in a report that ends a replicate, where there are several.
    """

    epoch: int
    iteration: int
    done: bool
    diverged: int
    unreliable_reason: str
    replicates: int
    replicate_ended: bool


def trial_seed(seed: int, *purpose: str | int) -> int:
    """Return the seed of a trial, in [0, 2**32), which NumPy and torch both take.

    Args:
        seed: of the study's task.
        purpose: as for `derive_seed`, such as ("trial", 17).
    """
    return derive_seed(seed, *purpose) % 2**32


def replicate_seed(seed: int, replicate: int) -> int:
    """Return the seed of a replicate within a trial, in [0, 2**32): the first one's is the trial's own.

    Args:
        seed: of the trial.
        replicate: its number in the trial, from 0.
    """
    return trial_seed(seed, "replicate", replicate) if replicate else seed


def metrics_of(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a report: its finite numbers by name.

    Numbers of Python and NumPy count, and arrays and tensors without dimensions. The numbers of a nested mapping are
    named by their path, joined with `/` as Ray does. Truth values are no metrics, nor are Ray's own entries.
    """
    numbers = {name: _number(value) for name, value in _entries(report)}
    return {name: number for name, number in numbers.items() if number is not None and math.isfinite(number)}


def refused(report: Mapping[str, Any]) -> dict[str, str]:
    """Return why entries of a report are no metrics, by name; those whose meaning is known are left out.

    A value that is not finite is not among them: a number that cannot be known yet is reported so.
    """
    return {
        name: "an integer beyond the range of floats" if type(value) is int else f"of type {type(value).__name__}"
        for name, value in _entries(report)
        if name not in _NO_METRICS and _number(value) is None
    }


def _entries(report: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that the trainable reported, with its path."""
    for key, value in report.items():
        name = f"{path}{key}"
        if isinstance(value, Mapping):
            if name != "config":
                yield from _entries(value, f"{name}/")
        elif name not in _RAYS_OWN and not name.startswith("config/"):
            yield name, value


def _number(value: Any) -> float | None:  # noqa: ANN401 - whatever a trainable reports
    """Return a value as a number of Python, which may be infinite or NaN; None if it is no number, or too large."""
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "shape", None) == ():  # of NumPy or torch, which is not imported here
        value = item()
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        as_float = float(value)
    except OverflowError:
        return None
    return int(value) if isinstance(value, Integral) else as_float


_RAYS_OWN = frozenset({
    "timestamp", "training_iteration", "time_this_iter_s", "time_total_s", "pid", "time_since_restore",
    "iterations_since_restore", "timesteps_total", "episodes_total", "timesteps_since_restore", "warmup_time",
    "trial_id", "experiment_tag", "date", "hostname", "node_ip", "checkpoint_dir_name", "should_checkpoint",
    "__duplicate__",
})  # fmt: skip
_NO_METRICS = frozenset({"done", "diverged", "unreliable_reason", "replicate_ended"})
