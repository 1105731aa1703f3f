"""The first argument of a wrapper is an optimizer, and not the parameters, as in other libraries: what is said then."""

import inspect
from collections.abc import Mapping

from torch import nn
from torch.optim import SGD, Optimizer

_SGD = {"lr": 0.1}  # if nothing else is given
_SHOWN = (bool, int, float, str, tuple)  # values that the fix repeats


def check_base_argument(
    wrapper: type[Optimizer], arguments: tuple[object, ...], keywords: Mapping[str, object]
) -> None:
    """Raise if a wrapper is called without an optimizer to wrap.

    Args:
        wrapper: its class.
        arguments: of the call, by position; none of any kind for a copy that is being made.
        keywords: of the call; a subclass may give its base another name.

    Raises:
        TypeError: with the call in the right form, of the arguments that were given.
    """
    given = arguments[0] if arguments else keywords.get("base")
    named = not arguments and any(isinstance(value, Optimizer) for value in keywords.values())
    if isinstance(given, Optimizer) or named or not (arguments or keywords):
        return
    values = (*arguments, *keywords.values())
    classes = (value for value in values if isinstance(value, type) and issubclass(value, Optimizer))
    fix = _right_form(wrapper, next(classes, SGD), keywords)
    raise TypeError(f"{wrapper.__name__} wraps an optimizer, but got {_described(given)}. Fix: {fix}")


def _described(given: object) -> str:
    if isinstance(given, type):
        return f"the class {given.__name__}"
    if isinstance(given, nn.Module):
        return f"the network {type(given).__name__}"
    return "no optimizer" if given is None else f"a {type(given).__name__}"


def _right_form(wrapper: type[Optimizer], base: type[Optimizer], keywords: Mapping[str, object]) -> str:
    """Return the call of a wrapper around a base, each with the keywords that it takes."""
    of_wrapper = inspect.signature(wrapper).parameters
    of_base = inspect.signature(base).parameters
    shown = {name: value for name, value in keywords.items() if isinstance(value, _SHOWN)}
    settings = {name: value for name, value in shown.items() if name in of_base and name not in of_wrapper}
    outer = [f"{name}={value!r}" for name, value in shown.items() if name in of_wrapper]
    inner = [f"{name}={value!r}" for name, value in ((_SGD | settings) if base is SGD else settings).items()]
    name = f"torch.optim.{base.__name__}" if base.__module__.startswith("torch.optim.") else base.__name__
    called = f"{name}({', '.join(['model.parameters()', *inner])})"
    network = ["model=model"] if "model" in of_wrapper else []
    return f"{wrapper.__name__}({', '.join([called, *outer, *network])})"
