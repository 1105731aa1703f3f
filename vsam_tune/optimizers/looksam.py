"""LookSAM: Liu et al. 2022, arXiv 2203.02714. SAM every k-th iteration, its direction reused in between.

A SAM iteration is SAM's, and descends along g2; the others descend along g1 + alpha * ||g1|| * u, with u of the last
SAM iteration. `orthogonal_direction` has u and its choices. Choices: the count runs over the whole run and never
restarts at an epoch; alpha is the paper's for large networks, and a small network on few images may need less.
Per-layer radii (Look-LayerSAM) are not offered.
"""

from torch import nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.arguments import check_integer
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.orthogonal_direction import OrthogonalReuse
from vsam_tune.optimizers.sharpness_aware import Closure, gradients_of


class LookSAM(OrthogonalReuse):
    """Be SAM in iterations 0, period, 2 * period, ..., and reuse its direction in the others.

    Costs 1 + 1/period gradient evaluations. Keeps one copy of the gradients, and one of the weights while perturbed.
    A reuse iteration adds to the base's one norm over the gradients and one addition to them.

    Args:
        rho: l2 radius of the perturbation over all parameters, >= 0, in units of the weights.
        period: iterations from one SAM iteration to the next, >= 1; 1 is SAM.
        alpha: length of the reused direction, in norms of the gradient, >= 0; 0 is SAM-k.
        base, norm_layers, model: see `SharpnessAware`.
    """

    def __init__(
        self,
        base: Optimizer,
        *,
        rho: float = 0.05,
        period: int = 5,
        alpha: float = 0.7,
        norm_layers: int = 1,
        model: nn.Module | None = None,
    ) -> None:
        check_integer("period", period, low=1)
        super().__init__(base, rho=rho, alpha=alpha, norm_layers=norm_layers, model=model)
        self._period = period

    @override
    def _descend(self, closure: Closure) -> Observation:
        l2_sgd, l2_psf = self._norm(gradients_of(self._observed())), None
        if sampled := self.iterations % self._period == 0:
            l2_psf = self._refresh(closure)
        else:
            self._reuse(self._norm(gradients_of(self._perturbed())))
        return Observation(sampled=sampled, l2_psf=l2_psf, l2_sgd=l2_sgd, sampling_rate=1 / self._period)
