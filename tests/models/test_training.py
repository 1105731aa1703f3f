"""Forward and backward through each network, in both memory formats."""

import pytest
import torch
from torch import nn

from tests.support.networks import LARGE, SMALL, build


def gradients(model, *, batch_size, dtype=torch.float32, memory_format=torch.contiguous_format):
    draws = torch.Generator().manual_seed(0)
    images = torch.randn(batch_size, 3, 32, 32, generator=draws, dtype=torch.float64).to(dtype)
    model = model.train().to(dtype=dtype, memory_format=memory_format)
    logits = model(images.to(memory_format=memory_format))
    nn.functional.cross_entropy(logits, torch.randint(10, (batch_size,), generator=draws)).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize(("name", "batch_size"), [*((name, 4) for name in SMALL), *((name, 2) for name in LARGE)])
def test_a_gradient_reaches_every_parameter(name, batch_size):
    for parameter, gradient in gradients(build(name), batch_size=batch_size).items():
        assert gradient.isfinite().all(), parameter
        assert gradient.any(), parameter


@pytest.mark.parametrize("name", SMALL)
def test_channels_last_is_the_same_network(name, monkeypatch):
    monkeypatch.setattr(nn.Dropout, "forward", lambda _, images: images)  # it draws anew at each pass
    expected = gradients(build(name), batch_size=4, dtype=torch.float64)
    found = gradients(build(name), batch_size=4, dtype=torch.float64, memory_format=torch.channels_last)
    for parameter, gradient in found.items():
        torch.testing.assert_close(gradient, expected[parameter], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", SMALL)
def test_only_mobilenet_v2_has_dropout(name):
    layers = [module.p for module in build(name).modules() if isinstance(module, nn.Dropout)]
    assert layers == ([0.2] if name == "mobilenet_v2" else [])
