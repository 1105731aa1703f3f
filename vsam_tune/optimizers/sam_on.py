"""SAM-ON, SAM of the normalisation layers only: Mueller et al. 2023, arXiv 2306.04226.

One iteration on one batch: g = grad L(w) of the parameters of normalisation layers, scales and shifts;
e = rho * g / ||g|| on these and 0 elsewhere; g_sam = grad L(w + e) of all; the base optimizer steps from w along g_sam.

Choices: the norm is over the perturbed parameters alone, as in mueller-mp/SAM-ON. A layer is recognised by its class,
and not, as there, by the names of its parameters. If no parameter of a normalisation layer is trained and perturbed,
all parameters are perturbed: SAM.
"""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.partial_sam import PartialSAM

_NORMALISATION = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)  # _NormBase: batch and instance norm


class SAMON(PartialSAM):
    """SAM that perturbs scales and shifts of normalisation layers, and nothing else.

    2 gradient evaluations; the first one computes no gradients of other weights: 5/3 by arithmetic. A copy of the
    perturbed parameters while they are perturbed.

    Args:
        rho: l2 radius of the perturbation over the perturbed parameters, >= 0, in units of the weights.
        norm_layers: how many of the last perturbed layers `observation` takes its norms over; 0 for all. It changes
            no trajectory.
        model: see `SharpnessAware`; its batch, instance, group, layer and root-mean-square norms are the normalisation
            layers. Without it this is SAM.
        base: see `SharpnessAware`.
    """

    def __init__(
        self, base: Optimizer, *, rho: float = 0.05, norm_layers: int = 1, model: nn.Module | None = None
    ) -> None:
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)
        modules = [] if model is None else [module for module in model.modules() if isinstance(module, _NORMALISATION)]
        self._normalisation = {parameter for module in modules for parameter in module.parameters()}

    @override
    def _to_perturb(self) -> list[Tensor]:
        parameters = [parameter for parameter in self._perturbable() if parameter.requires_grad]
        return [parameter for parameter in parameters if parameter in self._normalisation] or parameters
