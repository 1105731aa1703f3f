"""Checks of a trial's batches: batch norm cannot take one image alone, and some methods need the whole batch."""

from vsam_tune.errors import InputError, problem
from vsam_tune.optimizers.wrapper import Wrapper


def check_batch_size(batch_size: int, num_images: int) -> None:
    """Refuse a batch of one image, over whose 1x1 maps batch norm has no variance.

    Raises:
        InputError: if an epoch of `num_images` has one.
    """

    def one_alone(size: int) -> bool:
        return size == 1 or num_images % size == 1

    if one_alone(batch_size):
        rule = f"a batch of an epoch would hold one of {num_images} images, which batch norm cannot take"
        fitting = next((size for size in range(batch_size + 1, num_images) if not one_alone(size)), num_images)
        raise InputError(problem("task", "batch_size", batch_size, rule, f"write {fitting}"))


def check_parts(micro_batches: int, batch_size: int, num_images: int) -> None:
    """Refuse micro-batches of one image.

    Raises:
        InputError: if a batch of an epoch of `num_images` would be cut into some.
    """
    smallest = _smallest_batch(batch_size, num_images)
    if micro_batches > 1 and smallest < 2 * micro_batches:
        rule = f"a part of a batch of {smallest} images would hold one alone, which batch norm cannot take"
        fix = f"write at most {smallest // 2}, or another batch_size"
        raise InputError(problem("task", "micro_batches", micro_batches, rule, fix))


def check_selection(batch_size: int, num_images: int, optimizer: Wrapper, method: str) -> None:
    """Refuse a method that would select one image of an epoch's smallest batch.

    Raises:
        InputError: if it would.
    """
    smallest = _smallest_batch(batch_size, num_images)
    if optimizer.smallest_pass(smallest) == 1:
        rule = f"{method} would select one image of an epoch's last {smallest}, which batch norm cannot take"
        fix = f"write another one, or let {method} select more of a batch"
        raise InputError(problem("task", "batch_size", batch_size, rule, fix))


def check_micro_batches(micro_batches: int, optimizer: Wrapper, method: str) -> None:
    """Refuse to run a batch in parts for a method that asks for its sample losses.

    Raises:
        InputError: if there are several parts and such a method.
    """
    if micro_batches > 1 and optimizer.sample_losses:
        rule = f"{method} takes the gradient of a whole batch, or of samples that it selects from all of it"
        raise InputError(problem("task", "micro_batches", micro_batches, rule, "write 1, or take another method"))


def _smallest_batch(batch_size: int, num_images: int) -> int:
    return min(size for size in (batch_size, num_images, num_images % batch_size) if size)
