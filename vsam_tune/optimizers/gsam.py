"""GSAM, surrogate-gap guided SAM: Zhuang et al. 2022, arXiv 2203.08065. SAM that also narrows L(w + e) - L(w).

One iteration on one batch: g1 = grad L(w); e = rho_t * g1 / ||g1||; g2 = grad L(w + e);
g_perp = g1 - (<g1, g2> / ||g2||^2) * g2; the base optimizer steps from w along g2 - alpha * g_perp. To first order the
second term does not change L(w + e), and raises L(w). rho_t = rho_min + (rho - rho_min) * lr / lr_0.

- choice: lr_0 is the first rate of the group's schedule (`initial_lr`), and without a schedule the group's rate at the
  start; the smallest rate is 0. With a rate above lr_0, and in a group whose lr_0 is 0, rho_t is rho.
- choice: a group whose rho is below rho_min keeps it.
- choice: the inner product and the norm are over all perturbed parameters that have both gradients. Where g2 is zero or
  a norm is not finite, nothing is subtracted.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.arguments import check, check_number
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.orthogonal_direction import projection
from vsam_tune.optimizers.perturbation import scale_
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware, buffers_for, gradients_of


class GSAM(SharpnessAware):
    """Descend along g2 - alpha * g_perp in every iteration. 2 gradient evaluations; copies of w and g1 while perturbed.

    Args:
        base: see `SharpnessAware`; its groups get `lr_at_start`, which is saved with them.
        rho: l2 radius of the perturbation over all parameters at the initial learning rate, >= 0, in units of the
            weights.
        rho_min: radius at a learning rate of 0, in [0, rho].
        alpha: how much of g1's part across g2 is subtracted, >= 0; 0 is SAM with a radius that follows the rate.
        norm_layers, model: see `SharpnessAware`.
    """

    def __init__(
        self,
        base: Optimizer,
        *,
        rho: float = 0.05,
        rho_min: float = 0.0,
        alpha: float = 0.4,
        norm_layers: int = 1,
        model: nn.Module | None = None,
    ) -> None:
        check_number("rho_min", rho_min, low=0.0)
        check_number("alpha", alpha, low=0.0)
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)
        check("rho_min", rho_min, f"at most rho = {rho}", holds=rho_min <= rho)
        self._rho_min, self._alpha = rho_min, alpha

    @override
    def _share(self) -> None:
        super()._share()
        for group in self.param_groups:
            group.setdefault("lr_at_start", float(group["lr"]))

    @override
    def _radius(self, group: dict[str, Any]) -> float:
        start = group.get("initial_lr", group["lr_at_start"])
        part = min(float(group["lr"] / start), 1.0) if start else 1.0
        rho: float = group["rho"]
        return part * rho + (1 - part) * min(self._rho_min, rho)

    @override
    def _descend(self, closure: Closure) -> Observation:
        observed, perturbed = self._observed(), self._perturbed()
        l2_sgd = self._norm(gradients_of(observed))
        psf = self._sample(closure, buffers_for(perturbed))
        l2_psf = self._norm([psf[parameter] for parameter in observed if parameter in psf])
        if psf:
            self._take_off(psf)
        return Observation(sampled=True, l2_psf=l2_psf, l2_sgd=l2_sgd, sampling_rate=1.0)

    def _take_off(self, psf: dict[Tensor, Tensor]) -> None:
        """Turn g2, in `.grad`, into g2 - alpha * g_perp = (1 + alpha * share) * g2 - alpha * g1.

        Args:
            psf: g2 - g1 by parameter; overwritten.
        """
        held, gradients = list(psf.values()), gradients_of(list(psf))
        difference, second = self._norm(held), self._norm(gradients)
        torch._foreach_sub_(held, gradients)  # -g1
        share = projection(second, self._norm(held), difference)
        defined = torch.isfinite(share)
        factor, alpha = torch.where(defined, 1 + self._alpha * share, 1.0), torch.full_like(share, self._alpha)
        for _, members in self._by_rho(list(psf)):
            gradients, negated = gradients_of(members), [psf[parameter] for parameter in members]
            torch._foreach_mul_(gradients, factor.to(gradients[0].device, gradients[0].dtype))
            scale_(negated, alpha, kept=defined)
            torch._foreach_add_(gradients, negated)
