"""What this machine, or a cluster, can do for a study."""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from vsam_tune.study.engine import connect

_PACKAGES = ("torch", "torchvision", "ray", "optuna", "mlflow", "pandas")
_FREE_GIB = 2.0  # of disk and of memory, below which a search is likely to fail


def examine(address: str | None) -> list[dict[str, Any]]:
    """Return what was looked at: `what`, `found`, `fine`, and `cure` where it is not.

    Args:
        address: of a Ray cluster to connect to; None for this machine alone, where no Ray is started.

    Raises:
        InputError: if no cluster answers at the address.
    """
    return [*_software(), *_machine(), *(_cluster(address) if address else ())]


def _row(what: str, found: object, *, fine: bool = True, cure: str = "") -> dict[str, Any]:
    return {"what": what, "found": str(found), "fine": fine, "cure": "" if fine else cure}


def _software() -> Iterator[dict[str, Any]]:
    yield _row("python", sys.version.split()[0], fine=sys.version_info >= (3, 11), cure="Python 3.11 or newer")
    for package in _PACKAGES:
        try:
            yield _row(package, version(package))
        except PackageNotFoundError:
            yield _row(package, "missing", fine=False, cure="make quickstart installs the tested versions")


def _machine() -> Iterator[dict[str, Any]]:
    yield _row("processors", f"{os.cpu_count()}")
    memory, disk = psutil.virtual_memory().available / 2**30, shutil.disk_usage(Path.cwd()).free / 2**30
    yield _row("memory", f"{memory:.1f} GiB free", fine=memory > _FREE_GIB, cure="fewer --workers")
    yield _row("disk", f"{disk:.1f} GiB free here", fine=disk > _FREE_GIB, cure="--root on another disk")
    gpus = len(list(Path("/proc/driver/nvidia/gpus").glob("*"))) if Path("/proc/driver/nvidia/gpus").exists() else 0
    yield _row("GPUs", f"{gpus} (NVIDIA)")
    yield _row(
        "digits",
        "at hand, in scikit-learn",
        fine=find_spec("sklearn") is not None,
        cure="install scikit-learn",
    )


def _cluster(address: str) -> Iterator[dict[str, Any]]:
    with connect(address) as resources:
        for kind in ("CPU", "GPU"):
            yield _row(f"cluster {kind}s", f"{resources.get(kind, 0):g}")
        yield _row("cluster nodes", str(sum(key.startswith("node:") and "internal" not in key for key in resources)))
