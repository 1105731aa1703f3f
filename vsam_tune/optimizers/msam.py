"""MSAM, Momentum-SAM: Becker et al. 2024, arXiv 2401.12033. SAM at the price of the base optimizer.

One iteration on one batch: e = -rho * m / ||m||, m the base's momentum; g = grad L(w + e); the base steps from w
along g. The base already has the momentum, so e needs no gradient.

- choice: minus the momentum, along the next step, as paper and code; plus would be SAM's direction.
- choice: the weights are restored before the base steps, so weight decay is that of w (MarlonBecker/MSAM leaves the
  model perturbed between steps, and decays the perturbed weights), and evaluation and checkpoints see w.
- choice: any base with a buffer along which it steps: `momentum_buffer` (SGD, RMSprop, Muon) or `exp_avg` (Adam and
  its variants). A parameter without a buffer is not perturbed: the first step is the base's.
- choice: batch norm's running statistics are from the only pass, so from the perturbed weights.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.perturbation import copies, global_norm, perturb_
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware


class MSAM(SharpnessAware):
    """Descend along grad L(w - rho * m / ||m||). 1 gradient evaluation.

    A copy of w while perturbed, and another one, of m, until then.

    `step` returns the loss at the perturbed weights, the only one there is.

    Args:
        base: applies the update and keeps the momentum; any torch optimizer but LBFGS.
        rho: length of the perturbation over all parameters, >= 0, in units of the weights. Its size differs from SAM's:
            3 where SAM has 0.2.
        norm_layers: see `SharpnessAware`.
        model: gives the layers; nothing else depends on it.
    """

    perturbs_first: ClassVar[bool] = True

    def __init__(
        self, base: Optimizer, *, rho: float = 3.0, norm_layers: int = 1, model: nn.Module | None = None
    ) -> None:
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)

    @override
    def _first_gradient(self, closure: Closure) -> Tensor:
        momentum = self._momentum()
        parameters = list(momentum)
        weights = copies(parameters)
        try:
            self._step_ahead(momentum)
            return self._evaluate(closure)
        finally:
            self._restore(parameters, weights)

    @override
    def _descend(self, closure: Closure) -> Observation:
        return self._plain_iteration(sampling_rate=0.0)

    def _momentum(self) -> dict[Tensor, Tensor]:
        """Return the base's buffer of each parameter that is perturbed and has one, in order.

        It is not known yet which of them get a gradient in this iteration; frozen ones are left out.
        """
        trained = [parameter for parameter in self._perturbable() if parameter.requires_grad]
        states = {parameter: self.state[parameter] for parameter in trained if parameter in self.state}
        buffers = {parameter: state.get("momentum_buffer", state.get("exp_avg")) for parameter, state in states.items()}
        return {parameter: buffer for parameter, buffer in buffers.items() if buffer is not None}

    def _step_ahead(self, momentum: dict[Tensor, Tensor]) -> None:
        """Add e to the weights, in place."""
        if not momentum:
            return
        norm = global_norm(list(momentum.values()))
        for rho, members in self._by_rho(list(momentum)):
            downwards = list(torch._foreach_neg([momentum[parameter] for parameter in members]))
            perturb_(members, downwards, norm, rho)
