"""How stable AIS (average images per second) is on this machine: short bursts of training in a separate process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median, stdev
from typing import Any

from vsam_tune.machine.child_process import child_process
from vsam_tune.registry.object_reference import resolve_object

_MEASURE = "trainables.machine_speed:measure"  # by name: the driver never loads torch


@dataclass(frozen=True, kw_only=True, slots=True)
class Speed:
    """Images per second of short bursts with one number of threads.

    Attributes:
        ais: mean by method.
        spread_percent: standard deviation between bursts over their mean, by method.
        ais_vs_sam: mean ratio of SGD's images per second to SAM's in the same round.
        ratio_spread_percent: standard deviation of that ratio between rounds over its mean.
    """

    ais: Mapping[str, float]
    spread_percent: Mapping[str, float]
    ais_vs_sam: float
    ratio_spread_percent: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Stability:
    """The result of the measurement.

    Attributes:
        threads: torch's default number.
        speeds: by number of threads.
        slowdown: median factor by which a second process lengthens an iteration, each with one thread.
    """

    threads: int
    speeds: Mapping[int, Speed]
    slowdown: float


def measure_stability(seconds: float) -> Stability:
    """Return the stability, measured in a separate process, which loads torch.

    Args:
        seconds: duration of the bursts; the whole measurement takes about twice as long.

    Raises:
        InputError: if `trainables` cannot be imported.
        RuntimeError: if the process ended, or could not start another one.
    """
    with child_process() as pool:
        return summarize_bursts(pool.submit(_ask, seconds).result())


def _ask(seconds: float) -> dict[str, Any]:
    fix = "install the whole package, with torch"
    found: dict[str, Any] = resolve_object(_MEASURE, where="doctor", key="", fix=fix)(seconds)
    return found


def summarize_bursts(found: Mapping[str, Any]) -> Stability:
    """Return the stability of the bursts from `trainables.machine_speed.measure`, at least two of each kind."""
    slowdowns = [alone / shared for alone, shared in zip(found["alone"], found["beside"], strict=True)]
    speeds = {threads: _speed(bursts) for threads, bursts in found["bursts"].items()}
    return Stability(threads=found["threads"], speeds=speeds, slowdown=median(slowdowns))


def _speed(bursts: Mapping[str, Sequence[float]]) -> Speed:
    ratios = [sgd / sam for sgd, sam in zip(bursts["sgd"], bursts["sam"], strict=True)]
    return Speed(
        ais={method: mean(rates) for method, rates in bursts.items()},
        spread_percent={method: _spread_percent(rates) for method, rates in bursts.items()},
        ais_vs_sam=mean(ratios),
        ratio_spread_percent=_spread_percent(ratios),
    )


def _spread_percent(values: Sequence[float]) -> float:
    return 100 * stdev(values) / mean(values)
