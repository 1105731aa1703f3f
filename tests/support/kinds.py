"""The sections of a study file whose keys depend on their `kind`, as its models define them."""

from typing import Any, get_args

from pydantic import BaseModel


def models_by_kind(union: Any) -> dict[str, type[BaseModel]]:
    """Return the model of each kind that a union of section models accepts."""
    models: list[Any] = [one for one in _flat(union) if isinstance(one, type) and issubclass(one, BaseModel)]
    return {kind: model for model in models for kind in get_args(model.model_fields["kind"].annotation)}


def small_section(model: type[BaseModel], kind: str, **settings: Any) -> dict[str, Any]:
    """Return a section whose counts are small, so that a few trials are enough to see it at work."""
    counts = {name: 2 for name, field in model.model_fields.items() if field.annotation is int and name != "seed"}
    return {"kind": kind, **counts, **{key: value for key, value in settings.items() if key in model.model_fields}}


def _flat(union: Any) -> list[Any]:
    arguments = get_args(union)
    return [one for argument in arguments for one in _flat(argument)] if arguments else [union]
