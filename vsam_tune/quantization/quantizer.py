"""The quantizer of one tensor of a network: its step and its range of integers."""

import math

import torch
from torch import Tensor, nn
from typing_extensions import override

from vsam_tune.quantization.lsq import initial_step, integer_range, quantize


class Quantizer(nn.Module):
    """Rounds a weight, or a layer's input, to integer multiples of a trainable step.

    The step is a parameter from construction on, and `start` writes it in place, so an optimizer may exist before.

    Args:
        bits: of the integers, >= 2.
        always_signed: whether the integers are signed even if `start` gets no negative value.
        per_sample: whether N, which scales the step's gradient, is the number of values of one sample (the first
            dimension counts samples), or of the whole tensor.
        like: has the dtype and device of the step.

    Attributes:
        step: s, a 0-d parameter.
        started: 0-d bool buffer: whether the step has been set.
        signed: 0-d bool buffer: whether the integers may be negative.
        range: the smallest and the largest integer; None before `start`. It repeats the buffers on the host, so that a
            forward pass does not wait for the device.
    """

    started: Tensor
    signed: Tensor

    def __init__(self, *, bits: int, always_signed: bool, per_sample: bool, like: Tensor) -> None:
        super().__init__()
        self.bits, self.always_signed, self.per_sample = bits, always_signed, per_sample
        self.range: tuple[int, int] | None = None
        self.step = nn.Parameter(torch.ones((), dtype=like.dtype, device=like.device))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool, device=like.device))
        self.register_buffer("signed", torch.tensor(always_signed, device=like.device))
        self.register_load_state_dict_post_hook(_follow_buffers)  # type: ignore[no-untyped-call] # torch has no type for it

    @torch.no_grad()
    def start(self, v: Tensor) -> None:
        """Set sign and step from the values to round; waits for the device, for the sign."""
        signed = self.always_signed or bool((v < 0).any())
        self.range = integer_range(self.bits, signed=signed)
        self.signed.fill_(value=signed)
        self.step.copy_(initial_step(v, self.range[1]))
        self.started.fill_(value=True)

    def forget(self) -> None:
        """Undo `start`, except for the value of the step."""
        self.range = None
        self.started.fill_(value=False)

    @override
    def forward(self, v: Tensor) -> Tensor:
        if self.range is None:
            raise RuntimeError("the step of a quantizer is not set: run calibrate(model, batch) once, before training")
        low, high = self.range
        num_values = math.prod(v.shape[1:]) if self.per_sample else v.numel()
        return quantize(v, self.step, low=low, high=high, num_values=num_values)

    @override
    def extra_repr(self) -> str:
        return f"bits={self.bits}, range={self.range}"


def _follow_buffers(quantizer: Quantizer, _: object) -> None:
    signed = bool(quantizer.signed)
    quantizer.range = integer_range(quantizer.bits, signed=signed) if quantizer.started else None
