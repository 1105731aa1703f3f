"""The reference: short blocks of SAM steps inside a trial, on its own model and data, which leave no trace.

A trial's AIS moves with the neighbours of its machine; so does SAM's, measured in the same minutes on the same worker.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
from vsam_tune.training.speed.ais_vs_sam import FEWEST_BLOCKS, AISvsSAM, ais_vs_sam
from vsam_tune.training.speed.iteration_timer import Block, IterationTime, IterationTimer, Kind, Seconds
from vsam_tune.training.trajectory import Trajectory

if TYPE_CHECKING:
    from vsam_tune.training.trainer import Trainer

SHARE = 0.03  # of the seconds of a trial of a minute and more, that the reference may take
MINUTE = 60.0
FEWEST_STEPS = 60  # of a shorter trial
LEAST_STEPS = FEWEST_BLOCKS + 2  # of any trial, whatever they cost: with fewer blocks it would have no speed at all
MOST_STEPS = 240
WINDOW = 16  # own iterations before a block, and after it, that it is compared with


class TimedSAM(SAM):
    """SAM that notes how long the second pass takes, with what belongs to it: all that SGD has not.

    Args:
        base: see `SAM`.
        laps: where it is noted.
        rho: see `SAM`.
        model: see `SAM`.
    """

    def __init__(self, base: Optimizer, *, laps: IterationTimer, rho: float, model: nn.Module) -> None:
        super().__init__(base, rho=rho, model=model)
        self._laps = laps

    @override
    def _descend(self, closure: Closure) -> Observation:
        begun = self._laps.begin_second()
        observation = super()._descend(closure)
        self._laps.end_second(begun)
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
    """Decides where blocks stand in a trial and how long they are, takes them, and keeps what they measured.

    A block stands after a random iteration of each of up to 120 strata of the run, so that it is not in step with
    evaluation or sampling.

    Args:
        sam: a trainer of the trial's model with `TimedSAM`.
        laps: that `sam` and its optimizer note.
        num_iterations: of the trial.
        seed: of the positions.
        share: of the trial's seconds that blocks may take, once these are a minute and more.

    Attributes:
        own: where the trial notes its iterations.
        blocks: taken so far.
        steps: reference steps in them.
        seconds: that they took, saving and restoring included.
    """

    def __init__(
        self, sam: "Trainer", laps: IterationTimer, *, num_iterations: int, seed: int, share: float = SHARE
    ) -> None:
        self._sam, self._laps, self._num_iterations, self._share = sam, laps, num_iterations, share
        strata = min(num_iterations, max(30, min(num_iterations // 16, 120)))
        within = np.random.default_rng(seed).random(strata)
        ends = np.arange(strata + 1) * num_iterations // strata
        self._positions = (ends[:-1] + 1 + (within * np.diff(ends)).astype(int)).tolist()
        self._batches: Iterator[Batch] = iter(())
        self._epoch = 0
        self._carried = 0.0  # of a step, from block to block
        self._behind: list[IterationTime] = []  # own laps since the last block
        self._no_memory = False  # for a block, at some time
        self._found: tuple[tuple[int, int], AISvsSAM] | None = None  # after so many own iterations and blocks
        self.own = IterationTimer(sam.loader.device)
        self.blocks: list[Block] = []
        self.steps = 0
        self.seconds = 0.0

    def next_position(self, iteration: int) -> int | None:
        """Return after how many iterations the next block stands; None where none is left."""
        return next((position for position in self._positions if position > iteration), None)

    def follow(self, iteration: int, seconds: float) -> None:
        """Take a block where one stands.

        Args:
            iteration: of the trial, done.
            seconds: that its iterations took.
        """
        self.compare(self._num_steps(iteration, seconds) if iteration in self._positions else 0)

    def compare(self, steps: int) -> None:
        """Take a block of steps of SAM here, wherever that is; none at all for 0, or once the device had no memory."""
        self._behind += self.own.take()
        if steps == 0 or self._no_memory:
            return
        try:
            taken = self._taken(steps)
        except torch.OutOfMemoryError:  # the trial itself may fit: its weights are not copied, its momentum is one
            self._no_memory = True
            return
        after = self._after()
        if self.blocks:
            self.blocks[-1] = replace(self.blocks[-1], own=self.blocks[-1].own + after)
        before = self._behind[max(len(after), len(self._behind) - WINDOW) :]
        self.blocks.append(Block(taken, tuple(before)))
        self._behind = []

    def measured(self) -> list[Block]:
        """Return the blocks so far, the last one with what has followed it until now."""
        if not self.blocks:
            return []
        *former, last = self.blocks
        return [*former, replace(last, own=last.own + self._after())]

    def found(self) -> AISvsSAM:
        """Return what the blocks so far say of the trial's speed."""
        now = self.own.counts.total(), len(self.blocks)
        if self._found is None or self._found[0] != now:
            found = ais_vs_sam(self.measured(), self.own.counts, self.own.clock)
            if found.unreliable_reason and self._no_memory:
                reason = f"{found.unreliable_reason}: the device has no memory for more beside the trial"
                found = replace(found, unreliable_reason=reason)
            self._found = now, found
        return self._found[1]

    def _after(self) -> tuple[IterationTime, ...]:
        """Return the own laps that belong to the last block."""
        return tuple(self._behind[: min(WINDOW, (len(self._behind) + 1) // 2)]) if self.blocks else ()

    def _num_steps(self, iteration: int, seconds: float) -> int:
        """Return the length of the block that stands here."""
        blocks_left = sum(position >= iteration for position in self._positions)
        expected = seconds / iteration * self._num_iterations
        if expected < MINUTE:
            left = float(FEWEST_STEPS - self.steps)
        else:
            step = self.seconds / self.steps if self.steps else 2.2 * seconds / iteration  # at most: SAM beside SGD
            allowed = (self._share * expected - self.seconds) / step
            left = min(max(allowed, LEAST_STEPS - self.steps), MOST_STEPS - self.steps)
        wanted = max(left, 0.0) / blocks_left + self._carried
        self._carried = wanted % 1
        return min(int(wanted), int(max(left, 0.0)))

    def _taken(self, steps: int) -> tuple[IterationTime, ...]:
        """Take steps of SAM; return their laps."""
        sam, start = self._sam, time.perf_counter()
        with undisturbed(sam.model):
            sam.iterate(self._whole_batches(), sam.iteration + steps)
            sam.ais.synchronize()
        sam.trajectory = Trajectory()
        self.steps += steps
        self.seconds += time.perf_counter() - start
        return tuple(self._laps.take())

    def _whole_batches(self) -> Iterator[Batch]:
        """Yield whole batches without end; an epoch goes on from block to block."""
        loader = self._sam.loader
        while True:
            for batch in self._batches:
                if len(batch.y) == loader.whole_batch:
                    yield batch
            self._batches = loader.batches(self._epoch)
            self._epoch += 1

    def state_dict(self) -> dict[str, Any]:
        """Return what was measured, for a trial that goes on in another process."""
        return {
            "blocks": [(tuple(map(_plain, block.reference)), tuple(map(_plain, block.own))) for block in self.blocks],
            "behind": [_plain(lap) for lap in self._behind],
            "counts": [(tuple(kind), count) for kind, count in self.own.counts.items()],
            "carried": self._carried,
            "steps": self.steps,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.blocks = [Block(tuple(map(_lap, of_sam)), tuple(map(_lap, own))) for of_sam, own in state["blocks"]]
        self._behind = [_lap(lap) for lap in state["behind"]]
        self._found = None
        self.own.resume({Kind(*kind): count for kind, count in state["counts"]})
        self._carried, self.steps, self.seconds = state["carried"], state["steps"], state["seconds"]


def _plain(lap: IterationTime) -> tuple[Any, ...]:
    """Return a lap as tuples, which a checkpoint may hold."""
    return tuple(map(tuple, lap))


def _lap(plain: tuple[Any, ...]) -> IterationTime:
    kind, seconds, second = plain
    return IterationTime(Kind(*kind), Seconds(*seconds), Seconds(*second))
