"""Interleaved rounds: each contender takes one iteration of the same batch, in random order.

Neighbours on a shared machine, its clock rate and its heat hit all contenders alike, within seconds of each other.
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
        sampled: whether it is one of those with a second gradient.
        evaluations: gradient evaluations, as counted by the optimizer, or by the calls of the loss.
    """

    sampled: bool
    evaluations: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Entrant:
    """A contender with a model of its own.

    Attributes:
        take: takes one iteration.
        memory_format: that the images are laid out in before the clock starts.
    """

    take: Callable[[Batch], Taken]
    memory_format: torch.memory_format = torch.channels_last


@dataclass(frozen=True, kw_only=True, slots=True)
class Timed:
    """An iteration, timed.

    Attributes:
        wall_seconds: on the clock.
        cpu_seconds: of all threads of this process.
        sampled: see `Taken`.
        evaluations: see `Taken`.
    """

    wall_seconds: float
    cpu_seconds: float
    sampled: bool
    evaluations: float


def random_batches(batch_size: int, *, device: torch.device, seed: int) -> Iterator[Batch]:
    """Yield batches of noise in CIFAR's shape without end; new ones each time, since old ones would be learnt."""
    generator = torch.Generator(device).manual_seed(seed)
    index = torch.arange(batch_size, device=device)
    while True:
        x = torch.randn(batch_size, 3, 32, 32, device=device, generator=generator)
        y = torch.randint(10, (batch_size,), device=device, generator=generator)
        yield Batch(x, y, index)


def warm_up(entrants: Mapping[str, Entrant], batches: Iterator[Batch], *, iterations: int) -> dict[str, float]:
    """Let each entrant take iterations that do not count: buffers are made in them, kernels chosen or compiled.

    Returns:
        The seconds that each took for its first one.
    """
    first: dict[str, float] = {}
    for batch in islice(batches, iterations):
        for key, entrant in entrants.items():
            first.setdefault(key, timed(entrant, batch).wall_seconds)
    return first


def timed_rounds(
    entrants: Mapping[str, Entrant], batches: Iterator[Batch], *, order: np.random.Generator
) -> Iterator[dict[str, Timed]]:
    """Yield as many rounds as there are batches: the iteration of each entrant, in the order of execution."""
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
