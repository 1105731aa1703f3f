"""The parameter groups of a quantized network: steps have neither weight decay nor perturbation."""

from typing import Any

from torch import nn

from vsam_tune.quantization.quantizer import Quantizer


def step_sizes(model: nn.Module) -> list[nn.Parameter]:
    """Return the steps of a network; none if it is not quantized."""
    return [module.step for module in model.modules() if isinstance(module, Quantizer)]


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Return the optimizer's groups of the parameters that require a gradient.

    Choices: steps have no weight decay, and the same learning rate as the other parameters, since the scale of their
    gradient accounts for their size. SAM's perturbation and its norm leave them out.

    Returns:
        One group without settings if nothing is quantized; else a second one for the steps.
    """
    steps = step_sizes(model)
    left_out = set(steps)
    others = [each for each in model.parameters() if each.requires_grad and each not in left_out]
    if not steps:
        return [{"params": others}]
    return [{"params": others}, {"params": steps, "weight_decay": 0.0, "perturbed": False}]
