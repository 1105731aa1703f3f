"""Examine this machine or a cluster: its resources, the stability of AIS, and a recommendation of workers."""

import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any

from vsam_tune.errors import InputError
from vsam_tune.machine.contention import contention_within
from vsam_tune.machine.hardware import WORKER_GIB, Cores, Gpu, cores, free_bytes, gpus, workers_in_memory
from vsam_tune.machine.speed_stability import Speed, Stability, measure_stability
from vsam_tune.study.execution.oversubscription import DISTURBING_CORES
from vsam_tune.study.execution.ray_cluster import connect
from vsam_tune.study.execution.ray_folder import make_ray_folder

_PACKAGES = ("torch", "torchvision", "ray", "optuna", "mlflow", "pandas")
_FREE_GIB = 2.0  # of disk and of memory, below which a search is likely to fail
_SECONDS = 4.0  # of bursts; with the start of two processes, ten seconds in all
_CONTENTION_SECONDS = 1.0
_SPREAD_PERCENT = 10.0  # choice: of AIS between bursts, above which a ratio compares two trials better
_SLOWDOWN = 1.5  # choice: of two processes at a time; twice is one core for two
_BUSY_PERCENT = 10.0  # of a GPU that nobody uses


def examine(address: str | None, *, quick: bool = False) -> list[dict[str, Any]]:
    """Return a row for each thing examined: `what`, `found`, `fine`, `needed`, and `fix` if it is not fine.

    A search cannot run without the things that are `needed`; the others tell how reliable its numbers will be.

    Args:
        address: of a Ray cluster to connect to; None for this machine alone, where no Ray is started and AIS is timed.
        quick: skip the measurements, which take ten seconds.

    Raises:
        InputError: if no cluster answers at the address.
    """
    cluster = list(_cluster(address)) if address else []
    there = cores()
    rows = [*_software(), *_machine(there), *_gpus(), _contention(contention_within(_CONTENTION_SECONDS), there)]
    if address:
        return [*rows, *cluster]
    measured, stable = _stability(quick=quick)
    return [*rows, *measured, recommendation(there, free_bytes() / 2**30, stable)]


def _row(what: str, found: object, *, fine: bool = True, fix: str = "", needed: bool = True) -> dict[str, Any]:
    return {"what": what, "found": str(found), "fine": fine, "fix": "" if fine else fix, "needed": needed}


def _software() -> Iterator[dict[str, Any]]:
    yield _row("python", sys.version.split()[0], fine=sys.version_info >= (3, 11), fix="Python 3.11 or newer")
    for package in _PACKAGES:
        try:
            yield _row(package, version(package))
        except PackageNotFoundError:
            yield _row(package, "missing", fine=False, fix="make quickstart installs the tested versions")


def _machine(there: Cores) -> Iterator[dict[str, Any]]:
    physical = "" if there.physical is None else f", {there.physical} physical"
    limit = f", its control group grants {there.limit:g}" if isfinite(there.limit) else ""
    yield _row("cores", f"{there.logical} logical{physical}; this process may use {there.allowed}{limit}")
    memory, disk = free_bytes() / 2**30, shutil.disk_usage(Path.cwd()).free / 2**30
    yield _row("memory", f"{memory:.1f} GiB free", fine=memory > _FREE_GIB, fix="fewer --workers")
    yield _row("disk", f"{disk:.1f} GiB free here", fine=disk > _FREE_GIB, fix="--root on another disk")
    yield _sockets()
    yield _row(
        "digits",
        "at hand, in scikit-learn",
        fine=find_spec("sklearn") is not None,
        fix="install scikit-learn",
    )


def _sockets() -> dict[str, Any]:
    try:
        folder = make_ray_folder()
    except InputError as error:
        fix = str(error).partition("Fix: ")[2].rstrip(".")
        return _row("Ray's folder", "no short folder that can be written to", fine=False, fix=fix)
    folder.rmdir()
    return _row("Ray's folder", f"in {folder.parent}")


