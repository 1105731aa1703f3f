"""The networks of the libraries, with our changes, against literal layer lists of the papers."""

from functools import partial

import pytest
import torch
from torch import nn

from tests.reference import networks
from tests.support.networks import build

RELU6 = partial(networks.mobilenet_v1, stem_stride=2, last_stride=2, activation=networks.relu6)  # of vSAM's authors


def drawn(name, image_size, **options):
    """Return a network in float64 with random weights and statistics also in batch norm."""
    draws = torch.Generator().manual_seed(3)
    model = build(name, image_size=image_size, num_classes=7, **options).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value in (module.weight.detach(), module.running_var):
                value.copy_(0.5 + torch.rand(value.shape, generator=draws, dtype=torch.float64))
            for value in (module.bias.detach(), module.running_mean):
                value.copy_(torch.randn(value.shape, generator=draws, dtype=torch.float64))
    return model, torch.randn(2, 3, image_size, image_size, generator=draws, dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "image_size", "options", "reference"),
    [
        ("resnet18", 16, {}, networks.resnet18),
        ("wrn", 32, {"depth": 16, "width_factor": 1}, partial(networks.wide_resnet, blocks=2)),
        ("wrn", 12, {"depth": 10, "width_factor": 3}, partial(networks.wide_resnet, blocks=1)),
        ("pyramidnet", 32, {"depth": 14, "alpha": 20}, partial(networks.pyramidnet, blocks=2)),
        ("pyramidnet", 12, {"depth": 8, "alpha": 90}, partial(networks.pyramidnet, blocks=1)),
        ("mobilenet_v1", 32, {"width_percent": 25}, partial(networks.mobilenet_v1, stem_stride=1)),
        ("mobilenet_v1_imagenet_stem", 32, {"width_percent": 25}, partial(networks.mobilenet_v1, stem_stride=2)),
        ("mobilenet_v1_relu6", 32, {"width_percent": 25}, RELU6),
        ("mobilenet_v1_relu6", 80, {"width_percent": 25}, RELU6),
    ],
)
def test_logits(name, image_size, options, reference):
    model, images = drawn(name, image_size, **options)
    modules = [module for module in model.modules() if not isinstance(module, nn.Sequential)]
    norms = [
        (norm.weight.detach(), norm.bias.detach(), norm.running_mean, norm.running_var)
        for norm in modules
        if isinstance(norm, nn.BatchNorm2d)
    ]
    convolutions = [module.weight.detach() for module in modules if isinstance(module, nn.Conv2d)]
    linear = modules[-1]
    logits = reference(images, convolutions, norms, linear.weight.detach(), linear.bias.detach())
    torch.testing.assert_close(model(images).detach(), logits, rtol=1e-11, atol=1e-11)
