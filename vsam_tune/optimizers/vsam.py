"""vSAM, variation-based SAM: arXiv 2403.08821. SAM's second gradient in sampled iterations, reused in between.

The PSF, the projection of the sharpness on the gradient, is g_sam - g, with g and g_sam as in SAM. A sampled iteration
is SAM's (eq. 16). The iterations that follow add the last PSF, damped by its age (eq. 17), until it is too old. How
many iterations are sampled follows how much the PSF varies: `sampling_rate` has that part (eq. 8 to 15).

The form is the one that the authors ran (github.com/ajiaaa/vSAM); docs/vsam.md says what comes from the paper, what
from the program, and what is a choice of this project:

- choice: `reuse="none"` is the paper's ablation vSAM-A.
- choice: u comes from a generator of the optimizer's own, one number an iteration, and only where u decides.
- choice: a PSF lives from one sample to the next. A parameter without a gradient in either pass of a sample has no PSF
  until the next sample, and a sample that fails (its closure raises) leaves none for any.

Memory: one copy of the gradients is kept (it holds g while the weights are perturbed, then the PSF), and one copy of
the weights while perturbed. With `reuse="none"` only the gradients of the observed tensors are copied. The host reads
the norms once an interval and waits for the device at no other time.
"""

import math
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.arguments import check, check_choice, check_integer, check_number
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.sampling_rate import SamplingRate
from vsam_tune.optimizers.sharpness_aware import Closure, SharpnessAware, buffers_for, gradients_of
from vsam_tune.registry.never_adapted import (
    NEVER_ADAPTED,
    NEVER_ADAPTED_FIX,
    first_adaptation,
    fitted,
    rate_never_adapted,
)

REUSES = ("geometric", "none")


def _pasted(values: dict[str, int] | None) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items()) if values else "a longer run"


