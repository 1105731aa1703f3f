"""What the log of a trial says of a training that did not do what its settings ask for, or could not be measured."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vsam_tune.training.trainer import Trainer


def remarks(trainer: "Trainer", method: Mapping[str, Any]) -> list[str]:
    """Return a line for each thing to know of a training that ends.

    Args:
        trainer: at its end, or where it diverged.
        method: its settings.
    """
    lines = [
        _rate_that_never_adapted(trainer, method),
        _term_that_never_began(trainer),
        _unreliable_speed(trainer),
    ]
    return [line for line in lines if line]


def _rate_that_never_adapted(trainer: "Trainer", method: Mapping[str, Any]) -> str:
    optimizer, iterations = trainer.optimizer, trainer.iteration
    if not hasattr(optimizer, "adaptation_start"):
        return ""
    start = optimizer.adaptation_start
    if start is not None and start < iterations:  # adapted after the last iteration, it was of no effect
        return ""
    window = method.get("window", "unknown")  # a method of one's own need not have it set
    return (
        f"the sampling rate never adapted in {iterations} iterations: {trainer.trajectory.num_sampled} sampled, window"
        f" {window}. Fix: a smaller window, fewer warmup_iterations, or a larger initial_rate"
    )


def _term_that_never_began(trainer: "Trainer") -> str:
    if trainer.loss_term is None or trainer.epoch < trainer.epochs:
        return ""
    if not all(map(math.isnan, trainer.trajectory.table()["penalty"])):
        return ""
    return (
        f"the loss term added nothing in {trainer.epochs} epochs: this was the base optimizer's training. Fix: a"
        " smaller start_epoch or lag_epochs, a weight above 0, or more epochs"
    )


def _unreliable_speed(trainer: "Trainer") -> str:
    reason = trainer.unreliable_reason if trainer.epoch == trainer.epochs else ""
    return reason and f"no ais_vs_sam: {reason}"
