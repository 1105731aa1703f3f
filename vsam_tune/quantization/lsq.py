"""The quantizer of LSQ, learned step size quantization: Esser et al. 2020, arXiv 1902.08153 v3, sections 2 to 2.3.

LSQ rounds a value v to an integer multiple of a step s, and trains both:

    v_bar = round(clip(v / s, low, high))      half to even
    v_hat = v_bar * s

    d v_hat / d v = 1 where low < v / s < high, else 0
    d v_hat / d s = round(v / s) - v / s there; low where v / s <= low; high where v / s >= high

The gradient of s is multiplied by 1 / sqrt(N * high), where N is the number of values. So steps and weights move by
similar amounts relative to their sizes. A tensor has one step. Choices:

- choice: the forward pass replaces steps below 1e-8 by 1e-8 and keeps the gradient. So a step that an update made
  negative can recover; with a gradient of 0 it could not.
- choice: a step starts at 1 if all values are 0; the paper's initial step would be 0.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from typing_extensions import override

SMALLEST_STEP = 1e-8


def integer_range(bits: int, *, signed: bool) -> tuple[int, int]:
    """Return (low, high), the range of quantized integers: -8 to 7, or 0 to 15, with 4 bits."""
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def initial_step(v: Tensor, high: int) -> Tensor:
    """Return 2 * mean(|v|) / sqrt(high), 0-d, in float32 at least; 1 if all values are 0."""
    mean = v.detach().abs().mean(dtype=torch.promote_types(v.dtype, torch.float32))
    return torch.where(mean > 0, 2 * mean / math.sqrt(high), 1.0)


def quantize(v: Tensor, step: Tensor, *, low: int, high: int, num_values: int) -> Tensor:
    """Return v_hat, with the gradients of LSQ for `v` and `step`.

    It reads nothing from the device, and stores only `v` for the backward pass. It has no second derivative.

    Args:
        v: any shape, floating.
        step: 0-d, s. Its dtype is that of the arithmetic.
        low: smallest integer, <= 0.
        high: largest integer, > 0.
        num_values: N, which scales the gradient of the step.

    Returns:
        Like `v`, with the same memory format.
    """
    quantized: Tensor = _Quantize.apply(v, step, low, high, 1 / math.sqrt(num_values * high))
    return quantized


class _Quantize(torch.autograd.Function):
    @staticmethod
    @override
    def forward(ctx: Any, v: Tensor, step: Tensor, low: int, high: int, scale: float) -> Tensor:
        s = step.clamp(min=SMALLEST_STEP)
        ctx.save_for_backward(v, s)
        ctx.range, ctx.scale = (low, high), scale
        return v.to(s.dtype).div(s).clamp_(low, high).round_().mul_(s).to(v.dtype)

    @staticmethod
    @override
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None, None, None]:
        v, s = ctx.saved_tensors
        low, high = ctx.range
        gradient = gradients[0].to(s.dtype)
        scaled = v.to(s.dtype) / s
        v_gradient = _inside(gradient, scaled, low, high).to(v.dtype) if ctx.needs_input_grad[0] else None
        by_step = scaled.clamp(low, high).round_().sub_(_inside(scaled, scaled, low, high))
        return v_gradient, by_step.mul_(gradient).sum() * ctx.scale, None, None, None


def _inside(values: Tensor, scaled: Tensor, low: int, high: int) -> Tensor:
    """Return `values` where low < `scaled` < high and 0 elsewhere, in one pass over memory."""
    chosen: Tensor = torch.ops.aten.hardtanh_backward(values, scaled, low, high)
    return chosen
