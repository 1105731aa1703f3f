"""From names and numbers to an optimizer: the base optimizer, and the method around it or beside it."""

import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from vsam_tune.errors import InputError, finding
from vsam_tune.loss_terms.loss_term import LossTerm
from vsam_tune.methods import METHODS


def build_optimizer(
    model: nn.Module,
    *,
    base: Mapping[str, Any],
    method: Mapping[str, Any],
    iterations_per_epoch: int,
    epochs: int,
    num_images: int,
    num_classes: int,
    seed: int,
) -> tuple[Optimizer, LossTerm | None]:
    """Return the method's optimizer over the parameters of `model` that require a gradient, and its loss term.

    A method gets what its constructor names: `model`; `seed`, for draws; `num_iterations`, planned for the whole run;
    `num_images` and `num_classes`, of the training set.

    Args:
        model: the network, on its device.
        base: `optimizer`, a `module:class` of torch's, and its keyword arguments.
        method: `name`, a key of METHODS or `module:class`, and its hyper-parameters; `warmup_iterations` may be
            `{"epochs": n}`.
        iterations_per_epoch: turns epochs into iterations.
        epochs: of the whole run.
        num_images: of the training set.
        num_classes: outputs of the network.
        seed: for the draws of a method that draws.

    Returns:
        The optimizer, which is the base one where the method has none of its own; None for no loss term.

    Raises:
        InputError: if a method of one's own cannot be found, or takes other settings.
    """
    settings, hyperparameters = dict(base), dict(method)
    base_class = pkgutil.resolve_name(settings.pop("optimizer"))
    optimizer: Optimizer = base_class(_parameter_groups(model), **settings)
    warmup = hyperparameters.get("warmup_iterations")
    if isinstance(warmup, dict):
        hyperparameters["warmup_iterations"] = round(warmup["epochs"] * iterations_per_epoch)
    target = method_class(hyperparameters.pop("name"))
    if target is None:
        return optimizer, None
    offered = {
        "model": model,
        "seed": seed,
        "num_iterations": epochs * iterations_per_epoch,
        "num_images": num_images,
        "num_classes": num_classes,
    }
    taken = inspect.signature(target).parameters
    hyperparameters |= {name: value for name, value in offered.items() if name in taken}
    _check_settings(method["name"], hyperparameters, taken)
    if issubclass(target, LossTerm):
        return optimizer, target(**hyperparameters)
    wrapped: Optimizer = target(optimizer, **hyperparameters)
    return wrapped, None


def method_class(name: str) -> type[Any] | None:
    """Return the class of a method: a wrapper around an optimizer or a loss term; None for a base optimizer alone.

    Args:
        name: a key of METHODS, or `module:class`.

    Raises:
        InputError: if a `module:class` cannot be found.
    """
    if name in METHODS:
        target = METHODS[name].optimizer or METHODS[name].loss_term
        return pkgutil.resolve_name(target) if target else None
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        cure = "name a class of a module that is installed or in this folder"
        raise InputError(finding("method", "name", name, str(error), cure)) from error
    if not (isinstance(found, type) and issubclass(found, Optimizer | LossTerm)):
        rule = "is neither a torch optimizer nor a vsam_tune.loss_terms.loss_term.LossTerm"
        raise InputError(finding("method", "name", name, rule, "name such a class"))
    return found


def _check_settings(name: str, given: Mapping[str, Any], taken: Mapping[str, inspect.Parameter]) -> None:
    """Refuse settings that the constructor of a method of one's own does not take."""
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken.values()):
        return
    known = [key for key in taken if key not in ("base", "model")]
    found = [
        finding(f"method {name}", key, given[key], "is no setting of it", f"known: {', '.join(known)}")
        for key in given
        if key not in taken
    ]
    if found:
        raise InputError(*found)


def _parameter_groups(model: nn.Module) -> list[Any]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
