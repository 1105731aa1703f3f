"""Calibration: the steps of the activations, from the first batch of training."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from vsam_tune.optimizers.second_pass import batch_norms, frozen_statistics
from vsam_tune.quantization.quantizer import Quantizer


@torch.no_grad()
def calibrate(model: nn.Module, x: Tensor) -> None:
    """Set the steps of the inputs that have none yet by one forward pass; those that are set stay as they are.

    Steps are written in place, so an optimizer may hold them already. Nothing else changes: no running statistics of
    batch norm, no mode, no random state. If the pass raises, no step counts as set. Choices:

    - choice: an input is signed if one of its values is negative here.
    - choice: each layer sees what it will see in training: layers before it are quantized, batch norm normalises by
      the batch. But nothing is dropped.

    Args:
        model: made by `quantize_model`, on the device of `x`.
        x: the first batch that it will be trained on.
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
    """Run the block in evaluation mode, but for batch norm, which takes the batch's statistics and keeps none."""
    modes = {module: module.training for module in model.modules()}
    norms = batch_norms(model)
    try:
        model.eval()
        for norm in norms:
            norm.train()
        with frozen_statistics(norms):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
