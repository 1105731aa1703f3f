"""The change of a network's outputs, which SAF and MESA penalise: KL(old || new) of tempered softmaxes."""

import torch
from torch import Tensor

from vsam_tune.optimizers.arguments import check, check_number


def divergence(old: Tensor, new: Tensor, temperature: float) -> Tensor:
    """Return KL(softmax(old / temperature) || softmax(new / temperature)) of each sample.

    It uses log-softmax, in float32 at least: the logarithm of a softmax that is rounded to 0 would be infinite.
    The gradient with respect to `new` is (softmax(new / temperature) - softmax(old / temperature)) / temperature.

    Args:
        old: (B, K) logits, constant.
        new: (B, K) logits, with their graph.
        temperature: positive.

    Returns:
        (B,), float64 for float64 logits and float32 for any others; >= 0 up to rounding.
    """
    dtype = torch.promote_types(new.dtype, torch.float32)
    log_q = torch.log_softmax(old.detach().to(dtype) / temperature, dim=1)
    log_p = torch.log_softmax(new.to(dtype) / temperature, dim=1)
    return (log_q.exp() * (log_q - log_p)).sum(dim=1)


def divergence_factor(*, weight: float, temperature: float, temperature_squared: bool) -> float:
    """Return the factor of the mean divergence in the loss.

    Args:
        weight: >= 0.
        temperature: positive.
        temperature_squared: whether the temperature's square is a factor, which offsets the gradient's
            1 / temperature^2.

    Raises:
        ValueError: if an argument is out of its range.
    """
    check_number("weight", weight, low=0.0)
    check_number("temperature", temperature, low=0.0)
    check("temperature", temperature, "greater than 0", holds=temperature > 0)
    check("temperature_squared", temperature_squared, "true or false", holds=isinstance(temperature_squared, bool))
    return weight * temperature**2 if temperature_squared else weight
