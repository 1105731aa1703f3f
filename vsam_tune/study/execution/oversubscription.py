"""Warnings before a search about disturbed AIS: too many trials for the cores, or other processes on them."""

import math

from vsam_tune.errors import problem
from vsam_tune.machine.contention import contention_within
from vsam_tune.machine.hardware import cores
from vsam_tune.study.file.sections import Resources

DISTURBING_CORES = 0.5  # choice: half a core of others, on average, is a neighbour that computes
_SECONDS = 0.3  # of looking at the machine; it counts in ticks of 10 ms


def oversubscription_warnings(resources: Resources, *, workers: int | None, address: str | None) -> list[str]:
    """Return a line for trials that have to share cores, and one for others that use them now.

    Args:
        resources: of one trial.
        workers: trials at a time; None for as many as fit.
        address: of a Ray cluster. Ray gives away no more cores than a cluster has, and its nodes cannot be looked at
            from here: then only parts of a core are warned of.
    """
    if address is not None:
        lines = [shared_cores(resources)]
    else:
        others = contention_within(_SECONDS)["others_cores"]
        lines = [oversubscription(resources, workers, usable=cores().usable), neighbours(others)]
    return [line for line in lines if line]


def shared_cores(resources: Resources) -> str:
    """Return a line where a trial gets a part of a core; else nothing."""
    if resources.cpus >= 1:
        return ""
    rule = "several trials on one core disturb each other's AIS"
    return problem("search", "resources.cpus", resources.cpus, rule, "write 1")


def oversubscription(resources: Resources, workers: int | None, *, usable: float, offered: int | None = None) -> str:
    """Return a line if the trials at a time need more cores than there are; else nothing.

    A trial runs as many threads as it has whole `cpus`, one at least: with less than one CPU each, trials share a core.

    Args:
        resources: of one trial.
        workers: trials at a time; None for as many as Ray fits.
        usable: cores that the search can keep busy.
        offered: processors that Ray gives away; None for those that are usable, as without `--workers`.
    """
    offered = max(1, math.floor(usable)) if offered is None else offered
    if workers is None:  # a device limits the trials that need one
        workers = 1 if resources.gpus else int(max(offered, math.ceil(resources.cpus)) / resources.cpus)
    each = max(1.0, resources.cpus)
    if workers * each <= usable:
        return ""
    rule = f"x {each:g} cores a trial, and {usable:g} are there: trials disturb each other's AIS"
    fitting = max(1, int(usable / each))
    fix = f"--workers {fitting}" if fitting < workers else f"resources: {{cpus: {max(1, int(usable))}}}"
    return problem("search", "workers", workers, rule, fix)


def neighbours(others_cores: float) -> str:
    """Return a line where others keep too many cores busy; else nothing."""
    if others_cores <= DISTURBING_CORES:
        return ""
    rule = f"others use {others_cores:.1f} cores now: AIS will be disturbed"
    return problem("search", "", None, rule, "wait, or compare by ais_vs_sam, which is paired")
