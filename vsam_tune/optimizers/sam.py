"""SAM, sharpness-aware minimization: Foret et al. 2021, arXiv 2010.01412, eq. 2 and algorithm 1.

One iteration on one batch: g = grad L(w); e = rho * g / ||g||; g_sam = grad L(w + e); the base optimizer
steps from w along g_sam.
"""

from torch import nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware


class SAM(SharpnessAware):
    """Descend along grad L(w + e) in every iteration. 2 gradient evaluations; a copy of w while perturbed.

    Args:
        rho: l2 radius of the perturbation over all parameters, >= 0, in units of the weights.
        base, norm_layers, model: see `SharpnessAware`.
    """

    def __init__(
        self, base: Optimizer, *, rho: float = 0.05, norm_layers: int = 1, model: nn.Module | None = None
    ) -> None:
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)

    @override
    def _descend(self, closure: Closure) -> Observation:
        return self._sam_iteration(closure, sampling_rate=1.0)
