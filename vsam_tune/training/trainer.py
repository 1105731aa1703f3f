"""The training loop: epochs of iterations, a cosine schedule, evaluation, and a state that continues bit for bit."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR
from typing_extensions import override

from vsam_tune.data.loader import Batch, ResidentLoader
from vsam_tune.optimizers.wrapper import Wrapper
from vsam_tune.training.checkpoint import state_of_wrapper
from vsam_tune.training.closures import Closures
from vsam_tune.training.speed.ais import AISMeter
from vsam_tune.training.speed.iteration_timer import IterationTimer
from vsam_tune.training.speed.sam_probe import SamProbe
from vsam_tune.training.trajectory import Trajectory

logger = logging.getLogger(__name__)

READ_INTERVAL = 100  # iterations between two looks at the device, for the trajectory and for finiteness


class DivergedError(ArithmeticError):
    """The loss is no longer finite.

    Attributes:
        iteration: iterations done when it was noticed, at most `READ_INTERVAL` after it happened.
    """

    def __init__(self, iteration: int) -> None:
        super().__init__(iteration)
        self.iteration = iteration

    @override
    def __str__(self) -> str:
        return f"the loss is not finite, noticed at iteration {self.iteration}"


def cosine(iteration: int, num_iterations: int) -> float:
    """Return the factor of the learning rate, from 1 to 0: half a cosine over the run (METHODS: an iteration's)."""
    return 0.5 * (1 + math.cos(math.pi * iteration / num_iterations))


class Trainer:
    """Trains one model with one optimizer on one device.

    Every method goes through the same calls, and trains on the mean of the same sample losses.
    Within an iteration nothing is read from the device. Deterministic for given arguments on one type of device.

    Args:
        model: on the loader's device.
        optimizer: the method's, as `build_optimizer` returns it.
        loader: the training batches, a function of epoch and position alone.
        epochs: the length of the schedule, whichever epoch the trial is stopped at.
        closures: how the gradients of a batch are taken; None for the mean loss in float32.
        reference: blocks of SAM's steps among the iterations, which it has timed; None for none.
        laps: where each iteration is timed instead, without a reference; None for nowhere.
        clock: for AIS.

    Attributes:
        iteration: iterations done.
        trajectory: one row an iteration.
        ais: eq. 20 so far.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Wrapper,
        loader: ResidentLoader,
        *,
        epochs: int,
        closures: Closures | None = None,
        reference: SamProbe | None = None,
        laps: IterationTimer | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.model, self.optimizer, self.loader, self.epochs = model, optimizer, loader, epochs
        self.closures = closures or Closures(model, optimizer)
        self.loss_term = self.closures.loss_term
        self.reference = reference
        self.laps = laps if reference is None else reference.own
        self.num_iterations = epochs * len(loader)
        self.lr_scheduler = LambdaLR(optimizer, lambda t: cosine(t, self.num_iterations))
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

    @property
    def averaged_model(self) -> nn.Module | None:
        """The average of the network that the loss term keeps; None for none."""
        return None if self.loss_term is None else self.loss_term.averaged_model

    def train_epoch(self, between: Callable[[], None] = lambda: None) -> dict[str, float]:
        """Train to the end of the current epoch.

        Args:
            between: called outside of the AIS meter every `READ_INTERVAL` iterations, when the state is whole: the
                place for a checkpoint.

        Returns:
            The metrics of the trial so far.

        Raises:
            DivergedError: if the loss is not finite.
        """
        position = self.iteration % len(self.loader)
        end = self.iteration - position + len(self.loader)
        batches = self.loader.batches(self.epoch, start=position)
        self.model.train()
        if position == 0:
            self._loss_sum.zero_()
            self._images_in_epoch = 0
        while self.iteration < end:
            stop = min(end, (self.iteration // READ_INTERVAL + 1) * READ_INTERVAL)
            self._train_to(stop, batches)
            self._read()
            if self.iteration < end:
                between()
        return self.metrics()

    def _train_to(self, stop: int, batches: Iterator[Batch]) -> None:
        """Take iterations until `stop` have been done, and the blocks of the reference that stand among them."""
        while self.iteration < stop:
            position = self.reference.next_position(self.iteration) if self.reference else None
            with self.ais.running():
                self.iterate(batches, stop if position is None else min(position, stop))
            if self.reference:
                self.reference.follow(self.iteration, self.ais.seconds)
                if self.iteration == position:
                    self.ais.mark()

    def iterate(self, batches: Iterator[Batch], stop: int) -> None:
        """Take iterations from `batches` until `stop` have been done; nothing is read from the device."""
        optimizer, closures, laps = self.optimizer, self.closures, self.laps
        if laps is not None:
            laps.start(*self._spent())
        while self.iteration < stop:
            batch = next(batches)
            closure = closures.closure(batch, epoch=self.epoch)
            loss = optimizer.step(closure)
            if self.loss_term is not None:
                self.loss_term.after_step()
            self.lr_scheduler.step()
            self._loss_sum.add_(loss.detach(), alpha=len(batch.y))
            self._images_in_epoch += len(batch.y)
            self.ais.images += len(batch.y)
            self.trajectory.record(optimizer.observation, closures.penalty)
            self.iteration += 1
            if laps is not None:
                penalized = closures.penalty is not None
                laps.record(*self._spent(), penalized=penalized, whole=len(batch.y) == self.loader.whole_batch)

    def _spent(self) -> tuple[float, float]:
        """Return gradient evaluations and forward passes so far, in batches."""
        of_term = 0.0 if self.loss_term is None else self.loss_term.forward_passes
        return self.optimizer.gradient_evaluations, self.optimizer.forward_passes + of_term

    def _read(self) -> None:
        """Bring the pending norms and the sum of losses over in one transfer."""
        pending = self.trajectory.pending()
        loss_sum, *norms = torch.stack([value.to(torch.float64) for value in (self._loss_sum, *pending)]).tolist()
        self.trajectory.fill(norms)
        if not math.isfinite(loss_sum):
            raise DivergedError(self.iteration)

    def metrics(self) -> dict[str, float]:
        """Return the trial's metrics so far, in natural units.

        Returns:
            `train_loss`, the mean over the images of the last epoch, of the first pass; `epoch` and `iteration` done;
            `ais` in images a second, over `train_seconds`; `sampled_fraction`; `gradient_evaluations` and
            `forward_passes` without a backward, an iteration (1 and 0 for the base optimizer alone). `X_error` is one
            standard error of X, `X_seed_error` what another seed's draws would change besides. With a reference also
            what `ais_vs_sam` says, `efficiency`, measured over ideal, and `reference_steps` in `reference_seconds`.
        """
        evaluations, forward_passes = self._spent()
        seed_error = self.trajectory.seed_error()
        metrics = {
            "train_loss": float(self._loss_sum) / self._images_in_epoch,
            "epoch": self.epoch,
            "iteration": self.iteration,
            "ais": self.ais.images_per_second,
            "train_seconds": self.ais.seconds,
            "sampled_fraction": self.trajectory.num_sampled / self.iteration,
            "gradient_evaluations": evaluations / self.iteration,
            "forward_passes": forward_passes / self.iteration,
            "sampled_fraction_seed_error": seed_error,
            "gradient_evaluations_seed_error": seed_error,  # a second gradient is one more
        }
        metrics |= self.optimizer.metrics()
        return metrics if self.reference is None else metrics | self._against_sam(self.reference, seed_error)

    def _against_sam(self, reference: SamProbe, seed_error: float) -> dict[str, float]:
        """Return the metrics that compare the trial's speed with SAM's."""
        found = reference.found()
        drawn = (1 - found.plain) * seed_error  # in iterations of SAM, what other draws would change of an iteration
        return {
            **found.metrics(),
            "ais_error": self.ais.error,
            "ais_seed_error": self.ais.images_per_second * found.ideal * drawn,
            "ais_vs_sam_seed_error": found.ratio**2 * drawn,
            "reference_steps": reference.steps,
            "reference_seconds": reference.seconds,
        }

    @property
    def unreliable_reason(self) -> str:
        """Why `ais_vs_sam` is no number; empty where it is one, or nothing is compared."""
        return "" if self.reference is None else self.reference.found().unreliable_reason

    @torch.no_grad()
    def evaluate(self, loader: ResidentLoader, model: nn.Module | None = None) -> tuple[float, float]:
        """Return (accuracy in percent, mean loss) over the loader's images, in evaluation mode; one read.

        Args:
            loader: of the images.
            model: another network than the one that is trained, such as an average of it.
        """
        model = self.model if model is None else model
        model.eval()
        totals = torch.zeros(2, device=loader.device, dtype=torch.float64)
        for batch in loader.batches(0):
            scores = model(batch.x)
            totals[0] += (scores.argmax(dim=1) == batch.y).sum()
            totals[1] += cross_entropy(scores, batch.y, reduction="sum")
        correct, loss = (totals / loader.num_images).tolist()
        return 100 * correct, loss

    def state_dict(self) -> dict[str, Any]:
        """Return everything that continuing bit for bit needs; call it between iterations, as `between` does."""
        rng: dict[str, Any] = {"cpu": torch.get_rng_state()}  # layers such as dropout draw from the global generators
        if self.loader.device.type == "cuda":
            rng["cuda"] = torch.cuda.get_rng_state(self.loader.device)
        return {
            "iteration": self.iteration,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "loss_term": {} if self.loss_term is None else self.loss_term.state_dict(),
            "lr_scheduler": self.lr_scheduler.state_dict(),
            "ais": self.ais.state_dict(),
            "reference": {} if self.reference is None else self.reference.state_dict(),
            "trajectory": self.trajectory.state_dict(),
            "loss_sum": self._loss_sum.clone(),
            "images_in_epoch": self._images_in_epoch,
            "rng": rng,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; a missing key is a KeyError, never a default."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state_of_wrapper(state["optimizer"], iterations=state["iteration"]))
        of_loss_term = state["loss_term"]
        if self.loss_term is not None:
            self.loss_term.load_state_dict(of_loss_term)
        self.lr_scheduler.load_state_dict(state["lr_scheduler"])
        self.ais.load_state_dict(state["ais"])
        of_reference = state["reference"]
        if self.reference is not None:
            self.reference.load_state_dict(of_reference)
        self.trajectory.load_state_dict(state["trajectory"])
        self._loss_sum.copy_(state["loss_sum"])
        self._images_in_epoch = state["images_in_epoch"]
        self.iteration = state["iteration"]
        torch.set_rng_state(state["rng"]["cpu"].cpu())
        if "cuda" in state["rng"]:
            torch.cuda.set_rng_state(state["rng"]["cuda"].cpu(), self.loader.device)
