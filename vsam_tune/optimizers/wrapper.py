"""A torch optimizer around another one: its interface for a training loop, and a state that continues bit for bit.

The wrapper and its base share the parameter groups, the same dicts, and the state, so that a learning-rate scheduler
may be attached to either of the two, before or after loading. A subclass says what an iteration does.
"""

import copy
import logging
from collections.abc import Callable
from typing import Any, ClassVar, Self

from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override

from vsam_tune.optimizers.arguments import check
from vsam_tune.optimizers.base_argument import check_base_argument
from vsam_tune.optimizers.closure_call import gradients_from, without_gradient
from vsam_tune.optimizers.observation import Observation
from vsam_tune.optimizers.saved_by import check_group_sizes, check_saved_by

logger = logging.getLogger(__name__)


class Wrapper(Optimizer):
    """Every optimizer that the training loop gets. It shares the groups and the state of a base optimizer.

    The loop calls `step`, reads the attributes below, and asks for `metrics` and `warnings`; it knows no subclass. A
    subclass overrides `step`, and `_method_state` with `_load_method_state` if it keeps anything.

    Args:
        base: any torch optimizer but another wrapper.
        settings: name -> value, for each parameter group that does not have it.

    Attributes:
        sample_losses: the kind of closure that `step` needs. False: it clears the gradients, runs forward and backward
            on one batch, and returns the loss. True: it takes the positions of some samples of the batch, an int64
            tensor or None for all, runs forward on them alone, and returns their losses, with their graph if gradients
            are enabled; the method takes the gradients itself.
        perturbs_first: whether the first pass runs at perturbed weights, so that the loss `step` returns is theirs.
        base: the base optimizer.
        iterations: finished iterations.
        gradient_evaluations: forward and backward passes so far, in batches; a part of a batch is that part of 1.
        forward_passes: forward passes without a backward so far, in batches.
        observation: of the last iteration; None before the first, after loading, and for a plain optimizer.
    """

    sample_losses: ClassVar[bool] = False
    perturbs_first: ClassVar[bool] = False

    def __new__(cls, *arguments: object, **keywords: object) -> Self:
        """Refuse parameters in the place of the base, before Python does in words of its own."""
        check_base_argument(cls, arguments, keywords)
        return super().__new__(cls)

    def __init__(self, base: Optimizer, settings: dict[str, Any]) -> None:
        check(
            "base", type(base).__name__, "an optimizer that is no wrapper itself", holds=not isinstance(base, Wrapper)
        )
        super().__init__(base.param_groups, {**base.defaults, **settings})
        self.base = base
        self.iterations = 0
        self.gradient_evaluations = 0.0
        self.forward_passes = 0.0
        self.observation: Observation | None = None
        self._settings = settings
        self._warned = False  # of a step without a gradient
        self._follow_base()

    @override
    def step(self, closure: Callable[..., Tensor] | None = None) -> Tensor:  # type: ignore[override] # it needs one
        """Take one iteration; return its loss, 0-d.

        Args:
            closure: see `sample_losses`.
        """
        raise NotImplementedError

    def before_update(self, hook: Callable[[], None]) -> None:
        """Call `hook` before each update, when `.grad` holds the gradient to descend along."""
        self.base.register_step_pre_hook(lambda *_: hook())

    def smallest_pass(self, batch_size: int) -> int:
        """Return how many samples the smallest pass on a batch takes; batch norm over 1x1 maps needs two."""
        return batch_size

    def metrics(self) -> dict[str, float]:
        """Return metrics of the method besides its passes, by name; none by default."""
        return {}

    def warnings(self) -> list[str]:
        """Return a line, with its fix, for each thing to know about a training that ends now; none by default."""
        return []

    def _evaluate(self, closure: Callable[..., Tensor]) -> Tensor:
        """Leave the gradient of one call of the closure in `.grad`, count it, and return its loss."""
        parameters = self._parameters()
        loss = gradients_from(closure, parameters)
        self.gradient_evaluations += 1
        if without_gradient(parameters):
            self._warn_without_gradient()
        return loss

    def _warn_without_gradient(self) -> None:
        """Say once that a step had no gradient to descend along."""
        if not self._warned and any(parameter.requires_grad for parameter in self._parameters()):
            self._warned = True
            fix = "return the losses with their graph" if self.sample_losses else "call backward() on the loss"
            name = type(self).__name__
            logger.warning("%s: the closure left no gradient, so the step trains nothing. Fix: %s in it", name, fix)

    def _follow_base(self) -> None:
        self._share()
        self.base.register_load_state_dict_post_hook(lambda _: self._share())

    def _share(self) -> None:
        """Use the groups and the state of the base, which loads them into new objects."""
        self.param_groups, self.state = self.base.param_groups, self.base.state
        for group in self.param_groups:
            for name, value in self._settings.items():
                group.setdefault(name, value)

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    @override
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group to the base; it may have the wrapper's settings."""
        if "base" not in vars(self):  # torch's constructor lists the groups that the base has already
            super().add_param_group(param_group)
            return
        self.base.add_param_group(param_group)
        self._share()

    @override
    def __getstate__(self) -> dict[str, Any]:
        # torch's keeps three attributes only; hooks and the `step` that a scheduler patches cannot be copied
        left_out = ("state", "param_groups", "step")
        kept = {name: value for name, value in vars(self).items() if not name.startswith("_optimizer_")}
        return {name: value for name, value in kept.items() if name not in left_out}

    @override
    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._follow_base()

    @override
    def state_dict(self) -> dict[str, Any]:
        """Return everything that continuing bit for bit needs, the base's state included.

        Its tensors are live, as in torch; `torch.load(..., weights_only=True)` reads it.
        """
        return {
            "saved_by": self._saved_by(),
            "base": self.base.state_dict(),
            "iterations": self.iterations,
            "gradient_evaluations": self.gradient_evaluations,
            "forward_passes": self.forward_passes,
            **self._method_state(),
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state of the same method over the same parameters; it is copied.

        Args:
            state_dict: not changed, and not kept.

        Raises:
            KeyError: if a key is missing; nothing has changed then.
            ValueError: if it is the state of another method, or of other parameters; nothing has changed then.
        """
        own = self.state_dict()
        check_saved_by(state_dict, own)
        missing = [key for key in own if key not in (*state_dict, "saved_by")]
        groups = state_dict["base"]["param_groups"] if "base" in state_dict else []
        missing += [name for group in groups for name in self._settings if name not in group]
        if missing:
            raise KeyError(f"the state of {type(self).__name__} lacks {', '.join(dict.fromkeys(missing))}")
        check_group_sizes(state_dict["base"], own["base"])
        self.base.load_state_dict(copy.deepcopy(state_dict["base"]))
        self.iterations = state_dict["iterations"]
        self.gradient_evaluations = state_dict["gradient_evaluations"]
        self.forward_passes = state_dict["forward_passes"]
        self.observation = None
        self._load_method_state(state_dict)

    def _saved_by(self) -> dict[str, Any]:
        """Return what has to be the same where a state is loaded; a method adds settings that its values depend on."""
        shapes = [list(parameter.shape) for parameter in self._parameters()]
        return {"method": type(self).__name__, "base": type(self.base).__name__, "shapes": shapes}

    def _method_state(self) -> dict[str, Any]:
        return {}

    def _load_method_state(self, state: dict[str, Any]) -> None:
        """Restore the entries of `_method_state`; none is missing."""

    def _by_position(self, kept: dict[Tensor, Tensor]) -> dict[int, Tensor]:
        """Return tensors by the parameter's position in the groups, for a state."""
        position = {parameter: i for i, parameter in enumerate(self._parameters())}
        return {position[parameter]: tensor for parameter, tensor in kept.items()}

    def _by_parameter(self, saved: dict[int, Tensor]) -> dict[Tensor, Tensor]:
        """Return tensors of a state by parameter, copied to the parameters' devices and dtypes."""
        parameters = self._parameters()
        return {parameters[i]: tensor.to(parameters[i], copy=True) for i, tensor in saved.items()}
