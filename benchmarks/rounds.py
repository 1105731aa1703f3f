"""Interleaved rounds: each contender takes one iteration on the same batch, in random order.

So other processes, the clock rate and the heat of the machine affect all contenders alike, within seconds.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from vsam_tune.data.loader import Batch


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """An iteration that a contender took.

    Attributes:
        sampled: whether it took a second gradient.
        evaluations: gradient evaluations, counted by the optimizer or by the calls of the loss.
    """

    sampled: bool
    evaluations: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Entrant:
    """A contender with its model.

    Attributes:
        take: takes one iteration.
        memory_format: of the images, set before the clock starts.
    """

    take: Callable[[Batch], Taken]
    memory_format: torch.memory_format = torch.channels_last


@dataclass(frozen=True, kw_only=True, slots=True)
class Timed:
    """An iteration with its times.

    Attributes:
        wall_seconds: elapsed time.
        cpu_seconds: processor time of all threads of this process.
        sampled: see `Taken`.
        evaluations: see `Taken`.
    """

    wall_seconds: float
    cpu_seconds: float
    sampled: bool
    evaluations: float


def lap(take: Callable[[Batch], Taken], iterations: int) -> Callable[[Batch], Taken]:
    """Return the function that takes several iterations on one batch; nothing waits for the device between them.

    Args:
        take: takes one iteration.
        iterations: of a lap.

    Returns:
        The function. Its `evaluations` are the mean of an iteration, and `sampled` says whether all were.
    """

    def taken(batch: Batch) -> Taken:
        found = [take(batch) for _ in range(iterations)]
        evaluations = sum(each.evaluations for each in found) / iterations
        return Taken(sampled=all(each.sampled for each in found), evaluations=evaluations)

    return taken


def random_batches(batch_size: int, *, device: torch.device, seed: int) -> Iterator[Batch]:
    """Yield batches of noise in CIFAR's shape without end; always new ones, since repeated ones would be learnt."""
    generator = torch.Generator(device).manual_seed(seed)
    index = torch.arange(batch_size, device=device)
    while True:
        x = torch.randn(batch_size, 3, 32, 32, device=device, generator=generator)
        y = torch.randint(10, (batch_size,), device=device, generator=generator)
        yield Batch(x, y, index)


def warm_up(entrants: Mapping[str, Entrant], batches: Iterator[Batch], *, iterations: int) -> dict[str, float]:
    """Let each entrant take uncounted iterations, which allocate buffers and choose or compile kernels.

    Returns:
        The seconds of the first iteration of each.
    """
    first: dict[str, float] = {}
    for batch in islice(batches, iterations):
        for key, entrant in entrants.items():
            first.setdefault(key, timed(entrant, batch).wall_seconds)
    return first


def timed_rounds(
    entrants: Mapping[str, Entrant], batches: Iterator[Batch], *, order: np.random.Generator
) -> Iterator[dict[str, Timed]]:
    """Yield a round for each batch: the iteration of each entrant, in the order of execution."""
    keys = list(entrants)
    for batch in batches:
        yield {keys[i]: timed(entrants[keys[i]], batch) for i in order.permutation(len(keys))}


def timed(entrant: Entrant, batch: Batch) -> Timed:
    """Take one iteration and time it."""
    batch = batch._replace(x=batch.x.contiguous(memory_format=entrant.memory_format))
    _wait(batch)
    wall, cpu = time.perf_counter(), time.process_time()
    taken = entrant.take(batch)
    _wait(batch)
    return Timed(
        wall_seconds=time.perf_counter() - wall,
        cpu_seconds=time.process_time() - cpu,
        sampled=taken.sampled,
        evaluations=taken.evaluations,
    )


def _wait(batch: Batch) -> None:
    if batch.x.is_cuda:
        torch.cuda.synchronize(batch.x.device)
