"""All that is wrong with one file, collected so that it is told at once."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vsam_tune.errors import problem

Model = TypeVar("Model", bound=BaseModel)

_RULES = {  # of pydantic's errors, by type; the values in braces are in the error's context
    "missing": "is missing",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "finite_number": "must be finite",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "tuple_type": "must be a list",
    "literal_error": "must be one of {expected}",
    "greater_than": "must be > {gt:g}",
    "greater_than_equal": "must be >= {ge:g}",
    "less_than": "must be < {lt:g}",
    "less_than_equal": "must be <= {le:g}",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "invalid-json-value": "must be plain JSON",
}


class Problems:
    """What is wrong with one file.

    Attributes:
        file: the file, as the user named it.
        overridden: dotted keys whose values come from the command line instead.
        lines: one problem each.
    """

    def __init__(self, file: Path, overridden: Collection[str] = ()) -> None:
        self.file = file
        self.overridden = overridden
        self.lines: list[str] = []

    def add(self, key: str, value: object, rule: str, fix: str) -> None:
        """Add one problem; a mapping or a list is told by its key alone."""
        where = "command line" if key in self.overridden else self.file
        self.lines.append(problem(where, key, None if isinstance(value, dict | list | tuple) else value, rule, fix))

    def unknown(self, key: str, name: str, known: Iterable[str], what: str = "known keys") -> None:
        """Add that `name`, which stands at the dotted key, is none of the known ones."""
        self.add(key, None, "is not known", suggestion(name, known, what))

    def check_keys(self, content: Iterable[str], known: Collection[str]) -> None:
        """Add each key of a file that is not known."""
        for key in content:
            if key not in known:
                self.unknown(key, key, known)


def suggestion(name: str, known: Iterable[str], what: str) -> str:
    """Return the fix for a name that is not known: the nearest one, or all of them."""
    names = list(known)
    nearest = get_close_matches(name, names, n=1)
    if nearest:
        return f"write {nearest[0]}"
    return f"{what}: {', '.join(names)}" if names else "leave it out"


def parse(model: type[Model], value: object, key: str, problems: Problems) -> Model | None:
    """Return the value as a model, or None after adding what is wrong with it.

    Args:
        model: what it has to be.
        value: as read from the file.
        key: its dotted key.
        problems: where errors go.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            _add(model, found, key, problems)
        return None


def _add(model: type[BaseModel], found: ErrorDetails, key: str, problems: Problems) -> None:
    context: dict[str, Any] = found.get("ctx", {})
    name = next(iter(found["loc"]), "")
    path = _path(key, found["loc"])
    if found["type"] == "extra_forbidden":
        problems.unknown(path, str(name), model.model_fields)
    elif found["type"] == "rule":
        part = context["key"]
        inputs = found["input"]
        value = inputs.get(part) if part and isinstance(inputs, dict) else inputs
        problems.add(_path(path, [part] if part else []), value, context["rule"], context["fix"])
    else:
        rule = _RULES.get(found["type"], found["msg"].lower()).format(**context)
        field = model.model_fields.get(str(name))
        fix = field.description if field else None
        value = None if found["type"] == "missing" else found["input"]
        problems.add(path, value, rule, fix or f"known keys: {', '.join(model.model_fields)}")


def _path(key: str, location: Iterable[int | str]) -> str:
    for part in location:
        key = f"{key}[{part}]" if isinstance(part, int) else f"{key}.{part}" if key else part
    return key
