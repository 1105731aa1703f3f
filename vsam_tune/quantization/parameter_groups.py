"""The parameter groups of a quantized network: steps are neither decayed nor perturbed."""

from typing import Any

from torch import nn

from vsam_tune.quantization.quantizer import Quantizer


def step_sizes(model: nn.Module) -> list[nn.Parameter]:
    """Return the steps of a network, each once; none if it is not quantized."""
    return [module.step for module in model.modules() if isinstance(module, Quantizer)]


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Return the groups for an optimizer over the parameters that require a gradient.

    Choices: steps have no weight decay, the learning rate of the others (the scale of their gradient is there for
    that), and are outside of SAM's perturbation and its norm.

    Returns:
        One group, without settings of its own, if nothing is quantized; else also that of the steps.
    """
    steps = step_sizes(model)
    left_out = set(steps)
    others = [each for each in model.parameters() if each.requires_grad and each not in left_out]
    if not steps:
        return [{"params": others}]
    return [{"params": others}, {"params": steps, "weight_decay": 0.0, "perturbed": False}]