def _gpus() -> Iterator[dict[str, Any]]:
    drivers = Path("/proc/driver/nvidia/gpus")
    try:
        found = gpus()
    except OSError as error:
        yield _row("GPUs", f"cannot be asked: {error}", fine=False, fix="repair the driver, or gpus: 0", needed=False)
        return
    count = len(found) or (len(list(drivers.glob("*"))) if drivers.exists() else 0)
    yield _row("GPUs", f"{count} (NVIDIA)")
    for number, gpu in enumerate(found):
        idle = gpu.busy_percent is None or gpu.busy_percent <= _BUSY_PERCENT
        yield _row(f"GPU {number}", _gpu_text(gpu), fine=idle, fix="wait: somebody uses it", needed=False)


def _gpu_text(gpu: Gpu) -> str:
    parts = [gpu.name]
    if gpu.memory_mib is not None and gpu.used_mib is not None:
        parts.append(f"{(gpu.memory_mib - gpu.used_mib) / 1024:.1f} of {gpu.memory_mib / 1024:.1f} GiB free")
    if gpu.clock_mhz is not None and gpu.max_clock_mhz is not None:
        parts.append(f"{gpu.clock_mhz:.0f} MHz now, {gpu.max_clock_mhz:.0f} at most")
    if gpu.busy_percent is not None:
        parts.append(f"{gpu.busy_percent:.0f} % busy")
    return ", ".join(parts)


def _contention(found: Mapping[str, float], there: Cores) -> dict[str, Any]:
    others = found["others_cores"]
    waits = f", waiting {100 * found['cpu_pressure']:.0f} % of the time" if "cpu_pressure" in found else ""
    return _row(
        "contention",
        f"others use {others:.2f} of {there.logical} cores now{waits}; load average {found['load_at_end']:.1f}",
        fine=others <= DISTURBING_CORES,
        fix="wait, or compare by ais_vs_sam, which is paired",
        needed=False,
    )


def _stability(*, quick: bool) -> tuple[list[dict[str, Any]], Stability | None]:
    """Return the rows of the measurements, and the measurements; None for `quick` or after a failure."""
    if quick:
        return [], None
    try:
        found = measure_stability(_SECONDS)
    except (InputError, ImportError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return [_row("AIS", f"cannot be measured: {reason}", fine=False, fix="--quick leaves it out")], None
    rows = [_row("threads", f"{found.threads}, which torch takes by default; a trial takes as many as its cpus")]
    rows += [_speed(threads, speed) for threads, speed in found.speeds.items()]
    rows.append(
        _row(
            "two trials at once",
            f"each takes {found.slowdown:.2f} times as long as one alone, with one thread each",
            fine=found.slowdown <= _SLOWDOWN,
            fix="fewer --workers: they share a core, or somebody else has one",
            needed=False,
        )
    )
    return rows, found


def _speed(threads: int, speed: Speed) -> dict[str, Any]:
    rates = ", ".join(
        f"{method.upper()} {rate:.0f} images/s (spread {speed.spread_percent[method]:.1f} %)"
        for method, rate in speed.ais.items()
    )
    ratio = f"SGD / SAM {speed.ais_vs_sam:.2f} (spread {speed.ratio_spread_percent:.1f} %)"
    return _row(
        f"AIS, {threads} thread{'s' if threads > 1 else ''}",
        f"{rates}; {ratio}",
        fine=max(speed.spread_percent.values()) <= _SPREAD_PERCENT,
        fix="compare by ais_vs_sam, which is paired",
        needed=False,
    )


def recommendation(there: Cores, free_gib: float, measured: Stability | None) -> dict[str, Any]:
    """Return the row that recommends a number of workers and of threads for each.

    Args:
        there: the processors.
        free_gib: memory that can be had.
        measured: how stable AIS is; None where it was not measured.
    """
    workers, reason = max(1, int(there.usable)), "one a core"
    if measured is not None and measured.slowdown > _SLOWDOWN and workers > 1:
        workers, reason = max(1, round(workers / measured.slowdown)), "two slow each other down"
    fitting = workers_in_memory(free_gib)
    if fitting < workers:
        workers, reason = fitting, f"{WORKER_GIB:g} GiB each"
    return _row("recommended", f"--workers {workers} ({reason}), resources: {{cpus: 1}}, one thread a trial")


def _cluster(address: str) -> Iterator[dict[str, Any]]:
    with connect(address) as resources:
        for kind in ("CPU", "GPU"):
            yield _row(f"cluster {kind}s", f"{resources.get(kind, 0):g}")
        yield _row("cluster nodes", str(sum(key.startswith("node:") and "internal" not in key for key in resources)))
