"""The perturbation e = rho * g / ||g|| of SAM (Foret et al. 2021, eq. 2), over all tensors together.

The host reads no value, and every operation is one `torch._foreach_*` call over many tensors. A complex tensor counts
as its real and imaginary parts, as in torch's optimizers.
"""

from functools import reduce

import torch
from torch import Tensor

TINY = 1e-12  # added to the norm, so that a zero gradient gives e = 0
_SAME_SIZE_INTEGER = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes an element


def as_real(tensors: list[Tensor]) -> list[Tensor]:
    """Return the tensors, and for each complex one a real view of the same memory; its conjugation is resolved."""
    return [torch.view_as_real(tensor) if tensor.is_complex() else tensor for tensor in tensors]


def global_norm(tensors: list[Tensor]) -> Tensor:
    """Return the l2 norm over all tensors together.

    Args:
        tensors: at least one, of any floating or complex dtype and any device.

    Returns:
        A 0-d tensor on the device of the first one, float32, or float64 if any of them is. The sum runs in
        the order given.
    """
    tensors = as_real(tensors)
    dtype = reduce(torch.promote_types, (tensor.dtype for tensor in tensors), torch.float32)
    norms = torch._foreach_norm(tensors, 2.0, dtype)
    total: Tensor = torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]))
    return total


def perturbation_scale(norm: Tensor, rho: float) -> Tensor:
    """Return the 0-d factor that turns a gradient of this norm into e; 0 where the norm is not finite."""
    return torch.where(torch.isfinite(norm), rho / (norm + TINY), 0.0)


def perturb_(weights: list[Tensor], gradients: list[Tensor], norm: Tensor, rho: float) -> None:
    """Add e to the weights, in place. The gradients are overwritten with e, which saves a copy.

    Args:
        weights: tensors of one dtype on one device.
        gradients: of these weights, with the same shapes, dtype and device.
        norm: 0-d, over all perturbed parameters, these and others.
        rho: l2 radius, in units of the weights. At 0, or where the norm is not finite, no weight changes.
    """
    scale_(gradients, perturbation_scale(norm, rho), kept=torch.isfinite(norm))
    torch._foreach_add_(weights, gradients)


def scale_(tensors: list[Tensor], scale: Tensor, *, kept: Tensor) -> None:
    """Multiply tensors by a number on the device, in place, or set them to zero.

    Args:
        tensors: at least one; of one dtype on one device.
        scale: 0-d.
        kept: 0-d bool; if it is False all elements become zero, even those that are not finite.
    """
    tensors = as_real(tensors)
    first = tensors[0]
    torch._foreach_mul_(tensors, scale.to(first.device, first.dtype))
    # 0 * inf is NaN: bit patterns times 1 keep any number, and times 0 give zero.
    bits = _SAME_SIZE_INTEGER[first.element_size()]
    torch._foreach_mul_([tensor.view(bits) for tensor in tensors], kept.to(first.device, bits))


def copies(tensors: list[Tensor]) -> list[Tensor]:
    """Return a copy of each tensor."""
    copied = [torch.empty_like(tensor) for tensor in tensors]
    copy_(copied, tensors)
    return copied


def copy_(targets: list[Tensor], sources: list[Tensor]) -> None:
    """Copy each source into its target, bit for bit; the lists may be empty."""
    if targets:
        torch._foreach_copy_(targets, sources)
