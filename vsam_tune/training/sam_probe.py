"""The SAM probe: short blocks of SAM's steps inside a trial, on its own model and data, which leave no trace.

A trial's AIS (average images per second) changes with the load on its machine. SAM's AIS changes as much, when both are
measured in the same minutes by the same worker.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.data.loader import Batch
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.perturbation import copies, copy_
from vsam_tune.optimizers.sam import SAM
from vsam_tune.optimizers.second_pass import RandomState
from vsam_tune.optimizers.sharpness_aware import Closure
from vsam_tune.training.iterations import IterationLoop
from vsam_tune.training.speed.ais_vs_sam import FEWEST_BLOCKS, AISvsSAM, ais_vs_sam
from vsam_tune.training.speed.iteration_timer import Block, IterationTime, IterationTimer, Kind, Seconds
from vsam_tune.training.trajectory import Trajectory

SHARE = 0.03  # of the seconds of a trial of a minute and more, that the probe may take
MINUTE = 60.0
FEWEST_STEPS = 60  # of a shorter trial
LEAST_STEPS = FEWEST_BLOCKS + 2  # of any trial, whatever they cost: with fewer blocks it would have no speed at all
MOST_STEPS = 240
WINDOW = 16  # iterations of the trial before a block, and after it, that SAM's are compared with


class TimedSAM(SAM):
    """SAM that also times its second pass, with everything that SGD does not do.

    Args:
        base: see `SAM`.
        timer: of SAM's iterations.
        rho: see `SAM`.
        model: see `SAM`.
    """

    def __init__(self, base: Optimizer, *, timer: IterationTimer, rho: float, model: nn.Module) -> None:
        super().__init__(base, rho=rho, model=model)
        self._timer = timer

    @override
    def _descend(self, closure: Closure) -> Observation:
        begun = self._timer.begin_second()
        observation = super()._descend(closure)
        self._timer.end_second(begun)
        return observation


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Leave parameters, buffers, gradients and torch's random state as they are, whatever the block does."""
    tensors = [*model.parameters(), *model.buffers()]
    gradients = [parameter.grad for parameter in model.parameters()]
    random = RandomState.now({tensor.device for tensor in tensors})
    with torch.no_grad():
        kept = copies(tensors)
    try:
        yield
    finally:
        with torch.no_grad():
            copy_(tensors, kept)
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = gradient
        random.restore()


