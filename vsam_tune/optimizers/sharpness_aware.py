"""The wrapper that every method shares: two passes over one batch around any torch base optimizer.

Rules for all methods (METHODS 1): there is one norm over all parameter groups, in float32 at least; the gradient
contains no weight decay; the base optimizer applies the update, and sees the unperturbed weights. All parameters that
have a gradient are perturbed, batch norm's and biases too.

Choices: weights are copied and copied back in place, since w + e - e is not w in float32. Nothing waits for the device
inside an iteration. A closure that adds up the gradients of micro-batches has the same effect as the whole batch. Not
offered: gradient scaling (torch's `GradScaler` takes no closure; bfloat16 autocast needs none), sparse gradients.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.optim import LBFGS, Optimizer
from typing_extensions import override

from vsam_tune.optimizers.arguments import check, check_choice, check_integer, check_number
from vsam_tune.optimizers.layers import last_with_gradient, layers_of
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.perturbation import copies, copy_, global_norm, perturb_
from vsam_tune.optimizers.second_pass import (
    RandomState,
    frozen_statistics,
    frozen_vectors,
    norms_with_statistics,
    power_iterations,
    replayed,
)
from vsam_tune.optimizers.workers import Workers, is_data_parallel
from vsam_tune.optimizers.wrapper import Wrapper

Closure = Callable[..., Tensor]

_ASKED = {  # by `sample_losses`
    False: "clears the gradients, runs forward and backward, and returns the loss: it may have to take a second"
    " gradient on the same batch",
    True: "takes the positions of samples, or None for the whole batch, runs forward on them, and returns (k,) losses:"
    " the method takes the gradients itself",
}


def gradients_of(parameters: list[Tensor]) -> list[Tensor]:
    """Return the gradients of parameters that all have one."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def buffers_for(parameters: list[Tensor], kept: Mapping[Tensor, Tensor] = MappingProxyType({})) -> dict[Tensor, Tensor]:
    """Return a buffer like the gradient of each parameter that has one; its values are undefined.

    Args:
        parameters: in order.
        kept: buffers by parameter, used instead of new ones.
    """
    return {
        parameter: kept[parameter] if parameter in kept else torch.empty_like(gradient)
        for parameter, gradient in zip(parameters, gradients_of(parameters), strict=True)
    }


