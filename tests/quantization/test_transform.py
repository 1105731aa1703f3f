"""The layers that are quantized, their bits, and the parts that do not change."""

import copy

import pytest
import torch
from torch import nn

from tests.support.quantized_networks import KINDS, Shared, images, quantizers, small_model, tiny_quantized
from tests.support.tiny_trial import batches, tiny_network
from vsam_tune.errors import InputError
from vsam_tune.quantization.calibration import calibrate
from vsam_tune.quantization.layers import quantized_layers
from vsam_tune.quantization.lsq import initial_step
from vsam_tune.quantization.transform import quantize_model


def layers_in_full_precision(model):
    return [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]


@pytest.mark.parametrize("name", KINDS)
def test_every_layer_of_every_network_is_quantized_first_and_last_with_8_bits(name):
    model = small_model(name)
    expected = layers_in_full_precision(model)
    layers = quantized_layers(quantize_model(model))
    assert list(layers) == expected
    bits = [(layer.weight_quantizer.bits, layer.input_quantizer.bits) for layer in layers.values()]
    assert bits == [(8, 8), *[(4, 4)] * (len(layers) - 2), (8, 8)]
    assert isinstance(list(layers.values())[-1], nn.Linear)


@pytest.mark.parametrize("name", KINDS)
def test_first_and_last_layer_are_so_in_a_forward_pass(name):
    model = quantize_model(small_model(name))
    calibrate(model, images())
    order = []
    for layer_name, layer in quantized_layers(model).items():
        layer.register_forward_hook(lambda *_, layer_name=layer_name: order.append(layer_name))
    model(images())
    names = list(quantized_layers(model))
    assert (order[0], order[-1]) == (names[0], names[-1])
    assert sorted(order) == sorted(names)


@pytest.mark.parametrize("name", KINDS)
def test_32_bits_are_full_precision_bit_for_bit(name):
    model = small_model(name)
    x = images()
    outputs = []
    for each in (model, quantize_model(copy.deepcopy(model), weight_bits=32, activation_bits=32, first_last_bits=32)):
        torch.random.manual_seed(0)  # for dropout
        loss = each.train()(x).square().sum()
        loss.backward()
        gradients = [parameter.grad for parameter in each.parameters()]
        outputs.append([loss, *gradients, *each.buffers(), each.eval()(x)])
    assert len(outputs[0]) == len(outputs[1])
    assert all(map(torch.equal, *outputs))


def test_weights_alone_or_activations_alone():
    assert {name.rpartition(".")[2] for name in quantizers(tiny_quantized(activation_bits=32))} == {
        "weight_quantizer",
        "input_quantizer",  # of the first and the last layer
    }
    weights = quantizers(tiny_quantized(activation_bits=32, first_last_bits=32))
    assert list(weights) == ["3.weight_quantizer"]
    assert list(quantizers(tiny_quantized(weight_bits=32, first_last_bits=32))) == ["3.input_quantizer"]


def test_bits_and_ranges():
    model = tiny_quantized(weight_bits=3, activation_bits=2, first_last_bits=6)
    assert [(each.bits, each.range) for each in quantizers(model).values()] == [
        (6, (-32, 31)),
        (6, (-32, 31)),  # images
        (3, (-4, 3)),
        (2, (0, 3)),  # after ReLU
        (6, (-32, 31)),
        (6, (0, 63)),
    ]


def test_steps_of_weights_follow_from_the_weights():
    plain = tiny_network()
    for name, layer in quantized_layers(tiny_quantized()).items():
        high = layer.weight_quantizer.range[1]
        weight = plain.get_submodule(name).weight
        assert torch.equal(layer.weight, weight)
        assert torch.equal(layer.weight_quantizer.step, initial_step(weight, high))