class VSAM(SharpnessAware):
    """SAM in sampled iterations, and a damped copy of its correction in the iterations that follow each.

    Costs 1 + f gradient evaluations an iteration, f the sampled fraction.

    Args:
        base: applies the update; any torch optimizer but LBFGS.
        rho: l2 radius of the perturbation over all parameters, >= 0, in units of the weights (eq. 2).
        beta: how strongly the change rates move the expected number of samples, >= 0 (eq. 14).
        kappa: damping of the reused PSF an iteration, in [0, 1] (eq. 17).
        num_slices: slices of the sorted window, >= 1 (eq. 8).
        warmup_iterations: the first iterations, >= 0; SAM in each of them.
        interval: iterations between two adaptations, and samples remembered, >= 2 * num_slices.
        max_rate: at most floor(max_rate * interval) samples an interval, in (0, 1].
        max_age: iterations after a sample that reuse its PSF, >= 0.
        norm_tensors: how many of the last parameter tensors h and q are taken over, >= 0; 0 for all.
        reuse: "geometric" for kappa ** age times the PSF, "none" for plain steps between samples.
        change: form of the change rates: "relative", the paper's, or "log", which has no drift on noise.
        seed: of the generator of u.
        model: see `SharpnessAware`; without it the second pass updates batch norm's statistics again.
        uniform: t -> u of iteration t, in [0, 1), instead of the generator's; for tests and replays.
    """

    def __init__(  # noqa: PLR0913 - the hyper-parameters of METHODS, by keyword
        self,
        base: Optimizer,
        *,
        rho: float = 0.05,
        beta: float = 0.13,
        kappa: float = 0.7,
        num_slices: int = 5,
        warmup_iterations: int = 1173,
        interval: int = 50,
        max_rate: float = 0.8,
        max_age: int = 6,
        norm_tensors: int = 10,
        reuse: str = "geometric",
        change: str = "relative",
        seed: int = 0,
        model: nn.Module | None = None,
        uniform: Callable[[int], float] | None = None,
    ) -> None:
        check_number("kappa", kappa, low=0.0, high=1.0)
        check_integer("max_age", max_age, low=0)
        check_integer("norm_tensors", norm_tensors, low=0)
        check_choice("reuse", reuse, REUSES)
        check_integer("seed", seed, low=0)
        self._controller = SamplingRate(
            beta=beta,
            num_slices=num_slices,
            warmup_iterations=warmup_iterations,
            interval=interval,
            max_rate=max_rate,
            change=change,
        )
        self._norm_tensors = norm_tensors
        super().__init__(base, rho=rho, norm_layers=0, model=model)
        self._kappa, self._max_age, self._reuse = kappa, max_age, reuse
        self._generator = torch.Generator().manual_seed(seed)
        self._uniform = uniform
        self._pending: list[tuple[Tensor, Tensor]] = []  # (h, q) of samples, on the device, not read yet
        self._psf: dict[Tensor, Tensor] = {}
        self._age = 0  # iterations since the PSF was taken

    @classmethod
    def for_run(cls, base: Optimizer, num_iterations: int, **settings: Any) -> Self:  # noqa: ANN401 - of several types
        """Return a VSAM whose rate adapts within a run; warm-up and interval fit it unless they are given.

        Args:
            base: see the class.
            num_iterations: of the whole run.
            settings: the other arguments of the class.

        Raises:
            ValueError: if the rate cannot adapt before the run ends.
        """
        values = fitted(num_iterations, settings.get("num_slices", 5))
        optimizer = cls(base, **{**(values or {}), **settings})
        controller = optimizer._controller
        first = first_adaptation(controller.warmup_iterations, controller.interval)
        rule = f"more than {first}: the sampling rate first adapts there. Fix: {_pasted(values)}"
        check("num_iterations", num_iterations, rule, holds=first < num_iterations)
        return optimizer

    @property
    def expected(self) -> float:
        """N, the expected number of samples an interval, in [1, floor(max_rate * interval)]."""
        return self._controller.expected

    @property
    def adaptation_start(self) -> int | None:
        """First iteration that an adapted N decided on; None if N has not adapted yet."""
        return self._controller.adaptation_start

    @property
    def guarded(self) -> int:
        """How many change rates counted as 0, being not defined."""
        return self._controller.guarded

    @override
    def metrics(self) -> dict[str, float]:
        """Return `guarded`; and `adaptation_start`, once N has adapted."""
        found: dict[str, float] = {"guarded": self.guarded}
        if self.adaptation_start is not None:
            found["adaptation_start"] = self.adaptation_start
        return found

    @override
    def warnings(self) -> list[str]:
        if not rate_never_adapted(self.metrics()):
            return []
        return [f"{NEVER_ADAPTED} in {self.iterations} iterations. Fix: {NEVER_ADAPTED_FIX}"]

    @override
    def _descend(self, closure: Closure) -> Observation:
        iteration, controller = self.iterations, self._controller
        if controller.begins_interval(iteration):
            self._read_norms()
            controller.begin_interval(iteration)
        l2_sgd = self._norm(gradients_of(self._observed()))
        sampled = controller.is_sampled(iteration, self._u)
        l2_psf = None
        if sampled:
            l2_psf = self._take_psf(closure)
            controller.count_sample(iteration)
            self._pending.append((l2_psf, l2_sgd))
            if len(self._pending) == controller.interval:  # a long warm-up
                self._read_norms()
        else:
            self._reuse_psf()
        return Observation(
            sampled=sampled,
            l2_psf=l2_psf,
            l2_sgd=l2_sgd,
            sampling_rate=controller.rate(iteration),
            expected=controller.expected,
            age=self._age if self._psf else math.nan,
            sigma=controller.sigma,
            v=controller.v,
            u=controller.u,
        )

    @override
    def _observed(self) -> list[Tensor]:
        """Return the last `norm_tensors` perturbed tensors, of those that have a gradient now."""
        return self._perturbed()[-self._norm_tensors :]

    def _u(self, iteration: int) -> float:
        if self._uniform is not None:
            return self._uniform(iteration)
        draws: list[float] = torch.rand(1, generator=self._generator, dtype=torch.float64).tolist()
        return draws[0]

    def _take_psf(self, closure: Closure) -> Tensor:
        """Leave g_sam in `.grad` and keep the PSF.

        Returns:
            h, the norm of the PSF over the observed tensors, 0-d.
        """
        observed = self._observed()
        kept = observed if self._reuse == "none" else self._perturbed()
        held = buffers_for(kept, self._psf)
        self._psf = {}  # its buffers hold g now, which must not be reused if the closure raises
        self._psf = self._sample(closure, held)
        self._age = 0
        return self._norm([self._psf[parameter] for parameter in observed if parameter in self._psf])

    def _reuse_psf(self) -> None:
        """Add the damped PSF to the gradients, where there is one that is not too old (eq. 17)."""
        self._age += 1
        if self._reuse == "none" or self._age > self._max_age:
            return
        reused = [parameter for parameter in self._psf if parameter.grad is not None]
        if reused:
            psf = [self._psf[parameter] for parameter in reused]
            torch._foreach_add_(gradients_of(reused), psf, alpha=self._kappa**self._age)

    def _read_norms(self) -> None:
        """Read the norms of the samples since the last read, in one transfer."""
        if self._pending:
            samples = torch.stack([torch.stack(pair) for pair in self._pending]).tolist()
            self._controller.record([(h, q) for h, q in samples])
            self._pending = []

    @override
    def _saved_by(self) -> dict[str, Any]:
        # choice: another interval has other samples and another count; vSAM-A has no PSF of most parameters
        return super()._saved_by() | {"interval": self._controller.interval, "reuse": self._reuse}

    @override
    def _method_state(self) -> dict[str, Any]:
        return {
            "generator": self._generator.get_state(),
            "pending": list(self._pending),
            "psf": self._by_position(self._psf),
            "age": self._age,
            **self._controller.state_dict(),
        }

    @override
    def _load_method_state(self, state: dict[str, Any]) -> None:
        self._controller.load_state_dict(state)
        self._generator.set_state(state["generator"].cpu())
        device = self._devices()[0]
        self._pending = [(h.to(device), q.to(device)) for h, q in state["pending"]]
        self._psf = self._by_parameter(state["psf"])
        self._age = state["age"]
