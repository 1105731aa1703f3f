"""LookSAM's direction: the part of SAM's gradient across the plain one, kept and reused. arXiv 2203.02714.

In an iteration with a second gradient g2, g_v = g2 - (<g1, g2> / ||g1||^2) * g1 is its part across g1, and u = g_v /
||g_v|| is kept. In the others alpha * ||g1|| * u is added to g1. The length does not decrease with the age of u.

- choice: norms and inner products are over all perturbed parameters together, as in the paper. Norms of single tensors,
  as in some public code, make another method, which divides by zero where a tensor has no gradient.
- choice: u = 0 where ||g_v|| <= 1e-6 * ||g2|| (1e-12 in float64): it would be rounding, stretched to full length.
- choice: if a gradient is not finite, u is 0, and nothing is added.
- choice: a parameter without a gradient in either pass has no part in u until the next u, and after a second pass that
  fails (its closure raises) there is no u.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.arguments import check_number
from vsam_tune.optimizers.perturbation import copy_, scale_
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware, buffers_for, gradients_of


def projection(first: Tensor, second: Tensor, difference: Tensor) -> Tensor:
    """Return <g1, g2> / ||g1||^2 by the law of cosines: torch has no inner product of lists in one call.

    Its error is that of the norms, relative to ||g2|| / ||g1||; the result is exactly 1 where g2 = g1.

    Args:
        first: 0-d, ||g1||; at 0 the result is not finite.
        second: 0-d, ||g2||.
        difference: 0-d, ||g2 - g1||.
    """
    return (1 + (second / first).square() - (difference / first).square()) / 2


class OrthogonalReuse(SharpnessAware):
    """A method that keeps u. It calls `_refresh` in a SAM iteration and `_reuse` in any other.

    Keeps one copy of the gradients: g1 while the weights are perturbed, then u.

    Args:
        alpha: length of the reused direction, in norms of the gradient, >= 0.
        base, rho, norm_layers, model: see `SharpnessAware`.
    """

    def __init__(self, base: Optimizer, *, rho: float, alpha: float, norm_layers: int, model: nn.Module | None) -> None:
        check_number("alpha", alpha, low=0.0)
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)
        self._alpha = alpha
        self._direction: dict[Tensor, Tensor] = {}  # u

    def _refresh(self, closure: Closure) -> Tensor:
        """Leave g2 in `.grad`, and keep u.

        Returns:
            ||g2 - g1|| over the observed layers, 0-d.
        """
        observed, perturbed = self._observed(), self._perturbed()
        held = buffers_for(perturbed, self._direction)
        copy_(list(held.values()), gradients_of(perturbed))
        self._direction = {}  # its buffers now hold g1, which must not be reused if the closure raises
        self._second_pass(closure)
        held = {parameter: buffer for parameter, buffer in held.items() if parameter.grad is not None}
        if not held:
            return self._norm([])
        psf = dict(zip(held, torch._foreach_sub(gradients_of(list(held)), list(held.values())), strict=True))
        self._orthogonalise(held, self._norm(list(psf.values())))
        self._direction = held
        return self._norm([psf[parameter] for parameter in observed if parameter in psf])

    def _orthogonalise(self, held: dict[Tensor, Tensor], difference: Tensor) -> None:
        """Turn g1, the buffers, into u, in place; g2 is in `.grad`, and `difference` is ||g2 - g1||, 0-d."""
        second = self._norm(gradients_of(list(held)))
        share = projection(self._norm(list(held.values())), second, difference)
        alike = [members for _, members in self._by_rho(list(held))]
        for members in alike:
            directions = [held[parameter] for parameter in members]
            torch._foreach_mul_(directions, -share.to(directions[0].device, directions[0].dtype))
            torch._foreach_add_(directions, gradients_of(members))
        length = self._norm(list(held.values()))
        smallest = (1e-12 if length.dtype == torch.float64 else 1e-6) * second
        for members in alike:
            kept = torch.isfinite(length) & (length > smallest)
            scale_([held[parameter] for parameter in members], 1 / length, kept=kept)

    def _reuse(self, norm: Tensor) -> None:
        """Add alpha * ||g1|| * u to the gradients, where there is a u; `norm` is ||g1||, 0-d."""
        reused = [parameter for parameter in self._direction if parameter.grad is not None]
        length = torch.where(torch.isfinite(norm), self._alpha * norm, 0.0)
        for _, members in self._by_rho(reused):
            gradients, directions = gradients_of(members), [self._direction[parameter] for parameter in members]
            factor = length.to(gradients[0].device, gradients[0].dtype)
            # not a product and a sum: that would copy the gradients, and take a CPU several times as long
            torch._foreach_addcmul_(gradients, directions, [factor] * len(gradients))

    @override
    def _method_state(self) -> dict[str, Any]:
        return {"direction": self._by_position(self._direction)}

    @override
    def _load_method_state(self, state: dict[str, Any]) -> None:
        self._direction = self._by_parameter(state["direction"])
