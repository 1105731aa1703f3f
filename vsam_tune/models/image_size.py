"""The one thing that every network refuses: images that its strides would shrink to nothing."""

from vsam_tune.errors import InputError, problem


def check_image_size(name: str, image_size: int, *, smallest: int) -> None:
    """Refuse images that are too small for a network.

    Args:
        name: of the network, for the message.
        image_size: height, and width, in pixels.
        smallest: what the network takes at least: the product of its strides, so that none meets a single pixel, or
            more. Where no more, the last map is one pixel, and batch norm can take no batch of one image.

    Raises:
        InputError: `image_size` is below `smallest`.
    """
    if image_size < smallest:
        rule = f"must be at least {smallest} pixels for this network"
        fix = "use larger images, or the model cnn"
        raise InputError(problem(f"model {name}", "image size", image_size, rule, fix))
