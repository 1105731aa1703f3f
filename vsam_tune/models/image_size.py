"""The one thing that every network refuses: images that its strides would shrink to nothing."""

from vsam_tune.errors import InputError, finding


def check_image_size(name: str, image_size: int, *, smallest: int) -> None:
    """Refuse images that are too small for a network.

    Args:
        name: of the network, for the message.
        image_size: height, and width, in pixels.
        smallest: what the network takes at least, so that its last map has more than one pixel and batch norm
            can take a batch of one image.

    Raises:
        InputError: `image_size` is below `smallest`.
    """
    if image_size < smallest:
        rule = f"must be at least {smallest} pixels for this network"
        cure = "use larger images, or the model cnn"
        raise InputError(finding(f"model {name}", "image size", image_size, rule, cure))
