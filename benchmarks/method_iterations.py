"""Iterations of the methods of this project, in the way of the trainer. Imports nothing but torch and this project."""

import itertools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import nn

from benchmarks.rounds import Taken
from vsam_tune.data.loader import Batch
from vsam_tune.training.build import build_optimizer
from vsam_tune.training.closures import Closures

BASE: dict[str, Any] = {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-3}  # of SGD, for every contender
NUM_IMAGES, NUM_CLASSES, EPOCHS = 50_000, 10, 200  # the training that the methods assume, as for CIFAR-10

Take = Callable[[Batch], Taken]


def pinned_vsam(interval: int) -> dict[str, Any]:
    """Return the settings of a vSAM whose rate never adapts: it samples one iteration in each interval.

    Args:
        interval: iterations, >= 2.
    """
    return {"beta": 0.0, "num_slices": 1, "warmup_iterations": 1, "interval": interval}


def start(method: Mapping[str, Any], model: nn.Module, closures: Mapping[str, Any] = MappingProxyType({})) -> Take:
    """Return the function that takes an iteration of a method in the same way as the trainer.

    Args:
        method: `name`, a key of METHODS, and hyper-parameters.
        model: the network.
        closures: keyword arguments of `Closures` in addition to the loss term.
    """
    optimizer, loss_term = build_optimizer(
        model,
        base={"optimizer": "torch.optim:SGD", **BASE},
        method=method,
        iterations_per_epoch=NUM_IMAGES // 128,
        epochs=EPOCHS,
        num_images=NUM_IMAGES,
        num_classes=NUM_CLASSES,
        seed=0,
    )
    made, epochs = Closures(model, optimizer, loss_term=loss_term, **closures), itertools.count()

    def take(batch: Batch) -> Taken:
        before = optimizer.gradient_evaluations
        optimizer.step(made.closure(batch, epoch=next(epochs)))
        if loss_term is not None:
            loss_term.after_step()
        observation, evaluations = optimizer.observation, optimizer.gradient_evaluations - before
        return Taken(sampled=observation is not None and observation.sampled, evaluations=evaluations)

    return take