def test_the_network_is_changed_in_place_and_nothing_else_about_it():
    model = tiny_network().double().eval()
    model[3].register_forward_hook(lambda *_: None)
    model[0].weight.requires_grad_(False)
    before = dict(model.named_parameters()) | dict(model.named_buffers())
    values = {name: tensor.clone() for name, tensor in before.items()}
    modules = list(model)
    state = torch.get_rng_state()
    assert quantize_model(model) is model
    assert torch.equal(torch.get_rng_state(), state)
    assert list(model) == modules
    assert len(model[3]._forward_hooks) == 1
    assert not any(module.training for module in modules)
    after = dict(model.named_parameters()) | dict(model.named_buffers())
    assert all(after[name] is tensor and torch.equal(tensor, values[name]) for name, tensor in before.items())
    assert {name.rpartition(".")[2] for name in after.keys() - before.keys()} == {"step", "started", "signed"}
    assert {after[name].dtype for name in after if name.endswith("step")} == {torch.float64}


def test_a_single_layer_is_first_and_last():
    model = quantize_model(nn.Linear(3, 2))
    calibrate(model, torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    assert [each.bits for each in quantizers(model).values()] == [8, 8]
    assert model(torch.ones(1, 3)).shape == (1, 2)


def test_a_layer_that_runs_twice_has_one_step_for_each_tensor():
    model = quantize_model(Shared())
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    calibrate(model, x)
    assert len(quantizers(model)) == 6
    assert model.twice is model.again
    first = model.twice.input_quantizer
    seen = torch.relu(model.first(x))
    assert torch.equal(first.step, initial_step(seen, 15))


def test_padding_grouping_and_dilation_stay():
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    convolution = nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2, padding_mode="reflect")
    model = quantize_model(convolution)
    calibrate(model, x)
    plain = nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2, padding_mode="reflect")
    plain.weight, plain.bias = nn.Parameter(model.weight_quantizer(model.weight)), model.bias
    assert torch.equal(model(x), plain(model.input_quantizer(x)))


def test_the_gradient_of_an_inputs_step_is_scaled_by_features_of_a_sample_or_by_all_values():
    gradients = []
    for scale in ("features", "numel"):
        model = tiny_quantized(dtype=torch.float64, activation_grad_scale=scale)
        x, _ = batches(torch.float64)[0]
        model(x).square().sum().backward()
        gradients.append({name: each.step.grad for name, each in quantizers(model).items()})
    for name, by_features in gradients[0].items():
        ratio = len(x) ** 0.5 if name.endswith("input_quantizer") else 1.0
        assert (by_features / gradients[1][name]).item() == pytest.approx(ratio, rel=1e-12)


class Embedded(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 4), nn.Bilinear(2, 2, 3))


class Standardised(nn.Conv2d):
    pass


@pytest.mark.parametrize(
    ("model", "name", "kind"),
    [
        (Embedded(), "1", "Bilinear"),
        (nn.Sequential(nn.Sequential(Standardised(1, 2, 3))), "0.0", "Standardised"),
        (nn.Conv1d(1, 2, 3), "itself", "Conv1d"),
        (quantize_model(nn.Sequential(nn.Linear(4, 4))), "0", "QuantizedLinear"),
    ],
)
def test_a_layer_that_would_stay_in_full_precision_is_refused(model, name, kind):
    kinds = [type(module) for module in model.modules()]
    with pytest.raises(InputError) as error:
        quantize_model(model)
    assert error.value.lines == (
        f"model: {name} = '{kind}': cannot be quantized; only Conv2d and Linear can. Fix: use a model without "
        "other weights, or remove the section quantization.",
    )
    assert [type(module) for module in model.modules()] == kinds


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_bits": 1}, "weight_bits is 1, but must be an integer >= 2"),
        ({"activation_bits": 17}, "activation_bits is 17, but must be at most 16, or 32"),
        ({"first_last_bits": 4.0}, "first_last_bits is 4.0, but must be an integer >= 2"),
        ({"activation_grad_scale": "batch"}, "activation_grad_scale is 'batch', but must be one of features, numel"),
    ],
)
def test_invalid_settings(settings, message):
    with pytest.raises(ValueError, match=f"^the value of {message}$"):
        quantize_model(tiny_network(), **settings)
