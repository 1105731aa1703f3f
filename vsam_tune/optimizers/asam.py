"""ASAM, adaptive SAM: Kwon et al. 2021, arXiv 2102.11600. SAM whose radius in a direction scales with the weight there.

One iteration on one batch: g = grad L(w); e = rho * T^2 g / ||T g||, T = |w| + eta element by element;
g_sam = grad L(w + e); the base optimizer steps from w along g_sam. If a layer is scaled up and the next one down by the
same factor, e scales with them: the radius means the same in networks that compute the same function.

- choice: T is |w| + eta for tensors of two dimensions or more, and 1 for the others, such as biases and batch norm's.
  SamsungLabs/ASAM finds the tensors by the name `weight`, which batch norm's scales have too; davda54/sam's `adaptive`
  scales all tensors, with eta 0.
"""

import torch
from torch import nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.arguments import check_number
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.perturbation import as_real, global_norm, perturb_
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware, gradients_of


class ASAM(SharpnessAware):
    """Descend along grad L(w + e) in every iteration. 2 gradient evaluations.

    A copy of w while perturbed, and another one, of T, until then.

    Args:
        rho: l2 radius of e / T over all parameters, >= 0; about ten times SAM's, since most weights are small.
        eta: added to the sizes of the weights, >= 0, in their units; at 0, a weight of 0 is not perturbed.
        base, norm_layers, model: see `SharpnessAware`.
    """

    def __init__(
        self,
        base: Optimizer,
        *,
        rho: float = 0.5,
        eta: float = 0.01,
        norm_layers: int = 1,
        model: nn.Module | None = None,
    ) -> None:
        check_number("eta", eta, low=0.0)
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)
        self._eta = eta

    @override
    def _descend(self, closure: Closure) -> Observation:
        return self._sam_iteration(closure, sampling_rate=1.0)

    @override
    def _perturb(self) -> None:
        parameters = self._perturbed()
        if not parameters:
            return
        scaled = [parameter for parameter in parameters if parameter.ndim >= 2]
        sizes = list(torch._foreach_abs(as_real(scaled))) if scaled else []
        if scaled:
            torch._foreach_add_(sizes, self._eta)
            torch._foreach_mul_(as_real(gradients_of(scaled)), sizes)
        norm = global_norm(gradients_of(parameters))
        if scaled:
            torch._foreach_mul_(as_real(gradients_of(scaled)), sizes)
        for rho, members in self._by_rho(parameters):
            perturb_(members, gradients_of(members), norm, rho)
