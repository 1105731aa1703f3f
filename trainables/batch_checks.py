"""Checks of a trial's batches: some networks cannot train on one image alone, and some methods need the whole batch."""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from vsam_tune.errors import InputError, problem
from vsam_tune.optimizers.second_pass import (
    frozen_statistics,
    frozen_vectors,
    norms_with_statistics,
    power_iterations,
)
from vsam_tune.optimizers.wrapper import Wrapper

_NO_VARIANCE = "of which this network's batch norm has no variance"


class BatchChecks:
    """The checks of one trial. The network is only run if a pass would hold one image.

    Args:
        task: `batch_size` and `micro_batches` of the trial.
        model: the network, in training mode.
        images: (N, C, H, W), those of an epoch; only the shape is read.
    """

    def __init__(self, task: dict[str, Any], model: nn.Module, images: Tensor) -> None:
        self._batch_size, self._micro_batches = int(task["batch_size"]), int(task["micro_batches"])
        self._num_images, self._image_shape, self._model = len(images), images.shape[1:], model

    def check_sizes(self) -> None:
        """Check that no batch, and no part of one, is smaller than the network takes.

        Raises:
            InputError: if one is.
        """
        self._check_batches()
        if self._micro_batches == 1:
            return
        least, smallest = self._least(self._smallest_batch // self._micro_batches), self._smallest_batch
        if smallest < least * self._micro_batches:
            why = f"one alone, {_NO_VARIANCE}" if least > 1 else "none"
            rule = f"a part of a batch of {smallest} images would hold {why}"
            fix = f"write at most {max(1, smallest // least)}, or another batch_size"
            raise InputError(problem("task", "micro_batches", self._micro_batches, rule, fix))

    def check_method(self, optimizer: Wrapper, method: str) -> None:
        """Check that a method can run batches in parts, and that no pass on a selection is smaller than it may be.

        Raises:
            InputError: if there are several parts and a method that asks for its sample losses; or if it would select
                one image of an epoch's smallest batch, and the network cannot take one.
        """
        if self._micro_batches > 1 and optimizer.sample_losses:
            rule = f"{method} takes the gradient of a whole batch, or of samples that it selects from all of it"
            fix = "write 1, or take another method"
            raise InputError(problem("task", "micro_batches", self._micro_batches, rule, fix))
        selected = optimizer.smallest_pass(self._smallest_batch)
        if selected < self._least(selected):
            rule = f"{method} would select one image of an epoch's last {self._smallest_batch}, {_NO_VARIANCE}"
            fix = f"write another one, or let {method} select more of a batch"
            raise InputError(problem("task", "batch_size", self._batch_size, rule, fix))

    def _check_batches(self) -> None:
        def one_alone(size: int) -> bool:
            return size == 1 or self._num_images % size == 1

        if self._smallest_batch < self._least(self._smallest_batch):
            rule = f"a batch of an epoch would hold one of {self._num_images} images, {_NO_VARIANCE}"
            sizes = range(self._batch_size + 1, self._num_images)
            fitting = next((size for size in sizes if not one_alone(size)), self._num_images)
            raise InputError(problem("task", "batch_size", self._batch_size, rule, f"write {fitting}"))

    @property
    def _smallest_batch(self) -> int:
        sizes = (self._batch_size, self._num_images, self._num_images % self._batch_size)
        return min(size for size in sizes if size)

    def _least(self, size: int) -> int:
        """Return how many images a pass must hold; `size` is how many one would."""
        return 1 if size > 1 or self._takes_one_image else 2

    @cached_property
    def _takes_one_image(self) -> bool:
        """Whether the network can train on one image; it keeps its statistics, and torch its random state."""
        device = next(self._model.parameters()).device
        image = torch.zeros(1, *self._image_shape, device=device)
        forked = torch.random.fork_rng([device] if device.type == "cuda" else [])
        statistics = frozen_statistics(norms_with_statistics(self._model))
        with torch.no_grad(), forked, statistics, frozen_vectors(power_iterations(self._model)):
            try:
                self._model(image)
            except (ValueError, RuntimeError):  # torch's ValueError; other layers may have their own
                return False
        return True
