"""The keys of a resolved file that may change between two starts of a study, and those that do.

A path that leads to the same files as before is no difference.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from vsam_tune.errors import shortened
from vsam_tune.study.file.same_files import names_the_same_files

CHANGEABLE = ("budget", "resources", "tracking", "baselines", "task.data_root", "task.download")

# what a study has that was started before the key existed
_IMPLIED: dict[str, object] = {"sampler.learn_from": "rungs", "constraints": []}


def differing_keys(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys that differ between two resolved files, and must not between two starts.

    Args:
        now: of this start.
        then: of an earlier one.
    """
    return [
        key
        for key in all_differing_keys(now, then)
        if key not in CHANGEABLE and key.partition(".")[0] not in CHANGEABLE and not _is_implied(key, now, then)
    ]


def all_differing_keys(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """Return all dotted keys that differ between two resolved files, in alphabetical order."""
    return _differences(dict(now), dict(then), "")


def common(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a resolved file that a study's search and all its baselines share."""
    return {key: resolved[key] for key in ("task", "trainable")}


def difference_rules(rule: str, keys: Iterable[str], now: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, str]:
    """Return the rule of each differing key, with both values at its end, such as `RULE (40 there, 3 here)`.

    Args:
        rule: that all of them break.
        keys: dotted.
        now: the resolved file of this start.
        then: of an earlier one.
    """
    return {key: f"{rule} ({_text_at(key, then)} there, {_text_at(key, now)} here)" for key in keys}


def _is_implied(key: str, now: Mapping[str, Any], then: Mapping[str, Any]) -> bool:
    if key not in _IMPLIED:
        return False
    *sections, name = key.split(".")
    for section in sections:
        now, then = now[section], then[section]
    return name not in then and now.get(name) == _IMPLIED[key]


def first_name(content: Mapping[str, Any], key: str) -> str | None:
    """Return the name in a mapping that a dotted key begins with, which may contain dots itself; None for none."""
    return max((each for each in content if f"{key}.".startswith(f"{each}.")), key=len, default=None)


def _text_at(key: str, content: Any) -> str:  # noqa: ANN401 - any part of a file
    """Return the value of a dotted key as JSON; `nothing` where there is none."""
    if not key:
        return "nothing" if content is None else shortened(json.dumps(content), 100)
    if not isinstance(content, Mapping):
        return "nothing"
    name = first_name(content, key)
    return "nothing" if name is None else _text_at(key[len(name) + 1 :], content[name])


def _differences(now: object, then: object, key: str) -> list[str]:
    if not isinstance(now, dict) or not isinstance(then, dict):
        return [] if now == then or names_the_same_files(key, now, then) else [key]
    return [
        found
        for name in sorted({*now, *then})
        for found in _differences(now.get(name), then.get(name), f"{key}.{name}".lstrip("."))
    ]
