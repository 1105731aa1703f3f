"""The peak of what is allocated while an optimizer is made and takes some iterations."""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile


def peak_bytes(run: Callable[[], None], device: torch.device) -> int:
    """Return how far the bytes in tensors rise above what they were, while something runs.

    On CUDA the allocator counts them. For a CPU, torch's profiler reports each allocation and release; what libraries
    keep for themselves is not in it. It repeats to the byte, unlike the memory of a process.

    Args:
        run: allocates.
        device: whose memory is counted.
    """
    gc.collect()  # what is released later would not be told from what was allocated meanwhile
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    recorded = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
    with _silent_stderr():
        recorded.start()
    try:
        run()
    finally:
        with _silent_stderr():
            recorded.stop()
    results: Any = recorded.profiler.kineto_results  # type: ignore[union-attr] # it has run
    events = [event for event in results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what is written to stderr: the profiler's own notices, which no Python stream can catch."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
