"""RST, randomized sharpness-aware training: Zhao et al. 2022, arXiv 2203.09962. SAM in randomly chosen iterations.

It is vSAM without adaptation and without reuse, and shows their effect by comparison. Choices: an iteration is SAM's if
u < p, u uniform in [0, 1) from a separate generator; the linear schedule is p * t / T, from 0 at t = 0. The paper's
G-RST, which also weights g_sam - g, and its stepwise schedule are not offered.
"""

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.arguments import check_choice, check_integer, check_number
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware

SCHEDULES = ("constant", "linear")


class RST(SharpnessAware):
    """Be SAM with a probability, drawn anew in each iteration.

    Costs 1 + f gradient evaluations, f the sampled fraction; a copy of the weights while perturbed. Workers need the
    same seed.

    Args:
        rho: l2 radius of the perturbation over all parameters, >= 0, in units of the weights.
        probability: that an iteration is SAM's, in [0, 1]; 1 is SAM, 0 the base optimizer.
        schedule: "constant", or "linear" from 0 to `probability` at the end of the run.
        seed: of the draws.
        num_iterations: planned for the whole run, >= 1; the linear schedule needs it, and is constant afterwards.
        base, norm_layers, model: see `SharpnessAware`.
    """

    def __init__(
        self,
        base: Optimizer,
        *,
        rho: float = 0.05,
        probability: float = 0.5,
        schedule: str = "constant",
        norm_layers: int = 1,
        seed: int = 0,
        model: nn.Module | None = None,
        num_iterations: int | None = None,
    ) -> None:
        check_number("probability", probability, low=0.0, high=1.0)
        check_choice("schedule", schedule, SCHEDULES)
        if schedule == "linear" or num_iterations is not None:
            check_integer("num_iterations", num_iterations, low=1)
        check_integer("seed", seed, low=0)
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)
        self._probability = probability
        self._rises_until = num_iterations if schedule == "linear" else None
        self._generator = torch.Generator().manual_seed(seed)
        self._next_draw = self._draw()  # u of the next iteration, even if it has to be repeated

    @property
    def sampling_rate(self) -> float:
        """The probability p that the next iteration is sampled, in [0, 1]."""
        if self._rises_until is None:
            return self._probability
        return self._probability * min(self.iterations / self._rises_until, 1.0)

    @override
    def _descend(self, closure: Closure) -> Observation:
        rate = self.sampling_rate
        if self._next_draw < rate:
            observation = self._sam_iteration(closure, sampling_rate=rate)
        else:
            observation = self._plain_iteration(sampling_rate=rate)
        self._next_draw = self._draw()
        return observation

    def _draw(self) -> float:
        draws: list[float] = torch.rand(1, generator=self._generator).tolist()
        return draws[0]

    @override
    def _method_state(self) -> dict[str, Any]:
        return {"generator": self._generator.get_state(), "next_draw": self._next_draw}

    @override
    def _load_method_state(self, state: dict[str, Any]) -> None:
        self._generator.set_state(state["generator"].cpu())
        self._next_draw = state["next_draw"]
