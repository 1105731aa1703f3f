"""Tensors in the host's memory that the kernels of a GPU read and write without a copy."""

from collections.abc import Sequence

import torch
from torch import Tensor


class _Mapped:
    """Shows pinned memory to torch as an array of a GPU, and keeps it alive as long as the array."""

    def __init__(self, pinned: Tensor) -> None:
        self.pinned = pinned
        self.__cuda_array_interface__ = pinned.numpy().__array_interface__


def zeros_on_host(shape: Sequence[int], *, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return zeros in the host's memory that operations of `device` can use as its tensor.

    On CUDA the memory is pinned, and has the same address for host and device. A kernel that selects rows fetches them
    over the bus, in the order of its stream: neither the host nor the device waits for the other, and the host need not
    know the rows. A processor's tensors are in the host's memory anyway.

    Args:
        shape: of the tensor.
        dtype: of the tensor, one that NumPy has.
        device: a CUDA device, or the CPU.

    Raises:
        ValueError: if a device cannot use the host's memory.
    """
    if device.type == "cpu":
        return torch.zeros(shape, dtype=dtype)
    if device.type != "cuda":
        raise ValueError(f"a device of type {device.type} cannot use the host's memory")
    pinned = torch.zeros(shape, dtype=dtype, pin_memory=True)
    view = torch.as_tensor(_Mapped(pinned), device=device)
    if view.data_ptr() != pinned.data_ptr():
        raise ValueError(f"{device} cannot use the host's memory: its copy would lie on the device")
    return view
