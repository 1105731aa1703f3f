"""Load the weights of a network that was trained in full precision."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vsam_tune.errors import InputError, problem


def load_full_precision(model: nn.Module, state_dict: Mapping[str, Any], *, where: object) -> None:
    """Copy the weights and buffers of a trained network into a network.

    Call it before `quantize_model`, since the steps of weights follow from their values.

    Args:
        model: in full precision; it keeps its device and dtype.
        state_dict: `model.state_dict()` of the trained network: entry `["trainer"]["model"]` of a checkpoint.
        where: the file, for the message.

    Raises:
        InputError: an entry is missing, has another shape, or is not in the model. It names the first one, and the
            model is unchanged.
    """
    own = model.state_dict()
    for name, tensor in own.items():
        rule = ""
        if name not in state_dict:
            rule = "is missing, but the model has it"
        elif not isinstance(state_dict[name], Tensor):
            rule = "must be a tensor"
        elif state_dict[name].shape != tensor.shape:
            rule = f"has the shape {_shape(state_dict[name])}, but the model's is {_shape(tensor)}"
        if rule:
            raise InputError(_misfit(where, name, rule))
    unexpected = next((name for name in state_dict if name not in own), None)
    if unexpected is not None:
        raise InputError(_misfit(where, unexpected, "is not in the model"))
    with torch.no_grad():
        model.load_state_dict(state_dict)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "of one number"


def _misfit(where: object, name: str, rule: str) -> str:
    fix = "name the checkpoint of a trial with this model and data, without quantization"
    return problem(where, name, None, rule, fix)
