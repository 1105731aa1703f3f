"""The machine that measured, and how much of it the neighbours took meanwhile."""

import os
from typing import Any

import torch

from vsam_tune.machine.contention import Contention
from vsam_tune.machine.hardware import processor

UNDISTURBED = 0.97  # of a thread's time, above which the wall clock can be trusted


def describe(device: torch.device) -> dict[str, Any]:
    """Return the processor's name, how many there are for this process, its threads, and torch's version."""
    cuda = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "processor": cuda or processor(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def disturbance(contention: Contention) -> dict[str, float]:
    """Return what neighbours did since the counting began, and `processor_share`.

    The share is processor time over wall time and threads: 1 where nobody else wanted the processors.
    """
    found = contention.found()
    share = found["processor_seconds"] / found["seconds"] / torch.get_num_threads()
    return {**found, "processor_share": share}


def hint(session: dict[str, Any]) -> str:
    """Return a line on a session: what `disturbance` found; for one thread, also what that means for its times."""
    share, meaning = session["processor_share"], ""
    if session["threads"] == 1:  # several wait for each other
        meaning = ": quiet" if share >= UNDISTURBED else ": disturbed; measure again, or read --clock cpu"
    return (
        f"load average {session['load_at_start']:.1f} to {session['load_at_end']:.1f}, "
        f"{session['involuntary_switches_per_second']:.0f} involuntary context switches a second, "
        f"{100 * share:.0f} % of its threads' time on a processor{meaning}"
    )
