"""The initial weights of convolutions, He et al. 2015, where those of the library are not wanted."""

from torch import nn


def draw_convolutions(model: nn.Module) -> None:
    """Draw the weights of all convolutions anew, in place: normal, of mean 0 and variance 2 / (k * k * out_channels).

    Choice: ESAM's Wide ResNet and PyramidNet start so, and torchvision's ResNets. pytorchcv's draw uniformly, of
    variance 2 / (k * k * in_channels), which is the same wherever a convolution keeps the number of channels.

    Args:
        model: whose convolutions have k x k weights and one group; the global generator is drawn from.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
