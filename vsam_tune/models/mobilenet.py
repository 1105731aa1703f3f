"""MobileNets: V1, Howard et al. 2017, from pytorchcv; V2, Sandler et al. 2018, from torchvision.

The paper of vSAM does not say which version its table 5 trains, nor with which stem. Its authors' program has one
MobileNet, `mobilenet_v1_relu6` here.
"""

from pytorchcv.models.mobilenet import get_mobilenet
from torch import nn

from vsam_tune.errors import InputError, problem
from vsam_tune.models.image_size import check_image_size
from vsam_tune.models.initial_weights import draw_convolutions

_NARROWEST = 4  # percent: the first convolution, of 32 channels at 100, keeps one


def mobilenet_v1(in_channels: int, image_size: int, num_classes: int, *, width_percent: int) -> nn.Module:
    """Return MobileNet with the CIFAR stem, of stride 1: 3,217,226 parameters at 100 %, 3 channels, 10 classes.

    Weights start as in pytorchcv: He-normal, with fan-in for depthwise and fan-out for pointwise convolutions. Choice:
    the stem has fan-out too, which pytorchcv intends but misses. Choice: the linear layer has torch's initial weights,
    since pytorchcv's give logits of standard deviation 7 and an initial loss of 12.

    Each layer has `width_percent` (>= 4) of the published channels, rounded down. Images need at least 16 pixels.
    """
    check_image_size("mobilenet_v1", image_size, smallest=16)
    return _first("mobilenet_v1", in_channels, num_classes, width_percent, stride=1)


def mobilenet_v1_imagenet_stem(in_channels: int, image_size: int, num_classes: int, *, width_percent: int) -> nn.Module:
    """Return MobileNet with the published stem of stride 2; otherwise like `mobilenet_v1`, for images >= 32 pixels."""
    check_image_size("mobilenet_v1_imagenet_stem", image_size, smallest=32)
    return _first("mobilenet_v1_imagenet_stem", in_channels, num_classes, width_percent, stride=2)


def mobilenet_v1_relu6(in_channels: int, image_size: int, num_classes: int, *, width_percent: int) -> nn.Module:
    """Return the MobileNet of vSAM's authors: as `mobilenet_v1_imagenet_stem`, with ReLU6 and a last block of stride 2.

    On images of 32x32 the last block sees a map of one pixel, so its stride has no effect there. Choice: weights start
    as in `mobilenet_v1`; the authors' start as torch's do.
    """
    check_image_size("mobilenet_v1_relu6", image_size, smallest=32)
    model = _first("mobilenet_v1_relu6", in_channels, num_classes, width_percent, stride=2)
    for module in [*model.modules()]:
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.ReLU6(inplace=True))
    depthwise = [module for module in model.modules() if isinstance(module, nn.Conv2d) and module.groups > 1]
    depthwise[-1].stride = (2, 2)
    return model


def mobilenet_v2(in_channels: int, image_size: int, num_classes: int, *, width_percent: int) -> nn.Module:
    """Return MobileNetV2 as published, its stem of stride 2: 2,236,682 parameters at 100 %, 3 channels, 10 classes.

    Weights start as in torchvision: He-normal with fan-out, and a standard deviation of 0.01 in the linear layer.
    It has a dropout of 0.2; the other networks here have none.

    Each layer has `width_percent` of the published channels, rounded to multiples of 8; the last convolution has at
    least the published 1280. Images need at least 32 pixels.
    """
    from torchvision.models import mobilenetv2  # noqa: PLC0415 - 0.7 s, which a worker without this model saves

    check_image_size("mobilenet_v2", image_size, smallest=32)
    model = mobilenetv2.mobilenet_v2(weights=None, num_classes=num_classes, width_mult=width_percent / 100)
    stem = model.features[0]
    stem[0] = nn.Conv2d(in_channels, stem[0].out_channels, kernel_size=3, stride=2, padding=1, bias=False)
    draw_convolutions(stem)
    built: nn.Module = model
    return built


def _first(name: str, in_channels: int, num_classes: int, width_percent: int, *, stride: int) -> nn.Module:
    if width_percent < _NARROWEST:
        rule = "must leave one channel of the 32 in the first convolution"
        raise InputError(problem(f"model {name}", "width_percent", width_percent, rule, f"write {_NARROWEST} or more"))
    model = get_mobilenet(width_percent / 100, in_channels=in_channels, num_classes=num_classes)
    stem = model.features.init_block
    stem.conv.stride = (stride, stride)
    draw_convolutions(stem)
    model.features.final_pool = nn.AdaptiveAvgPool2d(1)  # pytorchcv's accepts only 7x7, from images of 224
    model.output.reset_parameters()
    built: nn.Module = model
    return built
