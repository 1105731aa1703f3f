"""Convolution and linear layer with a quantized weight and a quantized input; bias and sums in full precision."""

from torch import Tensor, nn
from torch.nn.functional import linear
from typing_extensions import override


class QuantizedConv2d(nn.Conv2d):
    """A convolution of integers, but for their steps. Made from a `Conv2d` by `quantize_model`.

    Attributes:
        weight_quantizer: a `Quantizer`, or an identity.
        input_quantizer: likewise.
    """

    weight_quantizer: nn.Module
    input_quantizer: nn.Module

    @override
    def forward(self, input: Tensor) -> Tensor:
        weight: Tensor = self.weight_quantizer(self.weight)
        output: Tensor = self._conv_forward(self.input_quantizer(input), weight, self.bias)
        return output


class QuantizedLinear(nn.Linear):
    """A product of integers, but for their steps. Made from a `Linear` by `quantize_model`.

    Attributes:
        weight_quantizer: a `Quantizer`, or an identity.
        input_quantizer: likewise.
    """

    weight_quantizer: nn.Module
    input_quantizer: nn.Module

    @override
    def forward(self, input: Tensor) -> Tensor:
        return linear(self.input_quantizer(input), self.weight_quantizer(self.weight), self.bias)


QuantizedLayer = QuantizedConv2d | QuantizedLinear


def quantized_layers(model: nn.Module) -> dict[str, QuantizedLayer]:
    """Return the quantized layers of a network by name, in the order of `model.modules()`."""
    return {name: module for name, module in model.named_modules() if isinstance(module, QuantizedLayer)}
