"""Contention: how many processors other processes use meanwhile, and how much that disturbs this one."""

import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

ALONE_CORES = 0.1  # choice: the system's own housekeeping takes less, one busy neighbour takes more
_IDLE = ("idle", "iowait")
_COUNTED_TWICE = ("guest", "guest_nice")  # Linux counts them in user and nice as well
_PRESSURE = Path("/proc/pressure/cpu")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Counters of the machine and of this process at one time; none decreases.

    Attributes:
        wall_seconds: of a monotonic clock.
        busy_seconds: busy time of all processors, including the time that a hypervisor gave to another machine.
        own_seconds: processor time of this process.
        family_seconds: processor time of this process and all its descendants, including those that have ended.
        switches: involuntary context switches of this process.
        waiting_seconds: time in which some process waited for a processor; None if the kernel does not count it.
    """

    wall_seconds: float
    busy_seconds: float
    own_seconds: float
    family_seconds: float
    switches: int
    waiting_seconds: float | None

    @classmethod
    def now(cls) -> "Reading":
        """Read the counters, which takes a millisecond, or more with hundreds of processes."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = usage.ru_utime + usage.ru_stime
        return cls(
            wall_seconds=time.perf_counter(),
            busy_seconds=_busy_seconds(),
            own_seconds=own,
            family_seconds=own + ended.ru_utime + ended.ru_stime + sum(_seconds_of_children()),
            switches=usage.ru_nivcsw,
            waiting_seconds=_waiting_seconds(),
        )


def between(start: Reading, end: Reading) -> dict[str, float]:
    """Return the contention between two readings.

    Returns:
        `involuntary_switches_per_second` and `processor_seconds` of this process; `others_cores`, the mean number of
        processors that other processes used; `alone`, whether that is below `ALONE_CORES`; `cpu_pressure`, the share of
        the time in which some process (maybe this one) waited for a processor, absent if the kernel does not count it.
    """
    seconds = end.wall_seconds - start.wall_seconds
    family = end.family_seconds - start.family_seconds
    # The machine counts in ticks of 10 ms, so the difference can be slightly negative.
    others = max(0.0, (end.busy_seconds - start.busy_seconds - family) / seconds)
    found = {
        "involuntary_switches_per_second": (end.switches - start.switches) / seconds,
        "processor_seconds": end.own_seconds - start.own_seconds,
        "others_cores": others,
        "alone": others < ALONE_CORES,
    }
    if start.waiting_seconds is not None and end.waiting_seconds is not None:
        found["cpu_pressure"] = (end.waiting_seconds - start.waiting_seconds) / seconds
    return found


class Contention:
    """Measures contention from its construction on."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._start = Reading.now()

    def found(self) -> dict[str, float]:
        """Return `between` from the construction to now, with `load_at_start`, `load_at_end` and `seconds`."""
        now = Reading.now()
        loads = {"load_at_start": self._load, "load_at_end": os.getloadavg()[0]}
        return {**loads, **between(self._start, now), "seconds": now.wall_seconds - self._start.wall_seconds}


def contention_within(seconds: float) -> dict[str, float]:
    """Return the contention while this process sleeps for some seconds."""
    contention = Contention()
    time.sleep(seconds)
    return contention.found()


def _busy_seconds() -> float:
    times = psutil.cpu_times()._asdict()
    return float(sum(seconds for kind, seconds in times.items() if kind not in (*_IDLE, *_COUNTED_TWICE)))


def _seconds_of_children() -> Iterator[float]:
    for child in psutil.Process().children(recursive=True):
        try:
            yield sum(child.cpu_times()[:4])  # user, system, and both of its children that have ended
        except psutil.Error:  # ended meanwhile
            continue


def _waiting_seconds() -> float | None:
    try:
        some = _PRESSURE.read_text(encoding="ascii").splitlines()[0]
    except (OSError, IndexError):  # not Linux, or a kernel that does not count it
        return None
    return int(some.rpartition("total=")[2]) / 1e6
