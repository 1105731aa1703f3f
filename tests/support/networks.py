"""Networks of the table, as the tests build them."""

from vsam_tune.models.build import build_model
from vsam_tune.registry.data_and_models import MODELS

SMALLEST = {  # pixels
    "cnn": 4,
    "resnet8": 8,
    "resnet20": 8,
    "resnet18": 16,
    "resnet18_imagenet_stem": 32,
    "wrn": 8,
    "wrn28_10": 8,
    "wrn34_10": 8,
    "pyramidnet": 8,
    "pyramidnet110": 8,
    "mobilenet_v1": 16,
    "mobilenet_v1_imagenet_stem": 32,
    "mobilenet_v1_relu6": 32,
    "mobilenet_v2": 32,
}
ONE_PIXEL = [  # of them is left
    "resnet18_imagenet_stem",
    "mobilenet_v1",
    "mobilenet_v1_imagenet_stem",
    "mobilenet_v1_relu6",
    "mobilenet_v2",
]
LARGE = ["wrn28_10", "wrn34_10", "pyramidnet110"]  # the builders of wrn and pyramidnet with other numbers
SMALL = [name for name in MODELS if name not in LARGE]


def build(name, **changes):
    return build_model(name, **{"in_channels": 3, "image_size": 32, "num_classes": 10, "seed": 0, **changes})
