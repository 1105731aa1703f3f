"""MESA, memory-efficient sharpness-aware training: Du et al. 2022, arXiv 2205.14083. SAF without a memory of outputs.

A penalty keeps the outputs near those of v, an exponential moving average of the model, in epochs e > `start_epoch`:

    loss + weight * temperature^2 * (1/b) * sum_i KL(softmax(zv_i / temperature) || softmax(z_i / temperature))
    v <- ema_decay * v + (1 - ema_decay) * w                              after every step, from the first one on

with z_i the logits of image i in training mode, and zv_i those of v as it was before the step, in evaluation mode: v
normalises by averaged running statistics. Code of the authors: AngusDujw/SAF. Where it and the paper disagree or leave
something open:

- choice: times temperature squared, as in `saf`.
- choice: ema_decay 0.9995, where the code uses its framework's 0.9998: at 391 iterations an epoch 0.9998 averages over
  13 epochs, 0.9995 over 5, and the term starts after epoch 5.
- choice: running statistics are averaged as the parameters are, integer buffers copied; there is no forward pass of v
  in epochs without the term.
- choice: the result is the accuracy of the trained weights; the accuracy of v, which the code reports, is an extra
  metric.

Cost: 1 gradient evaluation, and a forward pass of v without gradient once the term starts. Memory: a copy of the model.
"""

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from vsam_tune.loss_terms.divergence import divergence, divergence_factor
from vsam_tune.loss_terms.loss_term import LossTerm
from vsam_tune.optimizers.arguments import check_integer, check_number


class MESA(LossTerm):
    """A penalty on the distance between the outputs and those of an average of the model over the iterations.

    It never changes the network, draws no random number, and reads nothing from the device.

    Args:
        weight: times the divergence, >= 0; with 0 there is no term, and the training is the base optimizer's.
        temperature: divides the logits, positive.
        ema_decay: of the average, in [0, 1]: 0 gives the model after each step, 1 the initial model.
        start_epoch: the last epoch, from 0, without the term, >= -1.
        temperature_squared: whether the divergence is multiplied by the squared temperature.
        model: the network; its copy keeps device and memory format.

    Attributes:
        averaged_model: v, always in evaluation mode.
    """

    if_it_never_began: ClassVar[str] = "a smaller start_epoch, a weight above 0, or more epochs"
    averaged_model: nn.Module

    def __init__(
        self,
        *,
        weight: float = 0.8,
        temperature: float = 5.0,
        ema_decay: float = 0.9995,
        start_epoch: int = 5,
        temperature_squared: bool = True,
        model: nn.Module,
    ) -> None:
        check_number("ema_decay", ema_decay, low=0.0, high=1.0)
        check_integer("start_epoch", start_epoch, low=-1)
        self._factor = divergence_factor(
            weight=weight, temperature=temperature, temperature_squared=temperature_squared
        )
        self._temperature, self._start_epoch, self._ema_decay = temperature, start_epoch, ema_decay
        self.averaged_model = copy.deepcopy(model).eval().requires_grad_(requires_grad=False)
        pairs = list(zip(_tensors(self.averaged_model), _tensors(model), strict=True))
        self._real = _columns([pair for pair in pairs if pair[0].is_floating_point()])
        self._counts = _columns([pair for pair in pairs if not pair[0].is_floating_point()])
        self._has_passed = False  # whether v was run in this iteration

    @override
    def __call__(self, logits: Tensor, x: Tensor, index: Tensor, *, epoch: int) -> Tensor | None:
        if self._factor == 0.0 or epoch <= self._start_epoch:
            return None
        with torch.no_grad():
            old = self.averaged_model(x)
        self._has_passed = True
        return self._factor * divergence(old, logits, self._temperature).mean()

    @override
    @torch.no_grad()
    def after_step(self) -> None:
        """Move the average towards the model; count the forward passes over the parts of a batch as one."""
        averaged, current = self._real
        torch._foreach_lerp_(averaged, current, 1 - self._ema_decay)
        averaged, current = self._counts
        if averaged:
            torch._foreach_copy_(averaged, current)
        self.forward_passes += self._has_passed
        self._has_passed = False

    @property
    @override
    def memory_bytes(self) -> int:
        """Bytes of the parameters and buffers of the averaged model."""
        return sum(tensor.nbytes for tensor in _tensors(self.averaged_model))

    @override
    def state_dict(self) -> dict[str, Any]:
        """Return the averaged model's state, the live tensors, and the count of its passes."""
        return {"averaged_model": self.averaged_model.state_dict(), "forward_passes": self.forward_passes}

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state; it is copied.

        Raises:
            KeyError: if a key is missing; nothing has changed then.
        """
        averaged, forward_passes = state["averaged_model"], state["forward_passes"]
        self.averaged_model.load_state_dict(averaged)
        self.forward_passes = forward_passes
        self._has_passed = False


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _columns(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [averaged for averaged, _ in pairs], [current for _, current in pairs]
