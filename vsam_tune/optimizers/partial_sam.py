"""SAM whose first gradient is of some parameters alone, since no others are perturbed: what ESAM and SAM-ON share.

The backward pass leaves out what only the gradients of other parameters need. No `requires_grad` is touched: there is
no flag to put back, and a compiled network or a data-parallel one sees the same parameters in each iteration.
"""

from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware


class PartialSAM(SharpnessAware):
    """Descend along grad L(w + e) in every iteration, e over the parameters that `_to_perturb` names.

    The first backward pass still runs through the whole network. It saves the gradients of weights: up to a third of
    what it costs by arithmetic, nothing where `torch.compile` has made one function of it.
    """

    sample_losses: ClassVar[bool] = True

    def _to_perturb(self) -> list[Tensor]:
        """Return the parameters, in order, that are perturbed in this iteration if they get a gradient."""
        raise NotImplementedError

    @override
    def _descend(self, closure: Closure) -> Observation:
        return self._sam_iteration(closure, sampling_rate=1.0)

    @override
    def _first_gradient(self, closure: Closure) -> Tensor:
        return self._differentiate(closure, self._to_perturb()).mean()

    @override
    def _second_gradient(self, closure: Closure) -> None:
        self._differentiate(closure, self._parameters())

    def _differentiate(
        self, closure: Closure, parameters: list[Tensor], samples: Tensor | None = None, *, share: float = 1.0
    ) -> Tensor:
        """Leave in `.grad` the gradient of the mean loss for some parameters, and none for the others.

        Counts a gradient evaluation, or a forward pass where there is nothing to differentiate.

        Args:
            closure: as for `step`.
            parameters: those that get a gradient, if they are trained and the loss depends on them.
            samples: (k,) int64, positions in the batch; None for all of it.
            share: what part of the batch that is, in (0, 1].

        Returns:
            (k,) the losses, detached.

        Raises:
            TypeError: if the closure returns anything else, such as the mean loss.
        """
        for parameter in self._parameters():
            parameter.grad = None
        with torch.enable_grad():
            losses = closure(samples)
            if losses.ndim != 1:
                raise self._closure_error()
            loss = losses.mean()
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        if trained and loss.requires_grad:
            # not `autograd.grad`: this lays a gradient out like its parameter, as any other backward pass does
            loss.backward(inputs=trained)  # type: ignore[no-untyped-call] # torch leaves it untyped
            self.gradient_evaluations += share
        else:
            self.forward_passes += share
        return losses.detach()
