"""Calibration sets the steps of the activations from the first batch of training."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from vsam_tune.optimizers.second_pass import frozen_statistics, norms_with_statistics
from vsam_tune.quantization.quantizer import Quantizer


@torch.no_grad()
def calibrate(model: nn.Module, x: Tensor) -> None:
    """Set the steps of those inputs that have none yet, by one forward pass.

    It writes steps in place, so an optimizer may hold them already. Nothing else changes: no running statistics of
    batch or instance norm, no mode, no random state. If the pass raises, no step counts as set. Choices:

    - choice: an input is signed if one of its values is negative in this pass.
    - choice: each layer gets the input that it gets in training: the layers before it are quantized, and batch norm
      uses the statistics of the batch. But dropout is off.

    Args:
        model: from `quantize_model`, on the device of `x`.
        x: the first batch of training.
    """
    pending = [each for each in model.modules() if isinstance(each, Quantizer) and each.range is None]
    if not pending:
        return

    def start(quantizer: nn.Module, inputs: tuple[Tensor]) -> None:
        if isinstance(quantizer, Quantizer) and quantizer.range is None:  # a layer may run more than once
            quantizer.start(inputs[0])

    with ExitStack() as stack:
        for quantizer in pending:
            stack.enter_context(quantizer.register_forward_pre_hook(start))
        stack.enter_context(_normalising_by_the_batch(model))
        try:
            model(x)
        except BaseException:
            for quantizer in pending:
                quantizer.forget()
            raise


@contextmanager
def _normalising_by_the_batch(model: nn.Module) -> Iterator[None]:
    """Run the block in evaluation mode, but let batch and instance norms use the batch's statistics, and store none."""
    modes = {module: module.training for module in model.modules()}
    norms = norms_with_statistics(model)
    try:
        model.eval()
        for norm in norms:
            norm.train()
        with frozen_statistics(norms):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
