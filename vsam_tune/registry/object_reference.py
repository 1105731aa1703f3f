"""Object paths, `module:name`: a study file names custom data, models and methods by them."""

import inspect
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from vsam_tune.errors import InputError, problem

_OBJECT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_object_path(name: str) -> bool:
    """Return whether a name has the form `module:name`; import nothing."""
    return _OBJECT_PATH.fullmatch(name) is not None


def resolve_object(object_path: str, *, where: str, key: str, fix: str) -> Callable[..., Any]:
    """Return the function or class at an object path.

    Args:
        object_path: `module:name`, of an installed module or of one in a folder of `sys.path`.
        where: for the message, like `key` and `fix`; see `problem`.
        key: the key that holds the object path.
        fix: the correction.

    Raises:
        InputError: if there is no such module or name, or it cannot be called. Other errors that the module raises
            while Python imports it pass through.
    """
    module, _, name = object_path.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise InputError(problem(where, key, object_path, str(error), fix)) from error
    if not callable(found):
        raise InputError(problem(where, key, object_path, "is neither a function nor a class", fix))
    return found  # type: ignore[no-any-return] # it is callable


def check_call(function: Callable[..., Any], *arguments: object, where: str, options: Mapping[str, object]) -> None:
    """Check that a function takes some arguments, without calling it: so a `TypeError` inside it is not mistaken.

    Raises:
        InputError: if it takes other arguments; `where` begins the message.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions in C have no signature
        return
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        takes = ", ".join(signature.parameters)
        fix = f"use its arguments: {takes}" if takes else "add arguments to it, since it has none"
        raise InputError(problem(where, "", None, str(error), fix)) from error
