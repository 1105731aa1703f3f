"""From names and numbers to an optimizer: the base optimizer, and the method around it."""

from importlib import import_module
from typing import Any

from torch import nn
from torch.optim import Optimizer

from vsam_tune.methods import METHODS


def build_optimizer(
    model: nn.Module,
    *,
    base: dict[str, Any],
    method: dict[str, Any],
    iterations_per_epoch: int,
    seed: int,
) -> Optimizer:
    """Return the method's optimizer over the parameters of `model` that require a gradient.

    Args:
        model: the network, on its device.
        base: `optimizer`, a `module:class` of torch's, and its keyword arguments.
        method: `name`, a key of METHODS, and its hyper-parameters; `warmup_iterations` may be `{"epochs": n}`.
        iterations_per_epoch: turns epochs into iterations.
        seed: for the draws of a method that draws.
    """
    settings = dict(base)
    base_class = _resolve(settings.pop("optimizer"))
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer: Optimizer = base_class(parameters, **settings)
    hyperparameters = dict(method)
    entry = METHODS[hyperparameters.pop("name")]
    if not entry.optimizer:
        return optimizer
    warmup = hyperparameters.get("warmup_iterations")
    if isinstance(warmup, dict):
        hyperparameters["warmup_iterations"] = round(warmup["epochs"] * iterations_per_epoch)
    if entry.seeded:
        hyperparameters["seed"] = seed
    wrapped: Optimizer = _resolve(entry.optimizer)(optimizer, model=model, **hyperparameters)
    return wrapped


def _resolve(target: str) -> Any:  # noqa: ANN401 - a class that only its name tells
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
