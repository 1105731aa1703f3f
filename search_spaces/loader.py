"""The default space of each method: `search_spaces/METHOD.yaml` over `search_spaces/base_optimizer.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from search_spaces.schema import DIMENSIONS, Dimension


@dataclass(frozen=True, slots=True)
class DefaultSpace:
    """What a method's study may vary.

    Attributes:
        searched: by parameter, what varies where a study says nothing.
        optional: by parameter, what a study can switch on with `true`.
    """

    searched: Mapping[str, Dimension]
    optional: Mapping[str, Dimension]


@cache
def base_space(base_optimizer: str) -> Mapping[str, Dimension]:
    """Return the ranges of a base optimizer's settings, which every method offers."""
    return _parse(_read("base_optimizer")[base_optimizer], {})


@cache
def default_space(method: str, base_optimizer: str = "sgd") -> DefaultSpace:
    """Return the space of a method around a base optimizer.

    In a method's file `true` stands for the range of the base optimizer.

    Args:
        method: a key of METHODS.
        base_optimizer: a key of BASE_OPTIMIZERS.
    """
    base = base_space(base_optimizer)
    sections = _read(method)
    searched = _parse(sections["searched"], base)
    optional = {**base, **_parse(sections["optional"], base)}
    return DefaultSpace(searched, {name: optional[name] for name in optional if name not in searched})


def _read(stem: str) -> dict[str, Any]:
    text = (files("search_spaces") / f"{stem}.yaml").read_text(encoding="utf-8")
    sections: dict[str, Any] = yaml.safe_load(text)
    return sections


def _parse(entries: Mapping[str, Any], base: Mapping[str, Dimension]) -> dict[str, Dimension]:
    return {
        name: base[name] if entry is True else DIMENSIONS[entry["type"]].model_validate(entry)
        for name, entry in entries.items()
    }
