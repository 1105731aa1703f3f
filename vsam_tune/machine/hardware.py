"""Cores, memory and GPUs of this machine, within the limits of this process."""

import math
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_ROOT, _MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_CPU_INFO = Path("/proc/cpuinfo")
WORKER_GIB = 0.6  # of a worker with torch and a small network
_DRIVER_GIB = 1.0  # of the driver and Ray's own processes
_SECONDS = 10.0  # time limit of nvidia-smi; the first call wakes the driver
_QUERY = ("name", "memory.total", "memory.used", "clocks.sm", "clocks.max.sm", "utilization.gpu")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cores:
    """Numbers of processors.

    Attributes:
        logical: of the machine.
        physical: of the machine; None if unknown.
        allowed: logical processors in the affinity of this process.
        limit: processor seconds per second that its control group grants; inf for no limit.
    """

    logical: int
    physical: int | None
    allowed: int
    limit: float

    @property
    def usable(self) -> float:
        """Processors that this process and its children can keep busy, > 0."""
        return min(self.allowed, self.limit)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """A GPU as `nvidia-smi` shows it; None for a value that it does not show.

    Attributes:
        name: of the product.
        memory_mib: total memory.
        used_mib: memory in use by all processes.
        clock_mhz: current clock of its multiprocessors; low while it idles.
        max_clock_mhz: its highest setting.
        busy_percent: share of the time in which it computed.
    """

    name: str
    memory_mib: float | None
    used_mib: float | None
    clock_mhz: float | None
    max_clock_mhz: float | None
    busy_percent: float | None


def cores(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> Cores:
    """Return the numbers of processors.

    Args:
        root: mount point of the control groups.
        membership: file that lists the control groups of this process.
    """
    logical = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    limits = (_cpu_limit(folder) for folder in _groups("cpu", root, membership))
    limit = min(limits, default=math.inf)
    return Cores(logical=logical, physical=psutil.cpu_count(logical=False), allowed=allowed, limit=limit)


def free_bytes(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> float:
    """Return the available memory of the machine, or of the control group if that is less; `cores` has the Args."""
    left = (_memory_left(folder) for folder in _groups("memory", root, membership))
    return max(0.0, min(psutil.virtual_memory().available, *left, math.inf))


def workers_in_memory(free_gib: float | None = None) -> int:
    """Return how many workers fit the memory that is free, at least 1; None for that of this machine."""
    free = free_bytes() / 2**30 if free_gib is None else free_gib
    return max(1, int((free - _DRIVER_GIB) / WORKER_GIB))


def processor() -> str:
    """Return the name of the processors, or their architecture if they have no name."""
    lines = (_text(_CPU_INFO) or "").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def device() -> str:
    """Return the processors and GPUs of this machine as text. Only speeds of equal devices can be compared."""
    try:
        names = [gpu.name for gpu in gpus()]
    except OSError:  # `doctor` shows the error
        names = []
    return ", ".join([f"{os.cpu_count()} cores of {processor()}", platform.system(), *names])


def gpus() -> list[Gpu]:
    """Return the GPUs that `nvidia-smi` lists; none if it is not installed.

    Raises:
        OSError: if it cannot run, fails, or takes too long; its output is the message.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    try:
        shown = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=_SECONDS, check=False)  # noqa: S603 - literal
    except subprocess.TimeoutExpired as error:
        raise OSError(f"nvidia-smi did not answer within {_SECONDS:g} s") from error
    if shown.returncode:
        said = " ".join((shown.stderr or shown.stdout).split())
        raise OSError(said or f"nvidia-smi failed with {shown.returncode}")
    return [_gpu(line) for line in shown.stdout.splitlines() if line.strip()]


def _gpu(line: str) -> Gpu:
    name, *numbers = (field.strip() for field in line.rsplit(",", len(_QUERY) - 1))
    total, used, clock, max_clock, busy = map(_number, numbers)
    return Gpu(name=name, memory_mib=total, used_mib=used, clock_mhz=clock, max_clock_mhz=max_clock, busy_percent=busy)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # [N/A], [Not Supported]
        return None


def _groups(controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """Yield the folders of the control groups of this process, up to the root, for both versions."""
    text = _text(membership)
    for line in text.splitlines() if text else ():
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        mounted, inside = root / controller if names else root, Path(path.lstrip("/"))
        yield from (mounted / part for part in (inside, *inside.parents))


def _cpu_limit(group: Path) -> float:
    joined = _text(group / "cpu.max")  # version 2: quota and period in one file
    quota, period = joined.split() if joined else (_text(group / name) for name in _CPU_FILES)
    if quota is None or period is None or quota in ("max", "-1"):
        return math.inf
    return int(quota) / int(period)


_CPU_FILES = ("cpu.cfs_quota_us", "cpu.cfs_period_us")  # version 1
_MEMORY_FILES = (  # limit, usage, and the line of memory.stat with the reclaimable part
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def _memory_left(group: Path) -> float:
    statistics = dict(line.split() for line in (_text(group / "memory.stat") or "").splitlines())
    for limit_file, usage_file, cached in _MEMORY_FILES:
        limit, usage = _text(group / limit_file), _text(group / usage_file)
        if limit is not None and usage is not None and limit != "max":
            return int(limit) - int(usage) + int(statistics.get(cached, 0))
    return math.inf


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