class SharpnessAware(Wrapper):
    """A wrapper whose iteration has up to two passes.

    A method overrides `_descend`, and `_method_state` with `_load_method_state` if it keeps a state; `_perturb` if e is
    not SAM's, `_radius` if rho changes; `_first_gradient` and `_second_gradient` if they are not the whole batch's.

    A parameter group may set `perturbed: False`. Its parameters are then in no norm, no perturbation and no PSF, and
    take the plain gradient of the last pass.

    Args:
        base: any torch optimizer but LBFGS, which may evaluate several times a step; it applies the update.
        rho: l2 radius of the perturbation, >= 0, in units of the weights, for each parameter group without a `rho`.
            The groups may differ; the norm is over all of them.
        norm_layers: how many of the last layers the norms of `observation` are taken over; 0 for all, for which most
            methods keep another copy of the gradients while perturbed. It changes the trajectory of vSAM only.
        model: the network that the closure runs, read once. With it, the second pass does not update the running
            statistics of batch and instance norm, takes no step of spectral norm's power iteration, and repeats the
            random draws of the first one (of torch's default generators); and layers are its modules. Without it, none
            of this happens, and layers are guessed from the shapes of the parameters.
    """

    def __init__(self, base: Optimizer, *, rho: float, norm_layers: int, model: nn.Module | None) -> None:
        one_gradient = not isinstance(base, LBFGS | Wrapper)
        check("base", type(base).__name__, "an optimizer that takes one gradient a step", holds=one_gradient)
        check_number("rho", rho, low=0.0)
        check_integer("norm_layers", norm_layers, low=0)
        self._norm_layers = norm_layers
        self._model = model
        self._normalisations = norms_with_statistics(model) if model is not None else []
        self._power_iterations = power_iterations(model) if model is not None else []
        self._before: RandomState | None = None
        self._workers: Workers | None = None
        self._of_this_worker: list[Tensor] = []  # its first gradient, if it perturbs with that
        super().__init__(base, {"rho": rho, "perturbed": True})

    def distribute(self, process_group: ProcessGroup | None = None, *, perturbation_scope: str = "local") -> None:
        """Average gradients over workers from now on; each worker trains a copy of the model on different batches.

        All workers must have the same weights, and give the same parameters a gradient. The average does not depend on
        the sizes of the batches; each worker keeps its running statistics of batch norm. Do not wrap the model:
        `DistributedDataParallel` would average once more. State and decisions follow from averages, so that all workers
        decide the same.

        Args:
            process_group: of `torch.distributed`; None for all processes.
            perturbation_scope: "local", e along each worker's gradient, as in SAM's paper ("m-sharpness"; costs a copy
                of the gradients); or "global", e along the average.

        Raises:
            ValueError: if the model is wrapped.
        """
        check_choice("perturbation_scope", perturbation_scope, ("local", "global"))
        if self._model is not None and is_data_parallel(self._model):
            fix = "run model.module in the closure, and pass model=model.module; or do not call distribute()"
            raise ValueError(f"DistributedDataParallel averages the gradients, as distribute() does. Fix: {fix}")
        self._workers = Workers(process_group, local=perturbation_scope == "local")

    @override
    def step(self, closure: Closure | None = None) -> Tensor:  # type: ignore[override] # a closure is needed
        """Take one iteration.

        Args:
            closure: see `sample_losses`. It is called with gradients enabled, once or, in a sampled iteration, twice;
                a method that selects samples calls it once more for their losses alone.

        Returns:
            The loss of the first call: at the weights before the step, or near them (`perturbs_first`).

        Raises:
            TypeError: if there is no closure.
            RuntimeError: if the closure has no backward pass.
        """
        if closure is None:
            raise self._closure_error()
        with torch.no_grad():
            self._before = RandomState.now(self._devices()) if self._model is not None else None
            loss = self._first_gradient(closure)
            if self._workers is not None:
                self._of_this_worker = self._workers.average(gradients_of(self._having_gradient()))
            self.observation = self._descend(closure)
            self.base.step()
        torch.clear_autocast_cache()  # its copies are of the weights before the update
        self.iterations += 1
        return loss

    def _closure_error(self) -> TypeError:
        """Return the error for a missing or wrong closure."""
        return TypeError(f"{type(self).__name__}.step needs a closure that {_ASKED[self.sample_losses]}")

    def _descend(self, closure: Closure) -> Observation:
        """Turn the first gradient, in `.grad`, into the direction of descent, in place.

        A method that needs the second gradient calls `_second_pass` or `_sample`. The base steps next.
        """
        raise NotImplementedError

    def _first_gradient(self, closure: Closure) -> Tensor:
        """Leave the gradient at w in `.grad`; return the loss."""
        return self._evaluate(closure)

    def _second_gradient(self, closure: Closure) -> None:
        """Leave the gradient at the perturbed weights in `.grad`."""
        self._evaluate(closure)

    @override
    def _evaluate(self, closure: Closure) -> Tensor:
        loss = super()._evaluate(closure)
        self._resolve_conjugates()
        return loss

    def _resolve_conjugates(self) -> None:
        """Give complex gradients a memory of real and imaginary parts, which a lazy conjugate does not have."""
        for parameter in self._complex:
            if parameter.grad is not None:
                parameter.grad = parameter.grad.resolve_conj()

    def _restore(self, parameters: list[Tensor], weights: list[Tensor]) -> None:
        """Copy the weights back from before a perturbation."""
        copy_(parameters, weights)
        torch.clear_autocast_cache()  # its copies are of the perturbed weights

    def _second_pass(self, closure: Closure) -> None:
        """Leave the gradient at w + e in `.grad`, and restore the weights, even if the closure raises.

        Costs 1 gradient evaluation and one copy of the weights.
        """
        if self._of_this_worker:
            copy_(gradients_of(self._having_gradient()), self._of_this_worker)
        parameters = self._perturbed()
        weights = copies(parameters)
        with ExitStack() as stack:
            stack.callback(self._restore, parameters, weights)
            stack.enter_context(frozen_statistics(self._normalisations))
            stack.enter_context(frozen_vectors(self._power_iterations))
            if self._before is not None:
                stack.enter_context(replayed(self._before))
            self._perturb()
            self._second_gradient(closure)
        if self._workers is not None:
            self._workers.average(gradients_of(self._having_gradient()))

    def _perturb(self) -> None:
        """Add e to the weights, in place; `.grad` may be overwritten."""
        parameters = self._perturbed()
        if not parameters:
            return
        norm = global_norm(gradients_of(parameters))
        for rho, members in self._by_rho(parameters):
            perturb_(members, gradients_of(members), norm, rho)

    def _by_rho(self, parameters: list[Tensor]) -> list[tuple[float, list[Tensor]]]:
        """Return lists of parameters with the same rho, device and dtype, each for one `_foreach` call."""
        wanted = set(parameters)
        alike: dict[tuple[float, torch.device, torch.dtype], list[Tensor]] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter in wanted:
                    alike.setdefault((self._radius(group), parameter.device, parameter.dtype), []).append(parameter)
        return [(rho, members) for (rho, _, _), members in alike.items()]

    def _radius(self, group: dict[str, Any]) -> float:
        """Return the rho of a group in this iteration."""
        return group["rho"]  # type: ignore[no-any-return] # checked in `_share`

    def _sample(self, closure: Closure, held: dict[Tensor, Tensor]) -> dict[Tensor, Tensor]:
        """Take the second gradient, and return the PSF of some parameters.

        Args:
            closure: as for `step`.
            held: parameter -> a buffer like its gradient, for parameters that have one. It holds g while the
                weights are perturbed, and the PSF afterwards.

        Returns:
            PSF = g_sam - g by parameter, in the same buffers, for parameters with a second gradient.
        """
        copy_(list(held.values()), gradients_of(list(held)))
        self._second_pass(closure)
        psf = {parameter: buffer for parameter, buffer in held.items() if parameter.grad is not None}
        if psf:
            torch._foreach_neg_(list(psf.values()))
            torch._foreach_add_(list(psf.values()), gradients_of(list(psf)))
        return psf

    def _sam_iteration(self, closure: Closure, *, sampling_rate: float) -> Observation:
        """Take SAM's iteration: leave g_sam in `.grad`.

        Returns:
            The observation; g of the observed layers is copied for its `l2_psf`.
        """
        observed = self._observed()
        l2_sgd = self._norm(gradients_of(observed))
        psf = self._sample(closure, buffers_for(observed))
        l2_psf = self._norm(list(psf.values()))
        return Observation(sampled=True, l2_psf=l2_psf, l2_sgd=l2_sgd, sampling_rate=sampling_rate)

    def _plain_iteration(self, *, sampling_rate: float) -> Observation:
        """Keep g in `.grad`, and return the observation."""
        l2_sgd = self._norm(gradients_of(self._observed()))
        return Observation(sampled=False, l2_psf=None, l2_sgd=l2_sgd, sampling_rate=sampling_rate)

    def _devices(self) -> list[torch.device]:
        return list(dict.fromkeys(parameter.device for parameter in self._parameters())) or [torch.device("cpu")]

    def _having_gradient(self) -> list[Tensor]:
        return [parameter for parameter in self._parameters() if parameter.grad is not None]

    def _perturbable(self) -> list[Tensor]:
        """Return the parameters of the perturbed groups, in order, trained now or not."""
        groups = (group["params"] for group in self.param_groups if group["perturbed"])
        return [parameter for parameters in groups for parameter in parameters]

    def _perturbed(self) -> list[Tensor]:
        """Return the perturbed parameters that have a gradient now, in order."""
        return [parameter for parameter in self._perturbable() if parameter.grad is not None]

    def _observed(self) -> list[Tensor]:
        """Return the parameters with a gradient now in the observed layers."""
        return last_with_gradient(self._layers, self._norm_layers)

    def _norm(self, tensors: list[Tensor]) -> Tensor:
        """Return the norm over all tensors, 0-d and on the device; 0 over none."""
        return global_norm(tensors) if tensors else torch.zeros((), device=self._devices()[0])

    @override
    def _share(self) -> None:
        super()._share()
        for group in self.param_groups:
            check_number("rho", group["rho"], low=0.0)
        self._complex = [parameter for parameter in self._parameters() if parameter.is_complex()]
        self._layers = layers_of(self._perturbable(), self._model)
