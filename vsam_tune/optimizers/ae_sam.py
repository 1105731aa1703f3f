"""AE-SAM, adaptive policy: Jiang et al. 2023, arXiv 2304.14647. SAM where ||g||^2 is high, plain descent elsewhere.

`adaptive_threshold` has the rule and its choices. Choices: ||g||^2 is over all perturbed parameters, without weight
decay, averaged over workers first. The defaults of the rule are from memory, not checked: a threshold that is symmetric
around the mean gives the published half of the iterations.
"""

import math
from dataclasses import replace
from typing import Any

from torch import nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.adaptive_threshold import AdaptiveThreshold
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware, gradients_of


class AESAM(SharpnessAware):
    """Be SAM in the iterations whose squared gradient norm reaches a threshold that follows its recent values.

    Costs 1 + f gradient evaluations, f the sampled fraction; a copy of the weights while perturbed. The host reads the
    norm in each iteration, and so waits for the device.

    Args:
        rho: l2 radius of the perturbation over all parameters, >= 0, in units of the weights.
        decay: of the averages of the squared norm, in [0, 1].
        threshold_start: standard deviations above the mean from which an iteration is SAM's, at the start; infinite
            only if both are, -inf for always, inf for never.
        threshold_end: the same at the end; the number changes linearly.
        num_iterations: planned for the whole run, >= 1; None for a threshold that is always halfway between.
        base, norm_layers, model: see `SharpnessAware`.
    """

    def __init__(
        self,
        base: Optimizer,
        *,
        rho: float = 0.05,
        decay: float = 0.9,
        threshold_start: float = 1.0,
        threshold_end: float = -1.0,
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
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)

    @override
    def _descend(self, closure: Closure) -> Observation:
        norm = float(self._norm(gradients_of(self._perturbed())))
        decision = self._rule.decide(norm, self.iterations)
        if decision.sampled:
            observation = self._sam_iteration(closure, sampling_rate=math.nan)
        else:
            observation = self._plain_iteration(sampling_rate=math.nan)
        self._rule.carried_out(decision)
        return replace(observation, squared_norm=decision.squared_norm, threshold=decision.threshold)

    @override
    def _method_state(self) -> dict[str, Any]:
        return self._rule.state_dict()

    @override
    def _load_method_state(self, state: dict[str, Any]) -> None:
        self._rule.load_state_dict(state)
