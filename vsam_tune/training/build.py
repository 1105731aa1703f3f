"""From names and numbers to an optimizer: the base optimizer with a method around it, or with a loss term."""

import inspect
import pkgutil
from collections.abc import Collection, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from vsam_tune.errors import InputError, problem
from vsam_tune.loss_terms.loss_term import LossTerm
from vsam_tune.optimizers.plain import PlainOptimizer
from vsam_tune.optimizers.wrapper import Wrapper
from vsam_tune.quantization.parameter_groups import parameter_groups
from vsam_tune.registry.iterations import iterations_of
from vsam_tune.registry.methods import METHODS
from vsam_tune.registry.object_reference import resolve_object

_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # *args and **kwargs


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
) -> tuple[Wrapper, LossTerm | None]:
    """Return the method's optimizer over the parameters of `model` that require a gradient, and its loss term.

    The steps of a quantized network are in a separate parameter group.

    A method gets the arguments that its constructor names: `model`; `seed`, for draws; `num_iterations`, planned for
    the whole run; `num_images` and `num_classes`, of the training set.

    Args:
        model: the network, on its device.
        base: `optimizer`, a `module:class` of torch's, and its keyword arguments.
        method: `name`, a key of METHODS or `module:class`, and its hyper-parameters; one that counts iterations may be
            `{"epochs": n}`, or `{"fraction": x}` of the run.
        iterations_per_epoch: of the training set.
        epochs: of the whole run.
        num_images: of the training set.
        num_classes: outputs of the network.
        seed: of the method's draws.

    Returns:
        The optimizer, a `PlainOptimizer` if the method is no `Wrapper`; and the loss term, None for none.

    Raises:
        InputError: if a custom method cannot be found, or takes other settings.
    """
    optimizer = build_base_optimizer(model, base)
    num_iterations = epochs * iterations_per_epoch
    hyperparameters = _in_iterations(method, iterations_per_epoch, num_iterations)
    target = method_class(hyperparameters.pop("name"))
    if target is None:
        return PlainOptimizer(optimizer), None
    offered = {
        "model": model,
        "seed": seed,
        "num_iterations": num_iterations,
        "num_images": num_images,
        "num_classes": num_classes,
    }
    taken = inspect.signature(target).parameters
    if method["name"] not in METHODS:
        _check_settings(method["name"], target, hyperparameters, offered)
    hyperparameters |= {name: value for name, value in offered.items() if name in taken}
    if issubclass(target, LossTerm):
        return PlainOptimizer(optimizer), target(**hyperparameters)
    made: Optimizer = target(optimizer, **hyperparameters)
    return made if isinstance(made, Wrapper) else PlainOptimizer(made), None


def _in_iterations(method: Mapping[str, Any], iterations_per_epoch: int, num_iterations: int) -> dict[str, Any]:
    """Return the settings of a method with each number of iterations as a number."""
    entry = METHODS.get(method["name"])
    counted = [name for name, known in entry.hyperparameters.items() if known.iterations] if entry else []
    whole = {"iterations_per_epoch": iterations_per_epoch, "num_iterations": num_iterations}
    return {**method, **{name: iterations_of(method[name], **whole) for name in counted if name in method}}


def build_base_optimizer(model: nn.Module, base: Mapping[str, Any]) -> Optimizer:
    """Return the base optimizer over the parameters of `model` that require a gradient.

    Args:
        model: the network, on its device.
        base: `optimizer`, a `module:class` of torch's, and its keyword arguments.
    """
    settings = dict(base)
    base_class = pkgutil.resolve_name(settings.pop("optimizer"))
    optimizer: Optimizer = base_class(parameter_groups(model), **settings)
    return optimizer


def method_class(name: str) -> type[Any] | None:
    """Return the class of a method: a wrapper around an optimizer or a loss term; None for a base optimizer alone.

    Args:
        name: a key of METHODS, or `module:class`.

    Raises:
        InputError: if a `module:class` cannot be found, or is neither of the two.
    """
    if name in METHODS:
        target = METHODS[name].optimizer or METHODS[name].loss_term
        return pkgutil.resolve_name(target) if target else None
    fix = "name a SharpnessAware or a LossTerm, in a module that is installed or in this folder"
    found = resolve_object(name, where="method", key="name", fix=fix)
    if not (isinstance(found, type) and issubclass(found, Optimizer | LossTerm)):
        rule = "is neither an optimizer of torch nor a vsam_tune.loss_terms.loss_term.LossTerm"
        raise InputError(problem("method", "name", name, rule, fix))
    return found


def _check_settings(name: str, target: type[Any], given: Mapping[str, Any], offered: Collection[str]) -> None:
    """Refuse settings that the constructor of a custom method does not take, and ask for those that it needs.

    Args:
        name: of the method, for the message.
        target: its class.
        given: settings by name.
        offered: names of the arguments that it gets from the loop.

    Raises:
        InputError: with a line for each setting.
    """
    taken = inspect.signature(target).parameters
    named = [key for key, parameter in taken.items() if parameter.kind not in _REST]
    wrapped = named[:1] if issubclass(target, Optimizer) else []
    known = [key for key in named if key not in (*wrapped, *offered)]
    accepts_unknown_settings = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken.values())
    where, fix = f"method {name}", f"use one of {', '.join(known)}" if known else "remove it"
    found = [
        problem(where, key, value, "is not a setting of this method", fix)
        for key, value in given.items()
        if key not in known and (key in named or not accepts_unknown_settings)
    ]
    found += [
        problem(where, key, None, "needs a value", "set it, or search it under space")
        for key in known
        if key not in given and taken[key].default is inspect.Parameter.empty
    ]
    if found:
        raise InputError(*found)
