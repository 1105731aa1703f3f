"""The keys of a study file's sections, from the pydantic models that read them."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from search_spaces.schema import DIMENSIONS
from tests.support.docs.markdown import code, table
from vsam_tune.study.file.baselines import Baselines
from vsam_tune.study.file.feasibility import Constraint
from vsam_tune.study.file.label_smoothing import LabelSmoothing
from vsam_tune.study.file.problems import kinds_of
from vsam_tune.study.file.quantization import Quantization
from vsam_tune.study.file.sections import Budget, Guard, Resources, Source, Tracking
from vsam_tune.study.file.study_file import StudyFile
from vsam_tune.study.file.task import Task

_HEAD = ("key", "default", "rule", "meaning")
_WORDS = {int: "whole number", float: "number", bool: "true or false", str: "text", dict: "mapping", tuple: "list"}
_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def yaml_value(value: object) -> str:
    """Return a value as it stands in a YAML file."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel):
        return yaml_value(value.model_dump())
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {yaml_value(held)}' for key, held in value.items())}}}"
    return f"[{', '.join(map(yaml_value, value))}]" if isinstance(value, list | tuple) else str(value)


def section(model: type[BaseModel]) -> str:
    """Return the table of a section's keys."""
    return table(_HEAD, [row(model, name) for name in model.model_fields])


def kinds(models: Mapping[str, type[BaseModel]]) -> str:
    """Return the table of a section whose keys depend on its kind."""
    rows = []
    shared: dict[type[BaseModel], list[str]] = {}  # kinds by the model that holds what they have in common
    for kind, model in models.items():
        parent = model.__mro__[1]
        if parent.__module__ == model.__module__:
            shared.setdefault(parent, []).append(code(f"kind: {kind}"))
        rows.append((code(f"kind: {kind}"), "the default" if not rows else "", "", summary(model)))
        own = [name for name in model.model_fields if name != "kind" and name not in parent.model_fields]
        rows += [row(model, name) for name in own]
    for parent, names in shared.items():
        rows.append((" and ".join(names), "", "", summary(parent)))
        rows += [row(parent, name) for name in parent.model_fields]
    return table(_HEAD, rows)


def dimensions() -> str:
    """Return the table of the keys of one dimension, over all its types."""
    rows: dict[str, tuple[list[str], tuple[str, ...]]] = {}
    for kind, model in DIMENSIONS.items():
        for name in model.model_fields:
            if name != "type":
                rows.setdefault(name, ([], row(model, name)))[0].append(kind)
    return table(
        ("key", "of type", "default", "meaning"),
        [(key, ", ".join(of), default, meaning) for of, (key, default, _, meaning) in rows.values()],
    )


def row(model: type[BaseModel], name: str) -> tuple[str, ...]:
    """Return (key, default, rule, meaning) of a field; where no docstring says what it means, its fix does."""
    field = model.model_fields[name]
    default = "needed" if field.is_required() else code(yaml_value(field.default))
    fix = (field.description or "").removeprefix("write ")
    return code(name), default, field_rule(field), attributes(model).get(name, fix)


def summary(model: type[BaseModel]) -> str:
    """Return what a docstring's first paragraph says of a kind."""
    first = " ".join((inspect.getdoc(model) or "").split("\n\n")[0].split())
    return re.sub(r"^`\w+:` of kind \w+[:,]? ?", "", first).rstrip(".")


def attributes(model: type[BaseModel]) -> dict[str, str]:
    """Return what the Attributes sections of the docstrings of a model and its bases say, by field."""
    text = "\n".join((inspect.getdoc(each) or "").partition("Attributes:\n")[2] for each in model.__mro__)
    entries = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", text, re.MULTILINE)
    return {name: " ".join(meaning.split()).rstrip(".").replace("None", "`null`") for name, meaning in entries}


def field_rule(field: FieldInfo) -> str:
    """Return the type and the bounds of a field."""
    members = get_args(field.annotation)
    optional = NoneType in members
    annotation: Any = next(each for each in members if each is not NoneType) if optional else field.annotation
    kind = get_origin(annotation) or annotation
    word = f"one of {', '.join(get_args(annotation))}" if kind is Literal else _WORDS.get(kind, "mapping")
    choices = get_args(next(iter(get_args(annotation)), None)) if kind is tuple else ()
    if choices and get_origin(get_args(annotation)[0]) is Literal:
        word = f"list of {', '.join(choices)}"
    return " ".join([word, *_bounds(field.metadata)]) + (", or null" if optional else "")


def _bounds(metadata: Iterable[object]) -> list[str]:
    bounds = [f"{sign} {getattr(each, key)}" for each in metadata for key, sign in _SIGNS.items() if hasattr(each, key)]
    return [" and ".join(bounds)] if bounds else []


SECTION_TABLES: dict[str, Callable[[], str]] = {
    "task": lambda: section(Task),
    "label smoothing": lambda: section(LabelSmoothing),
    "quantization": lambda: section(Quantization),
    "sampler": lambda: kinds(kinds_of(StudyFile.model_fields["sampler"].annotation)),
    "trial scheduler": lambda: kinds(kinds_of(StudyFile.model_fields["trial_scheduler"].annotation)),
    "guard": lambda: section(Guard),
    "constraints": lambda: section(Constraint),
    "replication": lambda: table(_HEAD, [row(StudyFile, name) for name in ("replicates", "racing")]),
    "budget": lambda: section(Budget),
    "resources": lambda: section(Resources),
    "tracking": lambda: section(Tracking),
    "baselines": lambda: section(Baselines),
    "source": lambda: section(Source),
    "dimension": dimensions,
}
