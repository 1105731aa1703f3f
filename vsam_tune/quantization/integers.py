"""The integer check: a quantized weight is an integer, in range, times its step."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsam_tune.quantization.layers import quantized_layers
from vsam_tune.quantization.lsq import SMALLEST_STEP, integer_range
from vsam_tune.quantization.quantizer import Quantizer


class NotIntegersError(ArithmeticError):
    """The weight that a layer computes with is no integer multiple of its step, or out of range."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IntegerWeight:
    """The integers that a quantized weight is made of.

    Attributes:
        layer: its name in the network.
        bits: of the integers.
        step: what they are multiplied with.
        lowest: smallest of them.
        highest: largest of them.
        levels: how many different ones there are.
        clipped_percent: weights at one of the two ends of the range, in percent.
    """

    layer: str
    bits: int
    step: float
    lowest: int
    highest: int
    levels: int
    clipped_percent: float


@torch.no_grad()
def check_integers(model: nn.Module) -> list[IntegerWeight]:
    """Check the weights that the layers of a network compute with, as their forward passes see them.

    Returns:
        What each weight that is quantized is made of, first layer to last; none if the network is not quantized.

    Raises:
        NotIntegersError: a weight differs in any bit from integer times step, or an integer is out of range.
    """
    found = []
    for name, layer in quantized_layers(model).items():
        quantizer = layer.weight_quantizer
        if isinstance(quantizer, Quantizer):
            found.append(_integers_of(quantizer(layer.weight), quantizer, name))
    return found


def _integers_of(weight: Tensor, quantizer: Quantizer, layer: str) -> IntegerWeight:
    step = quantizer.step.clamp(min=SMALLEST_STEP)
    integers = (weight / step).round()
    if not torch.equal(integers * step, weight):  # as it is where one is NaN
        raise NotIntegersError(f"{layer}: the weight is no integer multiple of its step {float(step)}")
    lowest, highest = int(integers.min()), int(integers.max())
    low, high = integer_range(quantizer.bits, signed=True)
    if lowest < low or highest > high:
        raise NotIntegersError(f"{layer}: the integers {lowest} to {highest} are not within {low} to {high}")
    clipped = (integers == low) | (integers == high)
    return IntegerWeight(
        layer=layer,
        bits=quantizer.bits,
        step=float(step),
        lowest=lowest,
        highest=highest,
        levels=len(torch.unique(integers)),
        clipped_percent=100 * float(clipped.double().mean()),
    )
