"""A small network for small images on a CPU: three convolutions with batch norm."""

from torch import nn

from vsam_tune.models.image_size import check_image_size


def cnn(in_channels: int, image_size: int, num_classes: int, *, width: int) -> nn.Module:
    """Return three 3x3 convolutions with batch norm, pooled after the second, and a linear layer on the mean.

    It takes images of at least 4 pixels, and has 19,242 parameters with convolutions of 32 channels, for 1 colour
    channel and 10 classes. So it is large enough to memorise the noisy labels of `digits`, and SAM prevents that.
    """
    check_image_size("cnn", image_size, smallest=4)
    return nn.Sequential(
        *_convolution(in_channels, width),
        *_convolution(width, width),
        nn.MaxPool2d(2),
        *_convolution(width, width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, num_classes),
    )


def _convolution(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    """Return a 3x3 convolution that keeps the size, batch norm (its shift replaces a bias) and ReLU."""
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
