"""ESAM, efficient SAM: Du et al. 2022, arXiv 2110.03141; two shortcuts, each with a separate switch.

SWP, stochastic weight perturbation: e is along the gradient of the active tensors alone, A, and 0 elsewhere,

    e_A = (rho / swp_keep) * g_A / ||g_A||,        A drawn anew for each iteration, all tensors in the first.

SDS, sharpness-sensitive data selection: g_sam is of the samples whose losses e raises most,

    g_sam = grad (1/|S|) sum_{i in S} l_i(w + e),  S the samples of the |S| largest l_i(w + e) - l_i(w),
    |S| = max(1, floor(sds_keep * b)) of b.

Choices, where the paper and the authors' code (dydjw9/Efficient_SAM) differ or leave something open:

- choice: SWP masks whole tensors, as the code does: only that saves time. The paper masks single weights.
- choice: the norm is over the active tensors, so that ||e|| = rho / swp_keep, as in the code. In the paper it is over
  all, so that the mean of e is SAM's. If no tensor is active, e is 0, and the iteration continues.
- choice: S has exactly |S| samples, ties by the lower index. The code takes those above the |S|-th largest increase:
  one fewer, and none where all are equal.
- choice: if S is the whole batch, nothing is selected, and there is no forward pass for the selection.
- choice: running statistics of batch norm follow the first pass alone; in the code all three passes update them. The
  second gradient's pass normalises over S, as in the code.
- choice: the optimizer has a separate generator for its draws. The same tensors are active on several workers, since
  they have the same seed, and each worker selects from its samples, as in the code.
- choice: where layers draw, such as dropout, the selection repeats the draws of the first pass. The second gradient's
  pass starts from the same random state, but draws for fewer samples.
"""

import math
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.arguments import check, check_integer, check_number
from vsam_tune.optimizers.closure_call import called
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.partial_sam import PartialSAM
from vsam_tune.optimizers.second_pass import replayed
from vsam_tune.optimizers.sharpness_aware import Closure


def num_selected(batch_size: int, keep: float) -> int:
    """Return |S| of a batch: floor(keep * batch_size), at least 1, of a product up to rounding."""
    return max(1, math.floor(keep * batch_size + 1e-9))


def largest(values: Tensor, count: int) -> Tensor:
    """Return the positions of the largest values, the first of equal ones; the host reads nothing.

    Args:
        values: (b,); NaN counts as the largest.
        count: how many, in [1, b].

    Returns:
        (count,) int64, ascending.
    """
    return values.argsort(descending=True, stable=True)[:count].sort().values


class ESAM(PartialSAM):
    """SAM with a first gradient of some tensors and a second one of some samples.

    Costs 2/3 + swp_keep/3 + sds_keep gradient evaluations by arithmetic, and a forward pass if sds_keep < 1. It counts
    1 + |S|/b, since the first backward pass still runs through the whole network. Keeps one copy of the active tensors
    while perturbed. With swp_keep = sds_keep = 1 it is SAM, bit for bit.

    Args:
        rho: l2 radius of SAM's perturbation, >= 0, in units of the weights; ESAM's is rho / swp_keep.
        swp_keep: probability that a tensor is active in an iteration, in (0, 1]; 1 switches SWP off.
        sds_keep: part of the batch for the second gradient, in (0, 1]; 1 switches SDS off.
        norm_layers: how many of the last layers with an active tensor `observation` takes its norms over; 0 for
            all. It changes no trajectory.
        seed: of the draws. Workers need the same seed, so that they agree on the active tensors.
        model: see `SharpnessAware`; without it the later passes update batch norm's statistics again.
        base: see `SharpnessAware`.
    """

    def __init__(
        self,
        base: Optimizer,
        *,
        rho: float = 0.05,
        swp_keep: float = 0.6,
        sds_keep: float = 0.5,
        norm_layers: int = 1,
        seed: int = 0,
        model: nn.Module | None = None,
    ) -> None:
        for name, value in (("swp_keep", swp_keep), ("sds_keep", sds_keep)):
            check_number(name, value, low=0.0, high=1.0)
            check(name, value, "greater than 0", holds=value > 0)
        check_integer("seed", seed, low=0)
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)
        self._swp_keep, self._sds_keep = swp_keep, sds_keep
        self._generator = torch.Generator().manual_seed(seed)
        self._inactive: set[Tensor] = set()
        self._first_losses = torch.empty(0)  # (b,) of this iteration's first pass

    @override
    def smallest_pass(self, batch_size: int) -> int:
        return num_selected(batch_size, self._sds_keep)

    @override
    def _descend(self, closure: Closure) -> Observation:
        observation = super()._descend(closure)
        drawn = zip(self._parameters(), self._draw(), strict=True)
        self._inactive = {parameter for parameter, u in drawn if u >= self._swp_keep}
        return observation

    def _draw(self) -> list[float]:
        """Return a number in [0, 1) for each tensor, which decides whether it is active in the next iteration."""
        return torch.rand(len(self._parameters()), generator=self._generator).tolist()

    @override
    def _to_perturb(self) -> list[Tensor]:
        return [parameter for parameter in self._perturbable() if parameter not in self._inactive]

    @override
    def _radius(self, group: dict[str, Any]) -> float:
        return super()._radius(group) / self._swp_keep

    @override
    def _first_gradient(self, closure: Closure) -> Tensor:
        self._first_losses = self._differentiate(closure, self._to_perturb())
        return self._first_losses.mean()

    @override
    def _second_gradient(self, closure: Closure) -> None:
        batch_size = len(self._first_losses)
        count = num_selected(batch_size, self._sds_keep)
        if count == batch_size:
            super()._second_gradient(closure)
            return
        increases = called(closure, None) - self._first_losses
        self.forward_passes += 1
        with ExitStack() as stack:
            if self._before is not None:  # the selection has drawn since
                stack.enter_context(replayed(self._before))
            self._differentiate(closure, self._parameters(), largest(increases, count), share=count / batch_size)

    @override
    def _method_state(self) -> dict[str, Any]:
        inactive = [i for i, parameter in enumerate(self._parameters()) if parameter in self._inactive]
        return {"generator": self._generator.get_state(), "inactive": inactive}

    @override
    def _load_method_state(self, state: dict[str, Any]) -> None:
        parameters = self._parameters()
        self._generator.set_state(state["generator"].cpu())
        self._inactive = {parameters[i] for i in state["inactive"]}
