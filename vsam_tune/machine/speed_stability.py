"""How stable AIS is on this machine: what bursts of training that a process of its own timed come to."""

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import mean, median, stdev
from typing import Any

from vsam_tune.registry.object_reference import resolve_object

_MEASURE = "trainables.machine_speed:measure"  # by name: the driver never loads torch


@dataclass(frozen=True, kw_only=True, slots=True)
class Speed:
    """Images a second of short bursts with some number of threads.

    Attributes:
        ais: mean by method.
        spread_percent: standard deviation between bursts over their mean, by method.
        ais_vs_sam: SGD's images a second over SAM's in the same round, mean.
        ratio_spread_percent: standard deviation of that ratio between rounds over its mean.
    """

    ais: Mapping[str, float]
    spread_percent: Mapping[str, float]
    ais_vs_sam: float
    ratio_spread_percent: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Stability:
    """What was measured.

    Attributes:
        threads: what torch takes by default.
        speeds: by number of threads.
        slowdown: how many times as long an iteration takes beside a second process, each with one thread; median.
    """

    threads: int
    speeds: Mapping[int, Speed]
    slowdown: float


def measure_stability(seconds: float) -> Stability:
    """Measure in a process of its own, which loads torch.

    Args:
        seconds: of the bursts; the whole takes about twice as long.

    Returns:
        What the bursts came to.

    Raises:
        InputError: if our trainables cannot be imported.
        RuntimeError: if the process ended, or could not start another.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return stability(pool.submit(_ask, seconds).result())


def _ask(seconds: float) -> dict[str, Any]:
    fix = "install the whole package, with torch"
    found: dict[str, Any] = resolve_object(_MEASURE, where="doctor", key="", fix=fix)(seconds)
    return found


def stability(found: Mapping[str, Any]) -> Stability:
    """Return what the bursts come to.

    Args:
        found: as `trainables.machine_speed.measure` returned it; at least two bursts of each kind.
    """
    slowdowns = [alone / beside for alone, beside in zip(found["alone"], found["beside"], strict=True)]
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
