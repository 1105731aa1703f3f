"""The interface of a term that a training loop adds to the mean loss.

Besides its hyper-parameters, the constructor gets those of `model`, `seed`, `num_iterations`, `num_images` and
`num_classes` that it has a keyword argument for.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn


class LossTerm(ABC):
    """A penalty with a state.

    Attributes:
        forward_passes: forward passes without a backward so far, in batches.
        averaged_model: a second network that it keeps, and that is evaluated as well; None for none.
        if_it_never_began: the fix for a training in which it added nothing.
    """

    if_it_never_began: ClassVar[str] = "more epochs, or settings with which it begins earlier"
    forward_passes: float = 0.0
    averaged_model: nn.Module | None = None

    @abstractmethod
    def __call__(self, logits: Tensor, x: Tensor, index: Tensor, *, epoch: int) -> Tensor | None:
        """Return the term of one batch, or of a part of it; the loop takes the mean of the parts over images.

        It is called in the precision of the training's forward passes. A step that fails may be repeated with the same
        batch: the state changes in `after_step` alone.

        Args:
            logits: (B, K), of the network in training mode, with their graph.
            x: (B, C, H, W), the images of these logits, augmented.
            index: (B,) int64, their positions in the training set.
            epoch: epochs done, from 0.

        Returns:
            0-d, to be added to the mean loss; None if there is nothing to add yet.
        """

    def after_step(self) -> None:  # noqa: B027 - most keep nothing that follows the weights
        """Update the state after the step of the optimizer."""

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
        """Memory of its state, in bytes, for the whole run."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return everything that continuing bit for bit needs."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state; a missing key is a KeyError."""
