"""Check that a network's strides do not shrink its images to nothing."""

from vsam_tune.errors import InputError, problem


def check_image_size(name: str, image_size: int, *, smallest: int) -> None:
    """Refuse images that are too small for a network.

    Args:
        name: of the network, for the message.
        image_size: height and width in pixels.
        smallest: smallest size for the network, at least the product of its strides. At exactly this product the last
            map is one pixel, and batch norm cannot train on a batch of one image.

    Raises:
        InputError: `image_size` is below `smallest`.
    """
    if image_size < smallest:
        rule = f"must be at least {smallest} pixels for this network"
        fix = "use larger images, or the model cnn"
        raise InputError(problem(f"model {name}", "image size", image_size, rule, fix))
