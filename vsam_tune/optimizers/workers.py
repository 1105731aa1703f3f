"""Averages over the workers of a data-parallel training, by `torch.distributed`."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.nn.parallel import DistributedDataParallel

from vsam_tune.optimizers.perturbation import copies, copy_


def is_data_parallel(model: nn.Module) -> bool:
    """Return whether torch averages the gradients of a network, or of a part of it, over processes."""
    return any(isinstance(module, DistributedDataParallel) for module in model.modules())


class Workers:
    """The processes that train copies of one model.

    Args:
        process_group: of `torch.distributed`; None for all processes.
        local: whether a worker perturbs with its gradient, and not with the average.
    """

    def __init__(self, process_group: ProcessGroup | None, *, local: bool) -> None:
        self._process_group, self._local = process_group, local

    def average(self, gradients: list[Tensor]) -> list[Tensor]:
        """Replace gradients by their averages over the workers, in place; one message per device and dtype.

        Args:
            gradients: of the same shapes, in the same order, on all workers.

        Returns:
            Copies of the gradients of this worker, if it perturbs with them; else nothing.
        """
        own = copies(gradients) if self._local else []
        alike: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
        for gradient in gradients:
            alike.setdefault((gradient.device, gradient.dtype), []).append(gradient)
        for members in alike.values():
            message = torch.cat([member.flatten() for member in members])
            dist.all_reduce(message, group=self._process_group)
            message /= dist.get_world_size(self._process_group)
            parts = torch.split(message, [member.numel() for member in members])
            copy_(members, [part.view_as(member) for part, member in zip(parts, members, strict=True)])
        return own
