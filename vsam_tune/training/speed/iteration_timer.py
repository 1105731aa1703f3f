"""IterationTimer: how long each iteration took and what it did, without waiting for the device."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import torch

Clock = Literal["wall", "cpu"]

_FINE_SECONDS = 1e-4  # of a processor's time; iterations take a millisecond and more


class Kind(NamedTuple):
    """What an iteration did, by the counters of its optimizer: iterations of one kind cost the same.

    Attributes:
        evaluations: gradient evaluations, in batches.
        forward_passes: forward passes without a backward, in batches.
        penalized: whether a loss term added to the loss.
    """

    evaluations: float
    forward_passes: float
    penalized: bool


class Seconds(NamedTuple):
    """A duration.

    Attributes:
        wall: by the wall clock.
        cpu: processor time; NaN on a GPU. See `Stopwatch`.
    """

    wall: float
    cpu: float


UNTIMED = Seconds(float("nan"), float("nan"))


class IterationTime(NamedTuple):
    """One iteration over a whole batch.

    Attributes:
        kind: what it did.
        seconds: from the end of the iteration before.
        second: the part of them that the second pass took; `UNTIMED` where it was not timed separately.
    """

    kind: Kind
    seconds: Seconds
    second: Seconds = UNTIMED


@dataclass(frozen=True, slots=True)
class Block:
    """A block of SAM's steps, and the trial's iterations around it.

    Attributes:
        sam: SAM's steps.
        trial: the trial's iterations, nearest before and after.
    """

    sam: tuple[IterationTime, ...]
    trial: tuple[IterationTime, ...]


@cache
def thread_time_is_fine() -> bool:
    """Return whether a thread's processor time moves in far smaller steps than an iteration; in some sandboxes not."""
    steps = []
    for _ in range(3):  # the smallest: another process may have had the processor in between
        start = now = time.thread_time()
        while now == start:
            now = time.thread_time()
        steps.append(now - start)
    return min(steps) < _FINE_SECONDS


class Stopwatch:
    """Takes marks in the order of the device's work; the time between two is read when the device has done the work.

    On a GPU a mark is an event of its stream, and nothing waits for it. Where torch works in the calling thread alone,
    processor time is that thread's, so that other threads of the process, such as Ray's, are not counted.

    Args:
        device: that works.

    Attributes:
        clock: which seconds say how much an iteration costs. With one thread it is processor time, which stops while
            another process has the processor. Several threads wait for each other in processor time. So with several
            threads, on a GPU, and where a thread's processor time moves in large steps, it is the wall clock.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        in_thread = device.type == "cpu" and torch.get_num_threads() == 1 and thread_time_is_fine()
        self._processor_time = time.thread_time if in_thread else time.process_time
        self.clock: Clock = "cpu" if in_thread else "wall"

    def mark(self) -> Any:  # noqa: ANN401 - an event of torch's, or times
        """Return a mark of now."""
        if not self._on_gpu:
            return time.perf_counter(), self._processor_time()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call] # torch leaves it untyped
        event.record()
        return event

    def between(self, start: Any, end: Any) -> Seconds:  # noqa: ANN401 - as `mark` returned them
        """Return the seconds between two marks, on a GPU after a synchronisation."""
        if self._on_gpu:
            return Seconds(start.elapsed_time(end) / 1000, float("nan"))
        return Seconds(end[0] - start[0], end[1] - start[1])


@dataclass(slots=True)
class _Ended:
    """The end of an iteration, or with `kind` None the start of several."""

    mark: Any
    kind: Kind | None
    second: Any = None


class IterationTimer:
    """Times the iterations since the last `take`, and counts all of them.

    Args:
        device: that trains.

    Attributes:
        counts: iterations by kind, those of smaller batches included.
        clock: which seconds say how much an iteration costs, see `Stopwatch`.
    """

    def __init__(self, device: torch.device) -> None:
        self.counts: Counter[Kind] = Counter()
        self._stopwatch = Stopwatch(device)
        self.clock = self._stopwatch.clock
        self._ended: list[_Ended] = []
        self._second: Any = None
        self._passes = 0.0, 0.0

    def start(self, evaluations: float, forward_passes: float) -> None:
        """Note that iterations begin, or continue after something else.

        Args:
            evaluations: the optimizer's gradient evaluations so far, in batches.
            forward_passes: forward passes without a backward so far, in batches.
        """
        self._passes = evaluations, forward_passes
        self._ended.append(_Ended(self._stopwatch.mark(), None))

    def record(self, evaluations: float, forward_passes: float, *, penalized: bool, whole: bool) -> None:
        """Note the end of an iteration.

        Args:
            evaluations: see `start`.
            forward_passes: see `start`.
            penalized: whether a loss term added to the loss.
            whole: False for a smaller batch, which is counted and not timed.
        """
        before = self._passes
        self._passes = evaluations, forward_passes
        kind = Kind(round(evaluations - before[0], 6), round(forward_passes - before[1], 6), penalized)
        self.counts[kind] += 1
        self._ended.append(_Ended(self._stopwatch.mark(), kind if whole else None, self._second))
        self._second = None

    def begin_second(self) -> Any:  # noqa: ANN401 - a mark
        """Return a mark of the beginning of an iteration's second pass, for `end_second`."""
        return self._stopwatch.mark()

    def end_second(self, begun: Any) -> None:  # noqa: ANN401 - a mark
        """Note the end of the second pass of the current iteration."""
        self._second = (begun, self._stopwatch.mark())

    def take(self) -> list[IterationTime]:
        """Return the iterations since the last call, oldest first; the device has done them all."""
        times = []
        for before, ended in zip(self._ended, self._ended[1:], strict=False):
            if ended.kind is None:
                continue
            second = UNTIMED if ended.second is None else self._stopwatch.between(*ended.second)
            times.append(IterationTime(ended.kind, self._stopwatch.between(before.mark, ended.mark), second))
        del self._ended[:-1]
        return times

    def resume(self, counts: Mapping[Kind, int]) -> None:
        """Continue from the counts of a trial that was interrupted; times that were not taken are lost."""
        self.counts = Counter(counts)
        self._ended.clear()
