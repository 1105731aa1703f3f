"""What a training loop asks of a term that is added to the mean loss.

A method says what it needs by its keyword arguments: of `model`, `seed`, `num_iterations`, `num_images` and
`num_classes`, those that its constructor takes are handed over, beside its hyper-parameters.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn


class LossTerm(ABC):
    """A penalty with a state.

    Attributes:
        forward_passes: forward passes without a backward that it made so far, in batches.
        averaged_model: a second network that it keeps, and that is evaluated as well; None for none.
        if_it_never_began: the fix for a training in which it added nothing.
    """

    if_it_never_began: ClassVar[str] = "more epochs, or settings with which it begins earlier"
    forward_passes: float = 0.0
    averaged_model: nn.Module | None = None

    @abstractmethod
    def __call__(self, logits: Tensor, x: Tensor, index: Tensor, *, epoch: int) -> Tensor | None:
        """Return the term of one batch, or of a part of it, of which the loop takes the mean over images.

        Called in the precision of the training's forward passes. A step that fails may be repeated with the same batch:
        what a term compares with changes in `after_step` alone.

        Args:
            logits: (B, K), the network's in training mode, with their graph.
            x: (B, C, H, W), the images that gave them, augmented.
            index: (B,) int64, their positions in the training set.
            epoch: epochs done, from 0.

        Returns:
            0-d, to be added to the mean loss; None where there is nothing to add yet.
        """

    def after_step(self) -> None:  # noqa: B027 - most keep nothing that follows the weights
        """Follow the weights, which the optimizer has just moved."""

    def warnings(self, *, epochs: int, has_added: bool) -> list[str]:
        """Return a line, with its fix, for each thing to know about a training that has ended.

        Args:
            epochs: that it took.
            has_added: whether the term added to the loss of any iteration.
        """
        if has_added:
            return []
        nothing = f"the loss term added nothing in {epochs} epochs: this was the base optimizer's training"
        return [f"{nothing}. Fix: {self.if_it_never_began}"]

    @property
    @abstractmethod
    def memory_bytes(self) -> int:
        """Bytes that it keeps for the whole run."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return what continuing bit for bit needs."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; a missing key is a KeyError."""
