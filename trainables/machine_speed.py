"""The speed of training on a machine, and how stable it is: interleaved bursts of SGD and SAM iterations on digits.

`vsam-tune doctor` runs it in a process of its own, so that the driver never loads torch.
"""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vsam_tune.data.load import load_task
from vsam_tune.data.loader import ResidentLoader
from vsam_tune.machine.child_process import end_with_parent
from vsam_tune.models.build import build_model
from vsam_tune.training.build import build_optimizer
from vsam_tune.training.closures import Closures

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

METHODS = ("sgd", "sam")
BURST_SECONDS = 0.08  # of SGD; SAM takes as many iterations
_BATCH_SIZE, _WARMUP = 64, 20
_ANSWER_SECONDS = 60.0  # that the other process may take to start


class Bursts:
    """Iterations of the cnn on digits under one method, as a trial takes them.

    Args:
        method: key of METHODS.
    """

    def __init__(self, method: str) -> None:
        data = load_task("digits")
        model = build_model("cnn", in_channels=1, image_size=8, num_classes=data.num_classes, seed=0)
        model.to(memory_format=torch.channels_last)
        loader = ResidentLoader(data.train, mean=data.mean, std=data.std, batch_size=_BATCH_SIZE)
        self._optimizer, _ = build_optimizer(
            model,
            base={"optimizer": "torch.optim:SGD", "lr": 0.01, "momentum": 0.9},
            method={"name": method},
            iterations_per_epoch=len(loader),
            epochs=1,
            num_images=loader.num_images,
            num_classes=data.num_classes,
            seed=0,
        )
        self._closures = Closures(model, self._optimizer)
        self._batches = chain.from_iterable(map(loader.batches, count()))

    def take(self, iterations: int) -> float:
        """Take some iterations; return their images a second."""
        start, images = time.perf_counter(), 0
        for _ in range(iterations):
            batch = next(self._batches)
            self._optimizer.step(self._closures.closure(batch, epoch=0))
            images += len(batch.y)
        return images / (time.perf_counter() - start)


def measure(seconds: float) -> dict[str, Any]:
    """Measure for about so many seconds, after the start.

    Args:
        seconds: of the bursts of one process; half as many more are measured with two processes at once.

    Returns:
        `threads`, torch's default; `bursts`, images a second by number of threads and method, one each round; `alone`
        and `beside`, images a second of SGD with one thread, alternately without and with a second such process.
    """
    threads = torch.get_num_threads()
    entrants = {method: Bursts(method) for method in METHODS}
    bursts = _rounds(entrants, sorted({1, threads}), seconds)
    torch.set_num_threads(1)
    alone, beside = _side_by_side(entrants["sgd"], seconds / 2)
    torch.set_num_threads(threads)
    return {"threads": threads, "bursts": bursts, "alone": alone, "beside": beside}


def _rounds(entrants: dict[str, Bursts], threads: list[int], seconds: float) -> dict[int, dict[str, list[float]]]:
    iterations = {number: _iterations(entrants, number) for number in threads}
    taken: dict[int, dict[str, list[float]]] = {number: {method: [] for method in METHODS} for number in threads}
    order, end = np.random.default_rng(0), time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[1]["sgd"]) < 3:
        for number in order.permutation(threads).tolist():
            torch.set_num_threads(number)
            entrants["sgd"].take(1)  # the threads wake up
            for method in order.permutation(METHODS).tolist():
                taken[number][method].append(entrants[method].take(iterations[number]))
    return taken


def _iterations(entrants: dict[str, Bursts], threads: int) -> int:
    """Return how many iterations of SGD take `BURST_SECONDS`, after a warm-up."""
    torch.set_num_threads(threads)
    for entrant in entrants.values():
        entrant.take(_WARMUP)
    return max(1, round(entrants["sgd"].take(_WARMUP) / _BATCH_SIZE * BURST_SECONDS))


def _side_by_side(entrant: Bursts, seconds: float) -> tuple[list[float], list[float]]:
    """Return SGD's images a second alone and with a second process, alternately; one pair each round.

    Raises:
        RuntimeError: if that process does not start or answer.
    """
    iterations = _iterations({"sgd": entrant}, 1)
    alone: list[float] = []
    beside: list[float] = []
    with _neighbour(_ANSWER_SECONDS + 2 * seconds) as (go, running):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(alone) < 3:
            alone.append(entrant.take(iterations))
            go.set()
            if not running.wait(_ANSWER_SECONDS):
                raise RuntimeError("the second process does not answer")
            beside.append(entrant.take(iterations))
            go.clear()
            while running.is_set() and time.perf_counter() < end + _ANSWER_SECONDS:
                time.sleep(0.001)
    return alone, beside


@contextmanager
def _neighbour(lifetime: float) -> Iterator[tuple["Event", "Event"]]:
    """Start a process that trains while `go` is set; it ends with the block.

    Yields:
        `go`, and `running`, which is set while it trains.

    Raises:
        RuntimeError: if it does not start.
    """
    context = multiprocessing.get_context("spawn")
    go, running, ready = context.Event(), context.Event(), context.Event()
    process = context.Process(target=_train_while, args=(go, running, ready, lifetime), daemon=True)
    process.start()
    try:
        if not ready.wait(_ANSWER_SECONDS):
            raise RuntimeError("a second process does not start")
        yield go, running
    finally:
        process.kill()
        process.join()


def _train_while(go: "Event", running: "Event", ready: "Event", lifetime: float) -> None:
    """Train with one thread while `go` is set; end with the parent, or after `lifetime` seconds at the latest."""
    end_with_parent()
    torch.set_num_threads(1)
    entrant, end = Bursts("sgd"), time.monotonic() + lifetime
    entrant.take(_WARMUP)
    ready.set()
    while time.monotonic() < end:
        if go.wait(0.01):
            running.set()
            entrant.take(1)
        else:
            running.clear()
