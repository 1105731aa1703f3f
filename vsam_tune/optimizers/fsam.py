"""F-SAM, friendly SAM: Li et al. 2024, arXiv 2403.12350. SAM along the noise of a batch's gradient.

One iteration on one batch: g = grad L(w); d = g - sigma * m; e = rho * d / ||d||; g_sam = grad L(w + e); m <- decay * m
+ (1 - decay) * g; the base optimizer steps from w along g_sam. m estimates the gradient of all images, so d is the
noise of this batch.

- choice: m starts as the first gradient, as in nblt/F-SAM. The first iteration has no m, and is SAM's. A parameter that
  gets its first gradient later starts then.
- choice: m is updated after its use, from the gradient and not from d, as there.
- choice: m contains finished iterations only: a second pass that fails (its closure raises) does not change m. A
  gradient that is not finite counts as zero.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.arguments import check_number
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.perturbation import copies, scale_
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware, gradients_of


class FSAM(SharpnessAware):
    """Descend along grad L(w + e) in every iteration, e along the gradient's difference to its average.

    2 gradient evaluations. Keeps one copy of the gradients (m), and two more while perturbed (w and g).

    Args:
        rho: l2 radius of the perturbation over all parameters, >= 0, in units of the weights.
        sigma: how much of the average is subtracted, >= 0; 0 is SAM.
        decay: of the average, in [0, 1]; at 0 it is the gradient of the iteration before.
        base, norm_layers, model: see `SharpnessAware`.
    """

    def __init__(
        self,
        base: Optimizer,
        *,
        rho: float = 0.05,
        sigma: float = 1.0,
        decay: float = 0.9,
        norm_layers: int = 1,
        model: nn.Module | None = None,
    ) -> None:
        check_number("sigma", sigma, low=0.0)
        check_number("decay", decay, low=0.0, high=1.0)
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)
        self._sigma, self._decay = sigma, decay
        self._average: dict[Tensor, Tensor] = {}  # m

    @override
    def _descend(self, closure: Closure) -> Observation:
        perturbed = self._perturbed()
        gradients = dict(zip(perturbed, copies(gradients_of(perturbed)), strict=True))
        observation = self._sam_iteration(closure, sampling_rate=1.0)
        self._take_in(gradients)
        return observation

    @override
    def _perturb(self) -> None:
        averaged = [parameter for parameter in self._perturbed() if parameter in self._average]
        if averaged:
            averages = [self._average[parameter] for parameter in averaged]
            torch._foreach_sub_(gradients_of(averaged), averages, alpha=self._sigma)
        super()._perturb()

    def _take_in(self, gradients: dict[Tensor, Tensor]) -> None:
        """Update m with g by parameter; keep a tensor if m starts with it."""
        norm = self._norm(list(gradients.values()))
        for _, members in self._by_rho(list(gradients)):
            scale_([gradients[parameter] for parameter in members], torch.ones_like(norm), kept=torch.isfinite(norm))
        averaged = [parameter for parameter in gradients if parameter in self._average]
        if averaged:
            averages = [self._average[parameter] for parameter in averaged]
            torch._foreach_lerp_(averages, [gradients[parameter] for parameter in averaged], 1 - self._decay)
        self._average = gradients | self._average

    @override
    def _method_state(self) -> dict[str, Any]:
        return {"average": self._by_position(self._average)}

    @override
    def _load_method_state(self, state: dict[str, Any]) -> None:
        self._average = self._by_parameter(state["average"])
