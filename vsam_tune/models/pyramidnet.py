"""PyramidNets of basic blocks for small images, Han et al. 2017, from pytorchcv."""

from pytorchcv.models.pyramidnet_cifar import CIFARPyramidNet
from torch import nn

from vsam_tune.models.depth import blocks_per_stage
from vsam_tune.models.image_size import check_image_size
from vsam_tune.models.initial_weights import draw_convolutions

_FIRST = 16  # channels of the first convolution


def pyramidnet(in_channels: int, image_size: int, num_classes: int, *, depth: int, alpha: int) -> nn.Module:
    """Return a PyramidNet of basic blocks: 310,845 parameters for depth 20, alpha 48, 3 channels, 10 classes.

    It has three stages of blocks, at full, half and quarter size. Each block is wider than the last, and zero channels
    pad the shortcuts. `draw_convolutions` draws the convolutions; the linear layer has torch's initial weights.

    The `depth` is 6 n + 2: the first convolution, n blocks of two layers in each stage, and the linear layer. All
    blocks together add `alpha` channels to the first 16, in equal steps, rounded. Images need at least 8 pixels.
    """
    return _basic_blocks("pyramidnet", in_channels, image_size, num_classes, depth, alpha)


def pyramidnet110(in_channels: int, image_size: int, num_classes: int) -> nn.Module:
    """Return ESAM's `pyramidnet` of depth 110, alpha 270: 28,485,477 parameters for 3 channels, 10 classes."""
    return _basic_blocks("pyramidnet110", in_channels, image_size, num_classes, 110, 270)


def _basic_blocks(name: str, in_channels: int, image_size: int, num_classes: int, depth: int, alpha: int) -> nn.Module:
    check_image_size(name, image_size, smallest=8)
    blocks = blocks_per_stage(name, depth, others=2)
    widths = [_FIRST + round(alpha * (block + 1) / (3 * blocks)) for block in range(3 * blocks)]
    model = CIFARPyramidNet(  # the class, since pytorchcv's functions accept only 10 or 100 classes
        channels=[widths[stage * blocks : (stage + 1) * blocks] for stage in range(3)],
        init_block_channels=_FIRST,
        bottleneck=False,
        in_channels=in_channels,
        num_classes=num_classes,
    )
    model.features.final_pool = nn.AdaptiveAvgPool2d(1)  # pytorchcv's accepts only 8x8, from images of 32
    draw_convolutions(model)
    built: nn.Module = model
    return built
