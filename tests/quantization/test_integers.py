"""The integer check accepts the weights of a network, and notices other numbers than integers times the step."""

import pytest
import torch
from torch import nn

from tests.support.quantized_networks import tiny_quantized
from tests.support.tiny_trial import batches, tiny_network
from vsam_tune.quantization.integers import IntegerWeight, NotIntegersError, check_integers
from vsam_tune.quantization.layers import quantized_layers
from vsam_tune.quantization.transform import quantize_model


def test_what_it_returns():
    model = quantize_model(nn.Linear(6, 1, bias=False), first_last_bits=4)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[-0.9, -0.3, 0.05, 0.26, 0.4, 1.2]]))
        model.weight_quantizer.step.fill_(0.1)
    (found,) = check_integers(model)
    assert found == IntegerWeight(
        layer="",
        bits=4,
        step=pytest.approx(0.1),
        lowest=-8,
        highest=7,
        levels=6,
        clipped_percent=pytest.approx(100 / 3),
    )


def test_the_weights_that_the_convolutions_really_get(monkeypatch):
    """Check without the library: capture the arguments of torch's kernels."""
    model = tiny_quantized()
    handed = {}
    for name in ("conv2d", "linear"):
        original = getattr(nn.functional, name)

        def capture(x, weight, *rest, original=original):
            handed[tuple(weight.shape)] = (x, weight)
            return original(x, weight, *rest)

        monkeypatch.setattr(nn.functional, name, capture)
        monkeypatch.setattr(f"vsam_tune.quantization.layers.{name}", capture, raising=False)
    model(batches()[0][0])
    assert len(handed) == 3
    for layer in quantized_layers(model).values():
        for quantizer, tensor in zip(
            (layer.input_quantizer, layer.weight_quantizer), handed[tuple(layer.weight.shape)], strict=True
        ):
            integers = (tensor.double() / quantizer.step.double()).detach()
            low, high = quantizer.range
            assert (integers - integers.round()).abs().max() < 1e-5  # both sides of the quotient are float32
            assert low <= integers.round().min() <= integers.round().max() <= high
            assert len(integers.round().unique()) > 2


def test_names_and_order():
    assert [(each.layer, each.bits) for each in check_integers(tiny_quantized())] == [("0", 8), ("3", 4), ("9", 8)]


def test_a_network_without_quantized_weights_has_none():
    assert check_integers(tiny_network()) == []
    assert check_integers(tiny_quantized(weight_bits=32, first_last_bits=32)) == []


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda _, v: v, "3: the weight is no integer multiple of its step"),
        (lambda _, v: torch.full_like(v, torch.nan), "3: the weight is no integer multiple of its step"),
        (lambda step, v: 9 * step * torch.ones_like(v), "3: the integers 9 to 9 are not within -8 to 7"),
        (lambda step, v: -9 * step * torch.ones_like(v), "3: the integers -9 to -9 are not within"),
    ],
)
def test_a_weight_that_is_not_made_of_integers(broken, message):
    model = tiny_quantized()
    quantizer = model[3].weight_quantizer
    quantizer.forward = lambda v: broken(quantizer.step, v)
    with pytest.raises(NotIntegersError, match=f"^{message}"):
        check_integers(model)
