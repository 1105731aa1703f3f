"""Everything that is wrong with one file: each problem as a value, and pydantic's errors as problems."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from vsam_tune.errors import InputError, nearest, problem

Model = TypeVar("Model", bound=BaseModel)
T = TypeVar("T")

COMMAND_LINE = "command line"  # in messages, where others name a file

_RULES = {  # of pydantic's errors, by type; the values in braces are in the error's context
    "missing": "is missing",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "finite_number": "must be finite",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "tuple_type": "must be a list",
    "literal_error": "must be one of {expected}",
    "greater_than": "must be > {gt}",
    "greater_than_equal": "must be >= {ge}",
    "less_than": "must be < {lt}",
    "less_than_equal": "must be <= {le}",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "invalid-json-value": "must be plain JSON",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file.

    Attributes:
        key: the dotted key in the file; empty for the whole file.
        value: the value found there; None to leave it out of the message.
        rule: the condition that the value breaks.
        fix: what to write instead.
    """

    key: str
    value: object
    rule: str
    fix: str

    def line(self, file: Path, overridden: Collection[str] = ()) -> str:
        """Return the message; the values of `overridden` keys come from the command line."""
        where = place(self.key, file, overridden)
        shown = None if isinstance(self.value, dict | list | tuple) else self.value
        return problem(where, self.key, shown, self.rule, self.fix)


def place(key: str, file: Path, overridden: Collection[str]) -> object:
    """Return where the value of a key, or a part of it, comes from: the file, or the command line.

    Args:
        key: dotted, such as `space.beta.high` or `initial[0].beta`.
        file: that a command read.
        overridden: the dotted keys that the command line replaced.
    """
    inside, around = f"{key}.", [f"{each}." for each in overridden]
    related = (inside.startswith((each, f"{each[:-1]}[")) or each.startswith(inside) for each in around)
    return COMMAND_LINE if key and any(related) else file


def refuse(problems: Iterable[Problem], file: Path, overridden: Collection[str] = ()) -> NoReturn:
    """Refuse a file.

    Raises:
        InputError: with one line for each problem.
    """
    raise InputError(*(each.line(file, overridden) for each in problems))


def unknown(key: str, known: Iterable[str], what: str = "known keys") -> Problem:
    """Return the problem that the last part of a dotted key is not a known name."""
    return Problem(key, None, "is not known", suggestion(key.rpartition(".")[2], known, what))


def suggestion(name: str, known: Iterable[str], what: str) -> str:
    """Return the fix for an unknown name: the nearest known one, or all of them."""
    names = list(known)
    near = nearest(name, names)
    if near is not None:
        return f"write {near}"
    return f"{what}: {', '.join(names)}" if names else "leave it out"


def without(settings: Mapping[str, T], key: str, problems: Sequence[Problem]) -> dict[str, T]:
    """Return the entries of the mapping at a dotted key that no problem is about."""
    keys = [each.key.replace("[", ".") + "." for each in problems]
    bad = {name for name in settings if any(each.startswith(f"{key}.{name}.") for each in keys)}
    return {name: value for name, value in settings.items() if name not in bad}


def parse(model: type[Model], content: object, key: str = "", **context: object) -> tuple[Model | None, list[Problem]]:
    """Return content as a model, None where that is impossible, and all problems; `key` is its dotted key."""
    try:
        return model.model_validate(content, context=context), []
    except ValidationError as error:
        return None, [_explain(model, each, key) for each in error.errors(include_url=False)]


def kinds_of(annotation: object) -> dict[str, type[BaseModel]]:
    """Return the models of an annotation by their kind; a single model has the empty kind."""
    models = list(_models(annotation))
    return {"": models[0]} if len(models) == 1 else {each.model_fields["kind"].default: each for each in models}


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _explain(model: type[BaseModel], error: ErrorDetails, key: str) -> Problem:
    """Return pydantic's error as a problem; the nearest description of a field is its fix."""
    fields: Mapping[str, FieldInfo] = model.model_fields
    kinds: dict[str, type[BaseModel]] = {}
    fix = ""
    for part in error["loc"]:
        if part in kinds:  # the kind of a section, which is not part of the key
            fields, kinds = kinds[str(part)].model_fields, {}
            continue
        key = f"{key}[{part}]" if isinstance(part, int) else f"{key}.{part}".lstrip(".")
        if field := fields.get(str(part)):
            fix, kinds = field.description or fix, kinds_of(field.annotation)
            fields = kinds.pop("").model_fields if "" in kinds else {}
    return _problem(key, error, fields, fix or f"known keys: {', '.join(fields)}")


def _problem(key: str, error: ErrorDetails, fields: Mapping[str, FieldInfo], fix: str) -> Problem:
    context: dict[str, Any] = error.get("ctx", {})
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        return unknown(key, fields)
    if kind == "union_tag_invalid":
        name = context["discriminator"].strip("'")
        known = context["expected_tags"].replace("'", "").split(", ")
        return Problem(f"{key}.{name}", value[name], "is not known", suggestion(context["tag"], known, "one of"))
    if kind == "rule":
        part = context["key"]
        inside = value.get(part) if part and isinstance(value, dict) else value
        return Problem(f"{key}.{part}".strip("."), inside, context["rule"], context["fix"])
    if kind == "model_type":
        fix = f"known keys: {', '.join(fields)}"
    numbers = {name: f"{bound:g}" for name, bound in context.items() if isinstance(bound, float)}
    rule = _RULES.get(kind, error["msg"].lower()).format(**context | numbers)
    return Problem(key, None if kind == "missing" else value, rule, fix)
