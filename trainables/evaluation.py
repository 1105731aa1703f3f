"""Accuracy and loss of a trial on a part of its data, and the accuracy of the averaged model if there is one."""

from vsam_tune.data.loader import ResidentLoader
from vsam_tune.training.standard_errors import accuracy_error
from vsam_tune.training.trainer import Trainer


def evaluate_on(part: str, trainer: Trainer, loader: ResidentLoader) -> dict[str, float]:
    """Return the metrics of the trained weights on a part of the data.

    Args:
        part: `val` or `test`, the prefix of the names.
        trainer: of the trial.
        loader: of the part's images.

    Returns:
        `PART_accuracy` and its standard error, in percent, and `PART_loss`; with an averaged model also
        `averaged_PART_accuracy` and its error.
    """
    accuracy, loss = trainer.evaluate(loader)
    accuracies = {f"{part}_accuracy": accuracy}
    averaged = trainer.averaged_model
    if averaged is not None:
        accuracies[f"averaged_{part}_accuracy"], _ = trainer.evaluate(loader, averaged)
    errors = {f"{name}_error": accuracy_error(value, loader.num_images) for name, value in accuracies.items()}
    return {**accuracies, **errors, f"{part}_loss": loss}
