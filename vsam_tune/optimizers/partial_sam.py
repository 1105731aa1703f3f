"""SAM that perturbs some parameters only, and takes the first gradient of these alone: shared by ESAM and SAM-ON.

The backward pass computes only what these gradients need. No `requires_grad` changes: there is no flag to restore, and
a compiled or data-parallel network sees the same parameters in each iteration.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.closure_call import called, remove_gradients
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware
from vsam_tune.optimizers.workers import is_data_parallel


class PartialSAM(SharpnessAware):
    """Descend along grad L(w + e) in every iteration, e over the parameters that `_to_perturb` names.

    The first backward pass still runs through the whole network. It saves the gradients of weights: up to a third of
    its arithmetic, and nothing where `torch.compile` has compiled it into one function.
    """

    sample_losses: ClassVar[bool] = True

    def __init__(self, base: Optimizer, *, rho: float, norm_layers: int, model: nn.Module | None) -> None:
        if model is not None and is_data_parallel(model):
            rule = "waits for the gradients of all parameters in each pass, and this method takes some"
            fix = "run model.module in the closure, pass model=model.module, and call optimizer.distribute()"
            raise ValueError(f"{type(self).__name__}: DistributedDataParallel {rule}. Fix: {fix}")
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)

    def _to_perturb(self) -> list[Tensor]:
        """Return the parameters, in order, that this iteration perturbs if they get a gradient."""
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
            samples: (k,) int64, positions in the batch; None for the whole batch.
            share: part of the batch that these samples are, in (0, 1].

        Returns:
            (k,) the losses, detached.

        Raises:
            TypeError: if the closure does not return losses, but for example their mean.
        """
        remove_gradients(self._parameters())
        with torch.enable_grad():
            losses = called(closure, samples)
            if losses.ndim != 1:
                raise self._closure_error()
            loss = losses.mean()
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        if trained and loss.requires_grad:
            # not `autograd.grad`: `backward` gives a gradient the memory layout of its parameter
            loss.backward(inputs=trained)  # type: ignore[no-untyped-call] # torch leaves it untyped
            self.gradient_evaluations += share
            self._resolve_conjugates()
        else:
            self.forward_passes += share
            if trained:
                self._warn_without_gradient()
        return losses.detach()
