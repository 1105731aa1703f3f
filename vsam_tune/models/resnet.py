"""ResNets for small images, He et al. 2016: section 4.2 from pytorchcv, ResNet-18 from torchvision."""

from pytorchcv.models.resnet_cifar import CIFARResNet
from torch import nn

from vsam_tune.models.image_size import check_image_size


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

    Args:
        in_channels: colour channels of an image.
        image_size: height, and width, in pixels, >= 16.
        num_classes: outputs.

    Returns:
        torchvision's network with its initialisation (choice: ESAM keeps torch's), but with a 3x3 first
        convolution of stride 1 and no pooling after it.
    """
    from torchvision.models import resnet  # noqa: PLC0415 - 0.7 s, which a worker without this model saves

    check_image_size("resnet18", image_size, smallest=16)
    model: nn.Module = resnet.resnet18(weights=None, num_classes=num_classes)
    stem = nn.Conv2d(in_channels, 64, kernel_size=3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")  # as torchvision does the others
    model.conv1, model.maxpool = stem, nn.Identity()
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
    model.features.final_pool = nn.AdaptiveAvgPool2d(1)  # pytorchcv's takes 8x8, so images of 32, alone
    built: nn.Module = model
    return built
