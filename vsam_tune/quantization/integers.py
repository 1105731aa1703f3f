"""The integer check: a quantized weight is an integer in its range, multiplied by its step."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsam_tune.quantization.layers import quantized_layers
from vsam_tune.quantization.lsq import SMALLEST_STEP, integer_range
from vsam_tune.quantization.quantizer import Quantizer


class NotIntegersError(ArithmeticError):
    """The weight of a quantized layer is not an integer multiple of its step, or is out of range."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IntegerWeight:
    """The integers of a quantized weight.

    Attributes:
        layer: its name in the network.
        bits: of the integers.
        step: factor of the integers.
        lowest: smallest integer.
        highest: largest integer.
        levels: number of different integers.
        clipped_percent: percentage of the weights at either end of the range.
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
    """Check the quantized weights of a network, as in its forward pass.

    Returns:
        The integers of each quantized weight, first layer to last; none if the network is not quantized.

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
    if not torch.equal(integers * step, weight):  # also if one is NaN
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
