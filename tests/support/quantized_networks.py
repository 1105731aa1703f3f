"""Networks to quantize: one of each kind that is registered, small; and batches for them."""

import torch
from torch import nn

from tests.support.tiny_trial import batches, tiny_network
from vsam_tune.models.build import build_model
from vsam_tune.quantization.calibration import calibrate
from vsam_tune.quantization.quantizer import Quantizer
from vsam_tune.quantization.transform import quantize_model
from vsam_tune.registry.data_and_models import MODELS

SMALL = {"width": 4, "depth": {"wrn": 10, "pyramidnet": 8}, "width_factor": 1, "alpha": 6, "width_percent": 10}
# Those that have no small form have one of the same kind beside them, but for ResNet-18: with its ImageNet stem.
KINDS = [name for name in MODELS if MODELS[name].options or name == "resnet18_imagenet_stem"]


def small_model(name, *, seed=0):
    """Return the smallest network of a kind that still has all of its layers."""
    options = {key: SMALL[key][name] if isinstance(SMALL[key], dict) else SMALL[key] for key in MODELS[name].options}
    return build_model(name, in_channels=3, image_size=32, num_classes=5, seed=seed, **options)


def images(number=4, *, seed=0):
    """Return normalised images of 32x32."""
    return torch.randn(number, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def tiny_quantized(*, dtype=torch.float32, dropout=0.0, calibrated=True, **bits):
    """Return the network of the contracts, quantized."""
    model = quantize_model(tiny_network(dropout=dropout).to(dtype), **bits)
    if calibrated:
        calibrate(model, batches(dtype)[0][0])
    return model


def quantizers(model):
    return {name: module for name, module in model.named_modules() if isinstance(module, Quantizer)}


def input_quantizers(model):
    return {name: each for name, each in quantizers(model).items() if name.endswith("input_quantizer")}


class Shared(nn.Module):
    """Runs one layer twice, which also has a second name."""

    def __init__(self):
        super().__init__()
        self.first, self.twice = nn.Linear(4, 4), nn.Linear(4, 4)
        self.again, self.last = self.twice, nn.Linear(4, 2)

    def forward(self, x):
        return self.last(torch.relu(self.again(torch.relu(self.twice(torch.relu(self.first(x)))))))
