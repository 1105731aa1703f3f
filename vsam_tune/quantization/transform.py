"""Turn a full-precision network into a quantized one, layer by layer."""

from torch import nn

from vsam_tune.errors import InputError, problem
from vsam_tune.optimizers.arguments import check, check_choice, check_integer
from vsam_tune.quantization.layers import QuantizedConv2d, QuantizedLayer, QuantizedLinear
from vsam_tune.quantization.quantizer import Quantizer

FULL_PRECISION = 32  # bits
MOST_BITS = 16
GRADIENT_SCALES = ("features", "numel")
_QUANTIZED: dict[type[nn.Module], type[QuantizedLayer]] = {nn.Conv2d: QuantizedConv2d, nn.Linear: QuantizedLinear}


def quantize_model(
    model: nn.Module,
    *,
    weight_bits: int = 4,
    activation_bits: int = 4,
    first_last_bits: int = 8,
    activation_grad_scale: str = "features",
) -> nn.Module:
    """Quantize the weight and the input of every convolution and linear layer, in place.

    The steps of weights follow from their values, so the weights must be the initial ones of the training. `calibrate`
    sets the steps of inputs; the network does not run before. Parameters and buffers of the network stay the same
    objects. First and last layer are those in the order of `model.modules()`.

    Args:
        model: in full precision.
        weight_bits: 2 to 16, or 32, which leaves the weights unchanged.
        activation_bits: 2 to 16, or 32, which leaves the inputs unchanged.
        first_last_bits: of weight and input of the first and the last layer; 2 to 16, or 32.
        activation_grad_scale: N in the gradient of an input's step: "features", the number of values of one sample, as
            in the paper; or "numel", that of the batch, as in public code, which depends on the batch size.

    Returns:
        `model`.

    Raises:
        InputError: a layer that is neither a `Conv2d` nor a `Linear` has a weight of two dimensions or more, and would
            silently stay in full precision.
    """
    given = {"weight_bits": weight_bits, "activation_bits": activation_bits, "first_last_bits": first_last_bits}
    for name, bits in given.items():
        check_integer(name, bits, low=2)
        check(
            name, bits, f"at most {MOST_BITS}, or {FULL_PRECISION}", holds=bits <= MOST_BITS or bits == FULL_PRECISION
        )
    check_choice("activation_grad_scale", activation_grad_scale, GRADIENT_SCALES)
    layers = _layers_to_quantize(model)
    for i, layer in enumerate(layers):
        outer = i in (0, len(layers) - 1)
        weight_quantizer = _quantizer(
            first_last_bits if outer else weight_bits, layer, always_signed=True, per_sample=False
        )
        input_quantizer = _quantizer(
            first_last_bits if outer else activation_bits,
            layer,
            always_signed=i == 0,  # images are normalised
            per_sample=activation_grad_scale == "features",
        )
        if isinstance(weight_quantizer, Quantizer):
            weight_quantizer.start(layer.weight)
        _make_quantized(layer, weight_quantizer, input_quantizer)
    return model


def _layers_to_quantize(model: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    layers: list[nn.Conv2d | nn.Linear] = []
    for name, module in model.named_modules():
        if type(module) in _QUANTIZED:  # not a subclass, which may use its weight differently
            layers.append(module)
        elif any(parameter.ndim >= 2 for parameter in module.parameters(recurse=False)):
            rule = "cannot be quantized; only Conv2d and Linear can"
            fix = "use a model without other weights, or remove the section quantization"
            raise InputError(problem("model", name or "itself", type(module).__name__, rule, fix))
    return layers


def _quantizer(bits: int, layer: nn.Conv2d | nn.Linear, *, always_signed: bool, per_sample: bool) -> nn.Module:
    if bits == FULL_PRECISION:
        return nn.Identity()
    return Quantizer(bits=bits, always_signed=always_signed, per_sample=per_sample, like=layer.weight)


def _make_quantized(layer: nn.Module, weight_quantizer: nn.Module, input_quantizer: nn.Module) -> None:
    """Change the class of a layer in place, like torch's parametrizations: references, parameters and hooks stay."""
    layer.__class__ = _QUANTIZED[type(layer)]
    layer.weight_quantizer, layer.input_quantizer = weight_quantizer, input_quantizer
