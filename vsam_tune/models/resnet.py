"""ResNets for small images, He et al. 2016: section 4.2 from pytorchcv, ResNet-18 from torchvision."""

from pytorchcv.models.resnet_cifar import CIFARResNet
from torch import nn

from vsam_tune.models.image_size import check_image_size
from vsam_tune.models.initial_weights import draw_convolutions


def resnet8(in_channels: int, image_size: int, num_classes: int, *, width: int) -> nn.Module:
    """Return section 4.2's network with n = 1: 78,042 parameters at width 16, 3 channels, 10 classes."""
    check_image_size("resnet8", image_size, smallest=8)
    return _three_stages(1, in_channels, num_classes, width)


def resnet20(in_channels: int, image_size: int, num_classes: int, *, width: int) -> nn.Module:
    """Return section 4.2's network with n = 3: 272,474 parameters at width 16, 3 channels, 10 classes."""
    check_image_size("resnet20", image_size, smallest=8)
    return _three_stages(3, in_channels, num_classes, width)


def resnet18(in_channels: int, image_size: int, num_classes: int) -> nn.Module:
    """Return ResNet-18 with the CIFAR stem: 11,173,962 parameters for 3 channels, 10 classes.

    It is torchvision's network with its initialisation (choice: ESAM keeps torch's), except for a 3x3 first convolution
    of stride 1 and no pooling after it. Images need at least 16 pixels.
    """
    check_image_size("resnet18", image_size, smallest=16)
    model = _eighteen_layers(in_channels, num_classes, kernel_size=3, stride=1)
    model.maxpool = nn.Identity()
    return model


def resnet18_imagenet_stem(in_channels: int, image_size: int, num_classes: int) -> nn.Module:
    """Return ResNet-18 as published: 11,181,642 parameters for 3 channels, 10 classes.

    The 7x7 first convolution of stride 2 and the pooling reduce a 32x32 image to 8x8, the last stage to one pixel.
    Images need at least 32 pixels. The network and its initialisation are torchvision's.
    """
    check_image_size("resnet18_imagenet_stem", image_size, smallest=32)
    return _eighteen_layers(in_channels, num_classes, kernel_size=7, stride=2)


def _eighteen_layers(in_channels: int, num_classes: int, *, kernel_size: int, stride: int) -> nn.Module:
    """Return torchvision's ResNet-18 with another first convolution, in torchvision's initialisation."""
    from torchvision.models import resnet  # noqa: PLC0415 - 0.7 s, which a worker without this model saves

    model: nn.Module = resnet.resnet18(weights=None, num_classes=num_classes)
    padding = kernel_size // 2
    model.conv1 = nn.Conv2d(in_channels, 64, kernel_size, stride=stride, padding=padding, bias=False)
    draw_convolutions(model.conv1)
    return model


def _three_stages(units: int, in_channels: int, num_classes: int, width: int) -> nn.Module:
    """Return pytorchcv's network of three stages of `units` units, 1, 2 and 4 times `width` channels wide."""
    model = CIFARResNet(
        channels=[[width * factor] * units for factor in (1, 2, 4)],
        init_block_channels=width,
        bottleneck=False,
        in_channels=in_channels,
        num_classes=num_classes,
    )
    model.features.final_pool = nn.AdaptiveAvgPool2d(1)  # pytorchcv's accepts only 8x8, from images of 32
    built: nn.Module = model
    return built
