"""The iterations that a trainer and the SAM probe take: one step of the optimizer on each batch, timed and recorded."""

import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from vsam_tune.data.loader import Batch, ResidentLoader
from vsam_tune.optimizers.wrapper import Wrapper
from vsam_tune.training.closures import Closures
from vsam_tune.training.speed.ais import AISMeter
from vsam_tune.training.speed.iteration_timer import IterationTimer
from vsam_tune.training.trajectory import Trajectory


def cosine(iteration: int, num_iterations: int) -> float:
    """Return the factor of the learning rate, from 1 to 0: half a cosine over the run (METHODS: an iteration's)."""
    return 0.5 * (1 + math.cos(math.pi * iteration / num_iterations))


class IterationLoop:
    """Takes iterations with one optimizer on one device. Within an iteration nothing is read from the device.

    Args:
        model: on the loader's device.
        optimizer: of the model's parameters, as `build_optimizer` returns it.
        loader: of the training batches.
        num_iterations: length of the cosine schedule.
        closures: how the gradients of a batch are taken.
        timer: times each iteration; None for no timing.
        clock: for AIS.

    Attributes:
        loss_term: the closures'.
        iteration: iterations done.
        trajectory: one row an iteration.
        ais: images and seconds so far.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Wrapper,
        loader: ResidentLoader,
        *,
        num_iterations: int,
        closures: Closures,
        timer: IterationTimer | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.model, self.optimizer, self.loader = model, optimizer, loader
        self.num_iterations, self.closures, self.timer = num_iterations, closures, timer
        self.loss_term = closures.loss_term
        self.lr_scheduler = LambdaLR(optimizer, lambda t: cosine(t, num_iterations))
        self.iteration = 0
        self.trajectory = Trajectory()
        on_gpu = loader.device.type == "cuda"
        self.ais = AISMeter(clock, torch.cuda.synchronize if on_gpu else lambda: None)
        self._loss_sum = torch.zeros((), device=loader.device)  # of this epoch, over images
        self._images_in_epoch = 0

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.iteration // len(self.loader)

    def iterate(self, batches: Iterator[Batch], stop: int) -> None:
        """Take iterations from `batches` until `stop` have been done."""
        optimizer, closures, timer = self.optimizer, self.closures, self.timer
        if timer is not None:
            timer.start(*self._passes())
        while self.iteration < stop:
            batch = next(batches)
            loss = optimizer.step(closures.closure(batch, epoch=self.epoch))
            if self.loss_term is not None:
                self.loss_term.after_step()
            self.lr_scheduler.step()
            self._loss_sum.add_(loss.detach(), alpha=len(batch.y))
            self._images_in_epoch += len(batch.y)
            self.ais.images += len(batch.y)
            self.trajectory.record(optimizer.observation, closures.penalty)
            self.iteration += 1
            if timer is not None:
                penalized = closures.penalty is not None
                timer.record(*self._passes(), penalized=penalized, whole=len(batch.y) == self.loader.whole_batch)

    def _passes(self) -> tuple[float, float]:
        """Return gradient evaluations, and forward passes without a backward, so far, in batches."""
        of_term = 0.0 if self.loss_term is None else self.loss_term.forward_passes
        return self.optimizer.gradient_evaluations, self.optimizer.forward_passes + of_term
