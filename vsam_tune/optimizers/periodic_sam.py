"""SAM-k: a SAM iteration in every k-th one, plain descent in between; SAM-5 and SAM-10 of vSAM's table 3.

Choices: the count runs over the whole run and never restarts at an epoch (the published 15,640 samples of SAM-5 in
78,200 iterations need this); `offset` is 0. Both kinds of iteration share the base's momentum buffer.
"""

from torch import nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.arguments import check_integer
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware


class PeriodicSAM(SharpnessAware):
    """Be SAM in iterations offset, offset + period, ..., counted from 0. 1 + 1/period gradient evaluations.

    Args:
        rho: l2 radius of the perturbation over all parameters, >= 0, in units of the weights.
        period: iterations from one SAM iteration to the next, >= 1; 1 is SAM.
        offset: the first SAM iteration, >= 0.
        base, norm_layers, model: see `SharpnessAware`.
    """

    def __init__(
        self,
        base: Optimizer,
        *,
        rho: float = 0.05,
        period: int = 5,
        offset: int = 0,
        norm_layers: int = 1,
        model: nn.Module | None = None,
    ) -> None:
        check_integer("period", period, low=1)
        check_integer("offset", offset, low=0)
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)
        self._period, self._offset = period, offset

    @override
    def _descend(self, closure: Closure) -> Observation:
        since = self.iterations - self._offset
        if since >= 0 and since % self._period == 0:
            return self._sam_iteration(closure, sampling_rate=1 / self._period)
        return self._plain_iteration(sampling_rate=1 / self._period)
