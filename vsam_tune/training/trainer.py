"""The training loop: epochs of iterations, a cosine schedule, evaluation, and a state that continues bit for bit."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from typing_extensions import override

from vsam_tune.data.loader import Batch, ResidentLoader
from vsam_tune.optimizers.wrapper import Wrapper
from vsam_tune.training.checkpoint import state_of_wrapper
from vsam_tune.training.closures import Closures
from vsam_tune.training.iterations import IterationLoop
from vsam_tune.training.sam_probe import SamProbe
from vsam_tune.training.speed.ais import AISMeter

READ_INTERVAL = 100  # iterations between two reads of the device, for the trajectory and a check of the loss


class DivergedError(ArithmeticError):
    """The loss is no longer finite.

    Attributes:
        iteration: iterations done at the read that showed it, at most `READ_INTERVAL` after it happened.
    """

    def __init__(self, iteration: int) -> None:
        super().__init__(iteration)
        self.iteration = iteration

    @override
    def __str__(self) -> str:
        return f"the loss is not finite, noticed at iteration {self.iteration}"


class Trainer(IterationLoop):
    """Trains one model with one optimizer on one device.

    Every method goes through the same calls, and trains on the mean of the same sample losses. The training is
    deterministic for given arguments on one type of device.

    Args:
        model: on the loader's device.
        optimizer: the method's, as `build_optimizer` returns it.
        loader: the training batches, a function of epoch and position alone.
        epochs: the length of the schedule, even if the trial stops earlier.
        closures: how the gradients of a batch are taken; None for the mean loss in float32.
        sam_probe: takes blocks of SAM's steps among the iterations, which it times; None for neither.
        clock: for AIS.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Wrapper,
        loader: ResidentLoader,
        *,
        epochs: int,
        closures: Closures | None = None,
        sam_probe: SamProbe | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(
            model,
            optimizer,
            loader,
            num_iterations=epochs * len(loader),
            closures=closures or Closures(model, optimizer),
            timer=None if sam_probe is None else sam_probe.trial_timer,
            clock=clock,
        )
        self.epochs, self.sam_probe = epochs, sam_probe

    @property
    def averaged_model(self) -> nn.Module | None:
        """The average of the network that the loss term keeps; None for none."""
        return None if self.loss_term is None else self.loss_term.averaged_model

    def train_epoch(self, between: Callable[[], None] = lambda: None) -> dict[str, float]:
        """Train to the end of the current epoch.

        Args:
            between: called every `READ_INTERVAL` iterations, when the state is complete, for a checkpoint; its seconds
                do not count for AIS.

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
        """Take iterations until `stop` have been done, and the blocks of SAM's steps that belong among them."""
        probe = self.sam_probe
        while self.iteration < stop:
            position = probe.next_position(self.iteration) if probe else None
            with self.ais.running():
                self.iterate(batches, stop if position is None else min(position, stop))
            if probe:
                probe.follow(self.iteration, self.ais.seconds)
                if self.iteration == position:
                    self.ais.mark()

    def _read(self) -> None:
        """Read the pending norms and the sum of losses from the device in one transfer."""
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
            `forward_passes` without a backward, an iteration (1 and 0 for the base optimizer alone); the method's own
            metrics. `X_error` is one standard error of X, `X_seed_error` the standard deviation over the draws of other
            seeds. With a probe also `ais_vs_sam` and its like, `efficiency`, measured over ideal, and
            `reference_steps`, SAM's, in `reference_seconds`.
        """
        evaluations, forward_passes = self._passes()
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
        return metrics if self.sam_probe is None else metrics | _speed_against_sam(self.ais, self.sam_probe, seed_error)

    @property
    def unreliable_reason(self) -> str:
        """Why `ais_vs_sam` is no number; empty if it is one, or if there is no probe."""
        return "" if self.sam_probe is None else self.sam_probe.comparison().unreliable_reason

    @torch.no_grad()
    def evaluate(self, loader: ResidentLoader, model: nn.Module | None = None) -> tuple[float, float]:
        """Return (accuracy in percent, mean loss) over the loader's images, in evaluation mode; one read.

        The loss is the plain cross-entropy, also if the training smooths labels.

        Args:
            loader: of the images.
            model: another network, such as the average of the trained one; None for the trained one.
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
        """Return everything that continuing bit for bit needs; call it in `between`, or between epochs."""
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
            "reference": {} if self.sam_probe is None else self.sam_probe.state_dict(),
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
        of_probe = state["reference"]
        if self.sam_probe is not None:
            self.sam_probe.load_state_dict(of_probe)
        self.trajectory.load_state_dict(state["trajectory"])
        self._loss_sum.copy_(state["loss_sum"])
        self._images_in_epoch = state["images_in_epoch"]
        self.iteration = state["iteration"]
        torch.set_rng_state(state["rng"]["cpu"].cpu())
        if "cuda" in state["rng"]:
            torch.cuda.set_rng_state(state["rng"]["cuda"].cpu(), self.loader.device)


def _speed_against_sam(ais: AISMeter, probe: SamProbe, seed_error: float) -> dict[str, float]:
    """Return the metrics that compare a trial's speed with SAM's."""
    compared = probe.comparison()
    drawn = (1 - compared.plain) * seed_error  # of the mean time of an iteration over SAM's, from other draws
    return {
        **compared.metrics(),
        "ais_error": ais.error,
        "ais_seed_error": ais.images_per_second * compared.ideal * drawn,
        "ais_vs_sam_seed_error": compared.ratio**2 * drawn,
        "reference_steps": probe.steps,
        "reference_seconds": probe.seconds,
    }
