"""Wide ResNets for small images, Zagoruyko and Komodakis 2016, from pytorchcv."""

from pytorchcv.models.wrn_cifar import CIFARWRN
from torch import nn

from vsam_tune.models.depth import blocks_per_stage
from vsam_tune.models.image_size import check_image_size
from vsam_tune.models.initial_weights import draw_convolutions


def wrn(in_channels: int, image_size: int, num_classes: int, *, depth: int, width_factor: int) -> nn.Module:
    """Return WRN-`depth`-`width_factor`: 691,674 parameters for depth 16, factor 2, 3 channels, 10 classes.

    It has three stages of pre-activated blocks, at full, half and quarter size, and no dropout. `draw_convolutions`
    draws the convolutions; the linear layer has torch's initial weights and zero bias, as in ESAM.

    The `depth` is 6 n + 4: the first convolution, the shortcuts of three stages, and n blocks of two layers in each.
    The stages have 16, 32 and 64 times `width_factor` channels. Images need at least 8 pixels.
    """
    return _wide_resnet("wrn", in_channels, image_size, num_classes, depth, width_factor)


def wrn28_10(in_channels: int, image_size: int, num_classes: int) -> nn.Module:
    """Return WRN-28-10, a `wrn`: 36,479,194 parameters for 3 channels, 10 classes."""
    return _wide_resnet("wrn28_10", in_channels, image_size, num_classes, 28, 10)


def wrn34_10(in_channels: int, image_size: int, num_classes: int) -> nn.Module:
    """Return WRN-34-10, a `wrn`: 46,160,474 parameters for 3 channels, 10 classes.

    The program of vSAM's authors builds it under the name of WRN-28-10: davda54/sam's network, which they took over,
    has a block that widens and (28 - 4) / 6 = 4 more in each stage. Choice: the initial weights are those of `wrn`.
    Theirs have fan-in instead of fan-out, and a linear layer of zeros.
    """
    return _wide_resnet("wrn34_10", in_channels, image_size, num_classes, 34, 10)


def _wide_resnet(
    name: str, in_channels: int, image_size: int, num_classes: int, depth: int, width_factor: int
) -> nn.Module:
    check_image_size(name, image_size, smallest=8)
    blocks = blocks_per_stage(name, depth, others=4)
    model = CIFARWRN(
        channels=[[width * width_factor] * blocks for width in (16, 32, 64)],
        init_block_channels=16,
        in_channels=in_channels,
        num_classes=num_classes,
    )
    model.features.final_pool = nn.AdaptiveAvgPool2d(1)  # pytorchcv's accepts only 8x8, from images of 32
    draw_convolutions(model)
    nn.init.zeros_(model.output.bias)
    built: nn.Module = model
    return built
