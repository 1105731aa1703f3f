"""Channels last if wanted, unless oneDNN's gradients would be wrong."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from vsam_tune.models.memory_format import memory_format

CPU, GPU = torch.device("cpu"), torch.device("cuda")
NARROW = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, kernel_size=1, stride=2))


@pytest.mark.parametrize(
    ("layer", "safe"),
    [
        (nn.Conv2d(4, 8, kernel_size=1, stride=2), False),
        (nn.Conv2d(15, 30, kernel_size=1, stride=2), False),
        (nn.Conv2d(32, 64, kernel_size=1, stride=2, groups=4), False),
        (nn.Conv2d(16, 32, kernel_size=1, stride=2), True),
        (nn.Conv2d(4, 8, kernel_size=1), True),
        (nn.Conv2d(4, 8, kernel_size=3, stride=2), True),
        (nn.Linear(4, 8), True),
    ],
)
def test_a_narrow_strided_1x1_convolution_is_not_trained_channels_last_on_a_cpu(layer, safe):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), layer)
    expected = torch.channels_last if safe else torch.contiguous_format
    assert memory_format(model, CPU, channels_last=True) is expected
    assert memory_format(model, GPU, channels_last=True) is torch.channels_last


@pytest.mark.parametrize("device", [CPU, GPU])
def test_it_is_contiguous_if_not_wanted(device):
    assert memory_format(NARROW, device, channels_last=False) is torch.contiguous_format


GRADIENTS = """
import torch
from vsam_tune.models.build import build_model
from vsam_tune.models.memory_format import memory_format

torch.set_num_threads(1)
images = torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
model = build_model("resnet8", in_channels=1, image_size=8, num_classes=10, seed=0, width=2)

def gradients(model, images):
    model(images).square().sum().backward()
    return [parameter.grad for parameter in model.parameters()]

expected = [each.float() for each in gradients(model.double(), images.double())]
for _ in range(30):  # memory that is written to by mistake is found broken only later
    model.zero_grad()
    layout = memory_format(model, torch.device("cpu"), channels_last=True)
    found = gradients(model.float().to(memory_format=layout), images.to(memory_format=layout))
for one, other in zip(found, expected, strict=True):
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
"""


def test_a_network_two_channels_wide_has_the_gradients_of_float64():
    """Run in a separate process, since a wrong format can crash it."""
    done = subprocess.run([sys.executable, "-c", GRADIENTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
