"""The machine of a measurement, and the disturbance by other processes."""

import os
from typing import Any

import torch

from vsam_tune.machine.contention import Contention
from vsam_tune.machine.hardware import processor

UNDISTURBED = 0.97  # share of a thread's time; above it the wall clock is reliable


def describe(device: torch.device) -> dict[str, Any]:
    """Return the processor's name, the number of usable processors, of threads, and torch's version."""
    cuda = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "processor": cuda or processor(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def on_one_thread(threads: str = "one thread") -> str:
    """Return a line about the processor of a measurement whose runs have one thread each."""
    about = describe(torch.device("cpu"))
    return f"{about['processor']}, {about['processors']} processors, {threads}, torch {about['torch']}"


def disturbance(contention: Contention) -> dict[str, float]:
    """Return the contention so far, and `processor_share`: processor time over wall time and threads, at best 1."""
    found = contention.found()
    share = found["processor_seconds"] / found["seconds"] / torch.get_num_threads()
    return {**found, "processor_share": share}


def hint(session: dict[str, Any]) -> str:
    """Return a line about the disturbance in a session; for one thread, with the consequence for its times."""
    share, meaning = session["processor_share"], ""
    if session["threads"] == 1:  # several threads wait for each other
        meaning = ": quiet" if share >= UNDISTURBED else ": disturbed; measure again, or read --clock cpu"
    return (
        f"load average {session['load_at_start']:.1f} to {session['load_at_end']:.1f}, "
        f"{session['involuntary_switches_per_second']:.0f} involuntary context switches a second, "
        f"{100 * share:.0f} % of its threads' time on a processor{meaning}"
    )
