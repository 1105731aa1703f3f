"""The peak of allocated memory in the construction and some iterations of an optimizer."""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile


def peak_bytes(run: Callable[[], None], device: torch.device) -> int:
    """Return the largest increase of the bytes in tensors during a call of `run`.

    On CUDA the allocator counts them. On a CPU, torch's profiler reports each allocation and release, but not the
    internal memory of libraries. The result is exactly repeatable, unlike the memory of a process.
    """
    gc.collect()  # later releases would be confused with those of `run`
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
    results: Any = recorded.profiler.kineto_results  # type: ignore[union-attr] # the profiler has run
    events = [event for event in results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Discard stderr: the profiler writes notices there from outside of Python."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
