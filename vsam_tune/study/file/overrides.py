"""Settings of the command line, `KEY=VALUE`: they replace values of a file before it is checked."""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from vsam_tune.errors import InputError, problem, shortened
from vsam_tune.study.file.differences import first_name
from vsam_tune.study.file.problems import COMMAND_LINE, place
from vsam_tune.study.file.strict_yaml import NotYamlError, read_value
from vsam_tune.study.file.task import absolute, absolute_data
from vsam_tune.study.file.tracking_uri import absolute_uri

_PATHS: Mapping[str, Callable[[str, Path], str]] = {
    "task.data": absolute_data,
    "task.data_root": absolute,
    "task.initial_checkpoint": absolute,
    "tracking.uri": absolute_uri,
}
_SHORT_FORMS = ("method", "base_optimizer", "task.model")  # a word there is short for {name: WORD}
_EXAMPLE = "write KEY=VALUE, such as task.epochs=20"


def read_overrides(texts: Iterable[str], options: Mapping[str, object]) -> dict[str, Any]:
    """Return the values of all settings by dotted key.

    Args:
        texts: each is `KEY=VALUE`; the value is YAML.
        options: the settings that options of the command replace.

    Raises:
        InputError: with one line for each text that is no setting, or sets what another one sets.
    """
    found, lines = dict(options), []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not all(key.split(".")) or re.search(r"\s", key):
            rule = "must be a dotted key of the study file, =, and a value"
            lines.append(problem(COMMAND_LINE, "", text, rule, _EXAMPLE))
            continue
        if (other := _same(key, found)) is not None:
            rule = "is set twice" if other == key else f"is set twice: {other} is set too"
            lines.append(problem(COMMAND_LINE, key, None, rule, "remove one of the two"))
            continue
        try:
            found[key] = _value(value)
        except NotYamlError as error:
            lines.append(problem(COMMAND_LINE, key, value, error.rule, error.fix))
    if lines:
        raise InputError(*lines)
    return found


def override(content: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Put values into the content of a file; relative paths in them start from the current folder.

    Args:
        content: of the file; changed.
        overrides: values by dotted key.

    Raises:
        InputError: with one line for each key that leads into a value that is no mapping.
    """
    lines = [line for key, value in overrides.items() if (line := _put(content, key, value))]
    if lines:
        raise InputError(*lines)
    for key, make_absolute in _PATHS.items():
        section, _, name = key.partition(".")
        settings = content.get(section)
        if (
            place(key, Path(), overrides) == COMMAND_LINE
            and isinstance(settings, dict)
            and isinstance(settings.get(name), str)
        ):
            settings[name] = make_absolute(settings[name], Path.cwd())


def _same(key: str, others: Iterable[str]) -> str | None:
    """Return another key that sets a part of the same, or the whole."""
    return next((each for each in others if f"{each}.".startswith(f"{key}.") or f"{key}.".startswith(f"{each}.")), None)


def _value(text: str) -> Any:  # noqa: ANN401 - whatever YAML can hold
    """Return the value of a text.

    Raises:
        NotYamlError: if it is no YAML, or empty.
    """
    value = read_value(text)
    if value is None and not re.search(r"\w|~", text.partition("#")[0]):
        raise NotYamlError("has no value", "write null for no value, or '\"\"' for an empty text")
    return value


def _put(content: dict[str, Any], key: str, value: Any) -> str | None:  # noqa: ANN401 - of the key
    """Put a value into a mapping, and return None, or the problem of its key."""
    settings, rest = content, key
    while (name := first_name(settings, rest) or rest.partition(".")[0]) != rest:
        rest = rest[len(name) + 1 :]
        if settings.get(name) is None:  # null too: such as a section that is switched off
            settings[name] = {}
        if not isinstance(settings[name], dict):
            return _no_mapping(key, value, key[: -len(rest) - 1], settings[name])
        settings = settings[name]
    settings[name] = value
    return None


def _no_mapping(key: str, value: object, prefix: str, there: object) -> str:
    kind = "a list" if isinstance(there, list) else shortened(json.dumps(there), 40)
    rest = key[len(prefix) + 1 :]
    example = f"{prefix}=VALUE"
    if prefix in _SHORT_FORMS and isinstance(there, str) and "." not in rest:
        example = shlex.quote(f"{prefix}={{name: {there}, {rest}: {json.dumps(value)}}}")
    return problem(COMMAND_LINE, key, None, f"{prefix} is {kind}, which has no keys", f"write {example} instead")
