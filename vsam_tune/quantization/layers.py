"""Convolution and linear layer with quantized weight and input; bias and sums stay in full precision."""

from torch import Tensor, nn
from torch.nn.functional import linear
from typing_extensions import override


class QuantizedConv2d(nn.Conv2d):
    """A convolution of integers, except for their steps; `quantize_model` makes it from a `Conv2d`.

    Attributes:
        weight_quantizer: a `Quantizer`, or an identity.
        input_quantizer: a `Quantizer`, or an identity.
    """

    weight_quantizer: nn.Module
    input_quantizer: nn.Module

    @override
    def forward(self, input: Tensor) -> Tensor:
        weight: Tensor = self.weight_quantizer(self.weight)
        output: Tensor = self._conv_forward(self.input_quantizer(input), weight, self.bias)
        return output


class QuantizedLinear(nn.Linear):
    """A product of integers, except for their steps; `quantize_model` makes it from a `Linear`.

    Attributes:
        weight_quantizer: a `Quantizer`, or an identity.
        input_quantizer: a `Quantizer`, or an identity.
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
