"""`module:name`, Python's object reference: how a study file names data, a model or a method of the user's own."""

import inspect
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from vsam_tune.errors import InputError, problem

_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_object_path(name: str) -> bool:
    """Return whether a name has the form `module:name`; nothing is imported."""
    return _REFERENCE.fullmatch(name) is not None


def resolve_object(reference: str, *, where: str, key: str, fix: str) -> Callable[..., Any]:
    """Return the function or class that `module:name` names.

    Args:
        reference: of an installed module, or one in a folder of `sys.path`.
        where: for the message, what holds the reference.
        key: for the message, the key that it stands at.
        fix: for the message, what to name.

    Raises:
        InputError: if there is no such module or name, or it cannot be called. What else its module raises while it
            is imported is not caught.
    """
    module, _, name = reference.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise InputError(problem(where, key, reference, str(error), fix)) from error
    if not callable(found):
        raise InputError(problem(where, key, reference, "is neither a function nor a class", fix))
    return found  # type: ignore[no-any-return] # whatever it is, it can be called


def check_call(function: Callable[..., Any], *arguments: object, where: str, options: Mapping[str, object]) -> None:
    """Refuse a call that a function would not take, before it is made: a `TypeError` of its own is another matter.

    Args:
        function: to be called.
        arguments: its positional arguments.
        where: for the message.
        options: its keyword arguments.

    Raises:
        InputError: if it takes other arguments.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:  # some that are written in C say nothing
        return
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        takes = ", ".join(signature.parameters)
        fix = f"it takes {takes or 'no arguments'}"
        raise InputError(problem(where, "", None, str(error), fix)) from error
