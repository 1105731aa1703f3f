"""Calibration sets each step of an input once, from the first batch, and changes nothing else."""

import pytest
import torch
from torch import nn

from tests.support.quantized_networks import KINDS, images, input_quantizers, quantizers, small_model, tiny_quantized
from tests.support.tiny_trial import batches, equal_state
from vsam_tune.quantization.calibration import calibrate
from vsam_tune.quantization.layers import quantized_layers
from vsam_tune.quantization.lsq import initial_step
from vsam_tune.quantization.transform import quantize_model


def steps(model):
    return {name: each.step.detach().clone() for name, each in quantizers(model).items()}


@pytest.mark.parametrize("name", KINDS)
def test_sets_every_step_and_changes_nothing_else(name):
    model = quantize_model(small_model(name)).train()
    model.get_submodule(next(iter(quantized_layers(model)))).eval()  # modes are kept one by one
    modes = [module.training for module in model.modules()]
    own = {id(each.step) for each in quantizers(model).values()}
    others = {key: value.clone() for key, value in model.state_dict().items() if "input_quantizer" not in key}
    state = torch.get_rng_state()
    calibrate(model, images())
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes
    assert all(each.started and each.range is not None for each in quantizers(model).values())
    assert {id(each.step) for each in quantizers(model).values()} == own  # written in place
    assert equal_state({key: model.state_dict()[key] for key in others}, others)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", KINDS)
def test_each_step_fits_what_its_layer_sees_in_training(name):
    """Except for dropout, which is off in calibration."""
    model = quantize_model(small_model(name))
    calibrate(model, images())
    seen = {}
    for layer_name, each in input_quantizers(model).items():
        each.register_forward_pre_hook(lambda _, inputs, key=layer_name: seen.__setitem__(key, inputs[0].clone()))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    model(images())
    first = next(iter(seen))
    for layer_name, each in input_quantizers(model).items():
        signed = bool((seen[layer_name] < 0).any()) or layer_name == first
        bits = 2**each.bits
        assert each.range == ((-bits // 2, bits // 2 - 1) if signed else (0, bits - 1))
        assert bool(each.signed) == signed
        assert torch.equal(each.step, initial_step(seen[layer_name], each.range[1]))


@pytest.mark.parametrize(
    ("name", "signed"),
    [
        ("resnet8", {"features.init_block.conv"}),
        (  # the first convolution of a block has no ReLU before it
            "pyramidnet",
            {"features.init_block"} | {f"features.stage{stage}.unit1.body.conv1.conv" for stage in (1, 2, 3)},
        ),
    ],
)
def test_inputs_that_do_not_come_from_a_relu_are_signed(name, signed):
    model = quantize_model(small_model(name))
    calibrate(model, images())
    found = {layer for layer, each in quantized_layers(model).items() if each.input_quantizer.signed}
    assert {layer.removesuffix(".conv") for layer in found} == {layer.removesuffix(".conv") for layer in signed}


def test_linear_bottlenecks_of_mobilenet_v2_are_signed():
    model = quantize_model(small_model("mobilenet_v2"))
    calibrate(model, images())
    layers = quantized_layers(model)
    assert layers["features.2.conv.0.0"].input_quantizer.signed  # widens what the bottleneck before it gave
    assert not layers["features.2.conv.1.0"].input_quantizer.signed  # depthwise, after ReLU6


def test_images_are_signed_even_if_a_batch_of_them_is_not():
    model = tiny_quantized(calibrated=False)
    calibrate(model, torch.rand(8, 1, 6, 6, generator=torch.Generator().manual_seed(0)))
    assert model[0].input_quantizer.range == (-128, 127)


def test_once_and_no_more():
    model = tiny_quantized()
    before = steps(model)
    calibrate(model, 3 * batches()[1][0])
    assert equal_state(steps(model), before)
    calibrate(model, torch.ones(8, 2, 6, 6))  # a batch that does not fit: the network is not even run
    model(batches()[0][0])


def test_every_step_is_written_exactly_once(monkeypatch):
    model = tiny_quantized(calibrated=False)
    written = []
    start = type(model[0].input_quantizer).start
    monkeypatch.setattr(
        type(model[0].input_quantizer), "start", lambda self, v: (written.append(id(self)), start(self, v))
    )
    calibrate(model, batches()[0][0])
    calibrate(model, batches()[1][0])
    assert sorted(written) == sorted(id(each) for each in input_quantizers(model).values())


def test_an_input_of_zeros_starts_with_a_step_of_one():
    model = quantize_model(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)))
    calibrate(model, torch.zeros(4, 3))
    assert model[0].input_quantizer.step.item() == 1.0


def test_a_network_that_is_not_calibrated_does_not_run():
    with pytest.raises(RuntimeError, match=r"run calibrate\(model, batch\) once"):
        tiny_quantized(calibrated=False)(batches()[0][0])


def test_a_batch_that_does_not_fit_leaves_no_step_set():
    model = tiny_quantized(calibrated=False)
    with pytest.raises(RuntimeError):
        calibrate(model, torch.ones(8, 2, 6, 6))
    assert not any(each.started for each in input_quantizers(model).values())
    assert not any(each._forward_pre_hooks for each in quantizers(model).values())
    calibrate(model, batches()[0][0])
    assert equal_state(steps(model), steps(tiny_quantized()))


def test_a_loaded_state_is_calibrated(tmp_path):
    trained, fresh = tiny_quantized(), tiny_quantized(calibrated=False)
    torch.save(trained.state_dict(), tmp_path / "model.pt")
    fresh.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    calibrate(fresh, 3 * batches()[1][0])
    x = batches()[2][0]
    assert equal_state(steps(fresh), steps(trained))
    assert [each.range for each in quantizers(fresh).values()] == [each.range for each in quantizers(trained).values()]
    assert torch.equal(fresh(x), trained(x))


def test_a_loaded_state_that_was_not_calibrated_is_not():
    model = tiny_quantized()
    model.load_state_dict(tiny_quantized(calibrated=False).state_dict())
    assert all(each.range is None for each in input_quantizers(model).values())
    calibrate(model, batches()[0][0])
    assert equal_state(steps(model), steps(tiny_quantized()))


def test_a_network_in_full_precision_has_nothing_to_calibrate():
    model = nn.Sequential(nn.Linear(3, 2))
    calibrate(model, torch.ones(2, 5))  # not even run
