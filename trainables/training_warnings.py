"""The warnings in the log of a trial: its training did not do what its settings ask for, or has no reliable speed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vsam_tune.training.trainer import Trainer


def training_warnings(trainer: "Trainer") -> list[str]:
    """Return a line for each thing to know about a training, at its end or where it diverged."""
    lines = trainer.optimizer.warnings()
    if trainer.epoch < trainer.epochs:
        return lines
    if trainer.loss_term is not None:
        lines += trainer.loss_term.warnings(epochs=trainer.epochs, has_added=trainer.trajectory.has_penalty())
    return [*lines, f"no ais_vs_sam: {trainer.unreliable_reason}"] if trainer.unreliable_reason else lines
