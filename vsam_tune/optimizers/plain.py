"""A torch optimizer as it is, with the interface that the training loop uses: the base optimizer alone."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.wrapper import Wrapper


class PlainOptimizer(Wrapper):
    """Leave the update to a torch optimizer, and count the calls of the closure. There is no observation.

    A method of the user that is no `Wrapper` is wrapped as well. It may call the closure as often as it likes.

    Args:
        base: any torch optimizer but another wrapper.
    """

    def __init__(self, base: Optimizer) -> None:
        super().__init__(base, {})
        self._before_update: list[Callable[[], None]] = []

    @override
    def step(self, closure: Callable[..., Tensor] | None = None) -> Tensor:  # type: ignore[override] # it needs one
        """Take one iteration.

        Args:
            closure: clears the gradients, runs forward and backward on one batch, and returns the loss.

        Returns:
            The loss that the base optimizer returns.

        Raises:
            TypeError: if there is no closure.
            RuntimeError: if the closure has no backward pass.
        """
        if closure is None:
            raise TypeError("PlainOptimizer.step needs a closure that runs forward and backward and returns the loss")

        def counted() -> Tensor:
            loss = self._evaluate(closure)
            for hook in self._before_update:
                hook()
            return loss

        loss: Tensor = self.base.step(counted)  # type: ignore[arg-type, assignment] # torch types losses as float
        torch.clear_autocast_cache()  # its copies are of the weights before the update
        self.iterations += 1
        return loss

    @override
    def before_update(self, hook: Callable[[], None]) -> None:
        """Call `hook` after each call of the closure, which is inside the step of the base optimizer."""
        self._before_update.append(hook)
