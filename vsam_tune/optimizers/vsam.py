"""vSAM, variation-based SAM: arXiv 2403.08821. SAM's second gradient in sampled iterations, reused in the others.

The PSF, the projection of the sharpness on the gradient, is g_sam - g, with g and g_sam as in SAM. It is taken in
sampled iterations only, and each of these is SAM's (eq. 16); in between, the last PSF is reused, damped by its age (eq.
17). The probability that an iteration is sampled depends on the variation of the PSF: `sampling_rate` has that part
(eq. 8 to 15). The paper leaves some points open:

- choice: the reused PSF has the weight kappa ** age, age 1 in the first iteration after a sample.
  `reuse="constant"` is kappa at any age, `reuse="none"` is the paper's ablation vSAM-A. Before the first
  sample the descent is plain.
- choice: an iteration is sampled if u < p, u uniform in [0, 1) from a separate generator, and the interval has fewer
  than floor(max_rate * interval + 1e-9) samples, at least 1. All draws of an interval are made when it starts.
  Iterations count from 0, intervals start at the multiples of `interval`.
- choice: h and q are norms over the last `norm_layers` layers ("the last few layers").
- choice: a PSF is used until the next sample. A parameter without a gradient in either pass of a sample has no PSF
  until the next sample, and after a sample that fails (its closure raises) there is no PSF.

Memory: one copy of the gradients (it holds g while the weights are perturbed, then the PSF), and one copy of the
weights while perturbed. With `reuse="none"` only the gradients of the observed layers are copied. The host reads the
norms once an interval, when the rate may adapt, and waits for the device at no other time.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.arguments import check_choice, check_integer, check_number
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.sampling_rate import SamplingRate
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware, buffers_for, gradients_of
from vsam_tune.registry.never_adapted import NEVER_ADAPTED, NEVER_ADAPTED_FIX, rate_never_adapted

REUSES = ("geometric", "constant", "none")


class VSAM(SharpnessAware):
    """SAM in a sampled part of the iterations, and a damped copy of its correction in the others.

    Costs 1 + f gradient evaluations an iteration, f the sampled fraction.

    Args:
        rho: l2 radius of the perturbation over all parameters, >= 0, in units of the weights (eq. 2).
        beta: how strongly the change rates change the sampling rate, >= 0 (eq. 14); the paper: 0.05 to 0.2.
        kappa: damping of the reused PSF, in [0, 1] (eq. 17); the paper: 0.6 to 0.9.
        num_slices: slices of the sorted window, >= 1 (eq. 8).
        warmup_iterations: iterations before the rate adapts, >= 0.
        window: sampled iterations remembered, at least 2 * num_slices; one more is needed to adapt.
        interval: iterations between two adaptations, >= 1.
        initial_rate: sampling rate until the first adaptation, in [0, max_rate]; with 0 nothing is sampled.
        max_rate: largest sampling rate, in (0, 1].
        norm_layers: how many of the last layers h and q are taken over; 0 for all.
        reuse: weight of the reused PSF: "geometric" kappa ** age, "constant" kappa, "none" no reuse.
        change: form of the change rates: "relative", the paper's, or "log", which has no drift on noise.
        seed: of the draws.
        base, model: see `SharpnessAware`.
    """

    def __init__(  # noqa: PLR0913 - the hyper-parameters of METHODS, by keyword
        self,
        base: Optimizer,
        *,
        rho: float = 0.05,
        beta: float = 0.13,
        kappa: float = 0.8,
        num_slices: int = 4,
        warmup_iterations: int = 782,
        window: int = 40,
        interval: int = 100,
        initial_rate: float = 0.1,
        max_rate: float = 0.5,
        norm_layers: int = 1,
        reuse: str = "geometric",
        change: str = "relative",
        seed: int = 0,
        model: nn.Module | None = None,
    ) -> None:
        check_number("kappa", kappa, low=0.0, high=1.0)
        check_choice("reuse", reuse, REUSES)
        check_integer("seed", seed, low=0)
        self._controller = SamplingRate(
            beta=beta,
            num_slices=num_slices,
            warmup_iterations=warmup_iterations,
            window=window,
            interval=interval,
            initial_rate=initial_rate,
            max_rate=max_rate,
            change=change,
        )
        super().__init__(base, rho=rho, norm_layers=norm_layers, model=model)
        self._kappa, self._reuse = kappa, reuse
        self._generator = torch.Generator().manual_seed(seed)
        self._draws: list[float] = []  # u of each iteration of the current interval
        self._pending: list[tuple[Tensor, Tensor]] = []  # (h, q) of its samples, on the device, not read yet
        self._psf: dict[Tensor, Tensor] = {}
        self._age = 0  # iterations since the PSF was taken

    @property
    def sampling_rate(self) -> float:
        """The probability p that the next iteration is sampled, in [0, max_rate]."""
        return self._controller.rate

    @property
    def adaptation_start(self) -> int | None:
        """First iteration that was drawn with an adapted rate; None if the rate has not adapted yet."""
        return self._controller.adaptation_start

    @property
    def guarded(self) -> int:
        """How many change rates were undefined, and taken as 0."""
        return self._controller.guarded

    @override
    def metrics(self) -> dict[str, float]:
        """Return `guarded`; and `adaptation_start`, once an iteration was drawn with an adapted rate."""
        metrics: dict[str, float] = {"guarded": self.guarded}
        start = self.adaptation_start
        return metrics if start is None or start >= self.iterations else metrics | {"adaptation_start": start}

    @override
    def warnings(self) -> list[str]:
        if not rate_never_adapted(self.metrics()):
            return []
        sampled = round(self.gradient_evaluations) - self.iterations
        passed = f"in {self.iterations} iterations: {sampled} sampled, window {self._controller.window}"
        return [f"{NEVER_ADAPTED} {passed}. Fix: {NEVER_ADAPTED_FIX}"]

    @override
    def _descend(self, closure: Closure) -> Observation:
        l2_sgd = self._norm(gradients_of(self._observed()))
        sampled = self._is_sampled()
        l2_psf = None
        if sampled:
            l2_psf = self._take_psf(closure)
            self._pending.append((l2_psf, l2_sgd))
        else:
            self._reuse_psf()
        controller = self._controller
        observation = Observation(
            sampled=sampled,
            l2_psf=l2_psf,
            l2_sgd=l2_sgd,
            sampling_rate=controller.rate,
            sigma=controller.sigma,
            v=controller.v,
            u=controller.u,
        )
        if (self.iterations + 1) % controller.interval == 0:
            self._end_interval()
        return observation

    def _is_sampled(self) -> bool:
        controller = self._controller
        if not self._draws:
            self._draws = self._draw()
        u = self._draws[self.iterations % controller.interval]
        return len(self._pending) < controller.most_samples and u < controller.rate

    def _draw(self) -> list[float]:
        return torch.rand(self._controller.interval, generator=self._generator).tolist()

    def _take_psf(self, closure: Closure) -> Tensor:
        """Leave g_sam in `.grad` and keep the PSF.

        Returns:
            h, the norm of the PSF over the observed layers, 0-d.
        """
        observed = self._observed()
        kept = observed if self._reuse == "none" else self._perturbed()
        held = buffers_for(kept, self._psf)
        self._psf = {}  # its buffers now hold g, which must not be reused if the closure raises
        self._psf = self._sample(closure, held)
        self._age = 0
        return self._norm([self._psf[parameter] for parameter in observed if parameter in self._psf])

    def _reuse_psf(self) -> None:
        """Add the damped PSF to the gradients, if there is one (eq. 17)."""
        self._age += 1
        if self._reuse == "none":
            return
        reused = [parameter for parameter in self._psf if parameter.grad is not None]
        if reused:
            weight = self._kappa**self._age if self._reuse == "geometric" else self._kappa
            psf = [self._psf[parameter] for parameter in reused]
            torch._foreach_add_(gradients_of(reused), psf, alpha=weight)

    def _end_interval(self) -> None:
        """Read the interval's norms, in one transfer, and adapt the rate."""
        samples: list[tuple[float, float]] = []
        if self._pending:
            samples = [(h, q) for h, q in torch.stack([torch.stack(pair) for pair in self._pending]).tolist()]
        self._controller.end_interval(samples, iterations=self.iterations + 1)
        self._draws, self._pending = [], []

    @override
    def _method_state(self) -> dict[str, Any]:
        return {
            "generator": self._generator.get_state(),
            "draws": self._draws,
            "pending": list(self._pending),
            "psf": self._by_position(self._psf),
            "age": self._age,
            **self._controller.state_dict(),
        }

    @override
    def _load_method_state(self, state: dict[str, Any]) -> None:
        self._controller.load_state_dict(state)
        self._generator.set_state(state["generator"].cpu())
        self._draws = list(state["draws"])
        device = self._devices()[0]
        self._pending = [(h.to(device), q.to(device)) for h, q in state["pending"]]
        self._psf = self._by_parameter(state["psf"])
        self._age = state["age"]
