"""A guard for code that must not wait for the device."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class ValueReadError(AssertionError):
    pass


class NoValueIsRead(TorchDispatchMode):
    """Refuse to read a tensor's value (`item`, `float`, `if tensor`): the host waits for that."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            raise ValueReadError
        return func(*args, **(kwargs or {}))
