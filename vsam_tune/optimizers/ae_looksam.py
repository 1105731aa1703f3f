"""AE-LookSAM: Jiang et al. 2023, arXiv 2304.14647. AE-SAM's iterations, and LookSAM's direction in the others.

`adaptive_threshold` has the rule and its choices, `orthogonal_direction` the direction and its choices. There is no
fixed period. The defaults of the rule are from memory, not checked: SAM gets about a fifth of the iterations, as in
LookSAM-5.
"""

import math
from typing import Any

from torch import nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.adaptive_threshold import AdaptiveThreshold
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.orthogonal_direction import OrthogonalReuse
from vsam_tune.optimizers.sharpness_aware import Closure, gradients_of


class AELookSAM(OrthogonalReuse):
    """Be SAM where the squared gradient norm reaches its threshold, and reuse SAM's direction in the other iterations.

    Costs 1 + f gradient evaluations, f the sampled fraction. Keeps one copy of the gradients, and one of the weights
    while perturbed. The host reads the norm in each iteration, and so waits for the device.

    Args:
        rho: l2 radius of the perturbation over all parameters, >= 0, in units of the weights.
        alpha: length of the reused direction, in norms of the gradient, >= 0; 0 is AE-SAM.
        decay: of the averages of the squared norm, in [0, 1].
        threshold_start: standard deviations above the mean from which an iteration is SAM's, at the start; infinite
            only if both are, -inf for always, inf for never.
        threshold_end: the same at the end; the number changes linearly.
        num_iterations: planned for the whole run, >= 1; None for a threshold that is always halfway between.
        base, norm_layers, model: see `SharpnessAware`.
    """

    def __init__(  # noqa: PLR0913 - the hyper-parameters of METHODS, by keyword
        self,
        base: Optimizer,
        *,
        rho: float = 0.05,
        alpha: float = 0.7,
        decay: float = 0.9,
        threshold_start: float = 2.0,
        threshold_end: float = 0.0,
        norm_layers: int = 1,
        model: nn.Module | None = None,
        num_iterations: int | None = None,
    ) -> None:
        self._rule = AdaptiveThreshold(
            decay=decay,
            threshold_start=threshold_start,
            threshold_end=threshold_end,
            num_iterations=num_iterations,
        )
        super().__init__(base, rho=rho, alpha=alpha, norm_layers=norm_layers, model=model)

    @override
    def _descend(self, closure: Closure) -> Observation:
        norm = self._norm(gradients_of(self._perturbed()))
        decision = self._rule.decide(float(norm), self.iterations)
        l2_sgd, l2_psf = self._norm(gradients_of(self._observed())), None
        if decision.sampled:
            l2_psf = self._refresh(closure)
        else:
            self._reuse(norm)
        self._rule.carried_out(decision)
        return Observation(
            sampled=decision.sampled,
            l2_psf=l2_psf,
            l2_sgd=l2_sgd,
            sampling_rate=math.nan,
            squared_norm=decision.squared_norm,
            threshold=decision.threshold,
        )

    @override
    def _method_state(self) -> dict[str, Any]:
        return {**super()._method_state(), **self._rule.state_dict()}

    @override
    def _load_method_state(self, state: dict[str, Any]) -> None:
        super()._load_method_state(state)
        self._rule.load_state_dict(state)