class SamProbe:
    """Decides where the blocks of a trial are and how long they are, takes them, and keeps their times.

    There is one block after a random iteration of each of up to 120 strata of the run, so that blocks do not keep step
    with evaluation or sampling.

    Args:
        sam: the loop that takes SAM's steps, with `TimedSAM`, on the trial's model.
        timer: of SAM's iterations: the timer of `sam` and of its optimizer.
        num_iterations: of the trial.
        seed: of the positions.
        share: of the trial's seconds that blocks may take, once the trial takes a minute and more.

    Attributes:
        trial_timer: of the trial's iterations.
        blocks: taken so far.
        steps: steps of SAM in them.
        seconds: that they took, saving and restoring included.
    """

    def __init__(
        self, sam: IterationLoop, timer: IterationTimer, *, num_iterations: int, seed: int, share: float = SHARE
    ) -> None:
        self._sam, self._sam_timer, self._num_iterations, self._share = sam, timer, num_iterations, share
        strata = min(num_iterations, max(30, min(num_iterations // 16, 120)))
        within = np.random.default_rng(seed).random(strata)
        ends = np.arange(strata + 1) * num_iterations // strata
        self._positions = (ends[:-1] + 1 + (within * np.diff(ends)).astype(int)).tolist()
        self._batches: Iterator[Batch] = iter(())
        self._epoch = 0
        self._carried = 0.0  # part of a step that one block leaves to the next
        self._since_block: list[IterationTime] = []  # of the trial
        self._no_memory = False  # for a block, at some time
        self._compared: tuple[tuple[int, int], AISvsSAM] | None = None  # after so many iterations and blocks
        self.trial_timer = IterationTimer(sam.loader.device)
        self.blocks: list[Block] = []
        self.steps = 0
        self.seconds = 0.0

    def next_position(self, iteration: int) -> int | None:
        """Return after how many iterations the next block is due; None where none is left."""
        return next((position for position in self._positions if position > iteration), None)

    def follow(self, iteration: int, seconds: float) -> None:
        """Take a block if one is due.

        Args:
            iteration: iterations of the trial that are done.
            seconds: that its iterations took.
        """
        self.take_block(self._num_steps(iteration, seconds) if iteration in self._positions else 0)

    def take_block(self, steps: int) -> None:
        """Take a block of steps of SAM at this point; none for 0 steps, or once the device had no memory."""
        self._since_block += self.trial_timer.take()
        if steps == 0 or self._no_memory:
            return
        try:
            times = self._sam_steps(steps)
        except (
            torch.OutOfMemoryError
        ):  # the trial may fit: it needs neither a copy of its weights nor a second momentum
            self._no_memory = True
            return
        after = self._after()
        if self.blocks:
            self.blocks[-1] = replace(self.blocks[-1], trial=self.blocks[-1].trial + after)
        before = self._since_block[max(len(after), len(self._since_block) - WINDOW) :]
        self.blocks.append(Block(times, tuple(before)))
        self._since_block = []

    def complete_blocks(self) -> list[Block]:
        """Return the blocks so far, the last one with the trial's iterations that have followed it until now."""
        if not self.blocks:
            return []
        *former, last = self.blocks
        return [*former, replace(last, trial=last.trial + self._after())]

    def comparison(self) -> AISvsSAM:
        """Return the trial's speed over SAM's, by the blocks so far."""
        now = self.trial_timer.counts.total(), len(self.blocks)
        if self._compared is None or self._compared[0] != now:
            compared = ais_vs_sam(self.complete_blocks(), self.trial_timer.counts, self.trial_timer.clock)
            if compared.unreliable_reason and self._no_memory:
                reason = f"{compared.unreliable_reason}; the device has no memory for more"
                compared = replace(compared, unreliable_reason=reason)
            self._compared = now, compared
        return self._compared[1]

    def _after(self) -> tuple[IterationTime, ...]:
        """Return the trial's iterations that belong to the last block."""
        times = self._since_block
        return tuple(times[: min(WINDOW, (len(times) + 1) // 2)]) if self.blocks else ()

    def _num_steps(self, iteration: int, seconds: float) -> int:
        """Return the length of the block that is due."""
        blocks_left = sum(position >= iteration for position in self._positions)
        expected = seconds / iteration * self._num_iterations
        if expected < MINUTE:
            left = float(FEWEST_STEPS - self.steps)
        else:
            step = (
                self.seconds / self.steps if self.steps else 2.2 * seconds / iteration
            )  # at most: if the trial is SGD
            allowed = (self._share * expected - self.seconds) / step
            left = min(max(allowed, LEAST_STEPS - self.steps), MOST_STEPS - self.steps)
        wanted = max(left, 0.0) / blocks_left + self._carried
        self._carried = wanted % 1
        return min(int(wanted), int(max(left, 0.0)))

    def _sam_steps(self, steps: int) -> tuple[IterationTime, ...]:
        """Take steps of SAM; return their times."""
        sam, start = self._sam, time.perf_counter()
        with undisturbed(sam.model):
            sam.iterate(self._whole_batches(), sam.iteration + steps)
            sam.ais.synchronize()
        sam.trajectory = Trajectory()
        self.steps += steps
        self.seconds += time.perf_counter() - start
        return tuple(self._sam_timer.take())

    def _whole_batches(self) -> Iterator[Batch]:
        """Yield whole batches without end; an epoch continues from block to block."""
        loader = self._sam.loader
        while True:
            for batch in self._batches:
                if len(batch.y) == loader.whole_batch:
                    yield batch
            self._batches = loader.batches(self._epoch)
            self._epoch += 1

    def state_dict(self) -> dict[str, Any]:
        """Return all measurements, for a trial that continues in another process."""
        return {
            "blocks": [(tuple(map(_plain, block.sam)), tuple(map(_plain, block.trial))) for block in self.blocks],
            "behind": [_plain(each) for each in self._since_block],
            "counts": [(tuple(kind), count) for kind, count in self.trial_timer.counts.items()],
            "carried": self._carried,
            "steps": self.steps,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.blocks = [Block(tuple(map(_time_of, sam)), tuple(map(_time_of, trial))) for sam, trial in state["blocks"]]
        self._since_block = [_time_of(each) for each in state["behind"]]
        self._compared = None
        self.trial_timer.resume({Kind(*kind): count for kind, count in state["counts"]})
        self._carried, self.steps, self.seconds = state["carried"], state["steps"], state["seconds"]


def _plain(iteration: IterationTime) -> tuple[Any, ...]:
    """Return an iteration's time as tuples, which a checkpoint may hold."""
    return tuple(map(tuple, iteration))


def _time_of(plain: tuple[Any, ...]) -> IterationTime:
    kind, seconds, second = plain
    return IterationTime(Kind(*kind), Seconds(*seconds), Seconds(*second))
