"""Initial weights of convolutions, He et al. 2015, in place of those of a library."""

from torch import nn


def draw_convolutions(model: nn.Module) -> None:
    """Draw the weights of all convolutions anew, in place: normal, of mean 0 and variance 2 / (k * k * out_channels).

    Choice: as ESAM's Wide ResNet and PyramidNet, and torchvision's ResNets. pytorchcv draws from a uniform distribution
    of variance 2 / (k * k * in_channels), which differs only if a convolution changes the number of channels.

    Args:
        model: its convolutions have k x k weights and one group. The draws come from the global generator.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
