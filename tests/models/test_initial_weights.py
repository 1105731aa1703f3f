"""The distribution of initial weights: ESAM's where we chose it, and a reasonable initial loss everywhere."""

import math

import pytest
import torch
from torch import nn

from tests.support.networks import build
from vsam_tune.registry.data_and_models import MODELS


def convolutions(model):
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


def assert_normal(weight, variance):
    """Check mean, variance and fourth moment of a normal distribution, to six standard errors each."""
    x, count = weight.detach().double().flatten() / math.sqrt(variance), weight.numel()
    assert abs(float(x.mean())) < 6 / math.sqrt(count)
    assert abs(float((x**2).mean()) - 1) < 6 * math.sqrt(2 / count)
    assert abs(float((x**4).mean()) - 3) < 6 * math.sqrt(96 / count)  # 1.8 if uniform


@pytest.mark.parametrize("name", ["resnet18", "resnet18_imagenet_stem", "wrn", "pyramidnet", "mobilenet_v2"])
def test_convolutions_are_he_normal_with_fan_out(name):
    for layer in convolutions(build(name)):
        assert_normal(layer.weight, 2 / (layer.out_channels * layer.kernel_size[0] * layer.kernel_size[1]))


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v1_imagenet_stem", "mobilenet_v1_relu6"])
def test_convolutions_of_mobilenet_v1_are_he_normal_with_the_fan_of_one_channel_if_depthwise(name):
    for layer in convolutions(build(name)):
        fan = layer.out_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
        assert_normal(layer.weight, 2 / fan)


def test_the_linear_layer_of_a_wide_resnet_starts_without_bias():
    assert not build("wrn").output.bias.any()


@pytest.mark.parametrize("name", MODELS)
def test_training_starts_near_the_loss_of_guessing(name):
    draws = torch.Generator().manual_seed(0)
    model = build(name).train()
    loss = nn.functional.cross_entropy(
        model(torch.randn(8, 3, 32, 32, generator=draws)), torch.randint(10, (8,), generator=draws)
    )
    assert abs(loss.item() - math.log(10)) < 0.7
