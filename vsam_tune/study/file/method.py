"""`method:`, `base_optimizer:` and `task.model`: a name from a registry, and the values fixed beside it."""

import json
import sys
from collections.abc import Callable, Collection, Mapping
from typing import TypeGuard

from pydantic import JsonValue

from vsam_tune.registry.hyperparameter import Hyperparameter
from vsam_tune.registry.methods import METHODS
from vsam_tune.registry.object_reference import is_object_path
from vsam_tune.study.file.hyperparameters import NamedSettings, Parameters
from vsam_tune.study.file.problems import Problems, suggestion

NO_REFERENCE = "is neither known nor of the form module:name"
WARMUP = "warmup_iterations"  # alone may be given in epochs; a trial turns them into iterations when it starts


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number that a float can hold, and no bool."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # False for NaN, exact for an int of any size


def allows(known: Hyperparameter, value: object) -> bool:
    """Return whether a setting can have this value; an int stands for the same float."""
    if known.choices:
        return value in known.choices
    if isinstance(known.default, bool):
        return isinstance(value, bool)
    if not is_number(value) or (isinstance(known.default, int) and not isinstance(value, int)):
        return False
    above = known.low is None or value >= known.low
    return above and (known.high is None or value <= known.high) and (not known.positive or value > 0)


def rule(known: Hyperparameter) -> str:
    """Return what the values of a setting have to be."""
    if known.choices:
        return f"must be one of {', '.join(known.choices)}"
    if isinstance(known.default, bool):
        return "must be true or false"
    low = "> 0" if known.positive else f">= {known.low:g}" if known.low is not None else ""
    high = f"<= {known.high:g}" if known.high is not None else ""
    bounds = " and ".join(bound for bound in (low, high) if bound)
    return f"must be a {'whole ' if isinstance(known.default, int) else ''}number {bounds}".rstrip()


def fix(name: str, known: Hyperparameter) -> str:
    """Return what to write for a setting: its default, and what it means."""
    default = str(known.default).lower() if isinstance(known.default, bool) else known.default
    epochs = " or {epochs: 2}" if name == WARMUP else ""
    return f"write {default}{epochs} ({known.meaning})"


def read_named(
    value: object, key: str, names: Collection[str], default: str | None, problems: Problems, *, own: bool = False
) -> NamedSettings | None:
    """Return a name and what stands beside it, or None after adding what is wrong.

    Args:
        value: a name alone, or a mapping in which `name` may be left out.
        key: its dotted key.
        names: the known names.
        default: the name where there is none; None to ask for one and to take any.
        problems: where errors go.
        own: whether the name may be `module:name`.
    """
    content = {"name": value} if isinstance(value, str) else value
    if not isinstance(content, dict):
        problems.add(key, value, "must be a name, or a mapping with name", f"write {{name: {default or 'NAME'}}}")
        return None
    name = content.get("name", default)
    if isinstance(name, str) and (default is None or name in names or (own and is_object_path(name))):
        return NamedSettings(name, {setting: content[setting] for setting in content if setting != "name"})
    if own and ":" in str(name):
        problems.add(f"{key}.name", name, NO_REFERENCE, "write my_module:name")
    else:
        rule = "is missing" if name is None else "is not known"
        problems.add(f"{key}.name", name, rule, suggestion(str(name), names, "one of"))
    return None


def check_settings(
    given: Mapping[str, JsonValue],
    known: Mapping[str, Hyperparameter],
    key: str,
    problems: Problems,
    unknown: Callable[[str], bool],
) -> dict[str, JsonValue]:
    """Return the settings that a file fixes, numbers as the type of their default.

    Args:
        given: by name, as read.
        known: what can be set.
        key: the dotted key of the section.
        problems: where errors go.
        unknown: asked whether to take a name that is not known; adds the problem where not.
    """
    values: dict[str, JsonValue] = {}
    for name, value in given.items():
        setting = known.get(name)
        if setting is None:
            if not unknown(name):
                continue
            if not is_plain(value):
                problems.add(f"{key}.{name}", value, "must be plain JSON", "write numbers, words, lists, mappings")
            values[name] = value
        elif name == WARMUP and isinstance(value, dict):
            _check_warmup(value, key, problems)
            values[name] = dict(value)
        elif not allows(setting, value):
            problems.add(f"{key}.{name}", value, rule(setting), fix(name, setting))
        else:
            values[name] = float(value) if isinstance(setting.default, float) and isinstance(value, int) else value
    return values


def check_method(
    method: NamedSettings, parameters: Parameters, problems: Problems, *, accepts_unknown_settings: bool
) -> NamedSettings:
    """Return the method with checked settings.

    Args:
        method: as read.
        parameters: of the method and its base optimizer.
        problems: where errors go.
        accepts_unknown_settings: whether it may have settings that are not known here.
    """
    known = parameters.entry.hyperparameters

    def unknown(name: str) -> bool:
        if is_preset(name, method.settings[name], f"method.{name}", parameters, problems) or accepts_unknown_settings:
            return accepts_unknown_settings
        problems.unknown(f"method.{name}", name, known, f"{method.name} takes")
        return False

    return NamedSettings(method.name, check_settings(method.settings, known, "method", problems, unknown))


def check_base_optimizer(base: NamedSettings, parameters: Parameters, problems: Problems) -> NamedSettings:
    """Return the base optimizer with checked settings.

    Args:
        base: as read.
        parameters: of the method and its base optimizer.
        problems: where errors go.
    """

    def unknown(name: str) -> bool:
        problems.unknown(f"base_optimizer.{name}", name, parameters.of_base, f"{base.name} takes")
        return False

    settings = check_settings(base.settings, parameters.of_base, "base_optimizer", problems, unknown)
    return NamedSettings(base.name, settings)


def is_preset(name: str, value: object, key: str, parameters: Parameters, problems: Problems) -> bool:
    """Return whether a setting is what makes the method a preset, after adding that it cannot be set."""
    entry = parameters.entry
    if name not in entry.fixed:
        return False
    general = next(
        other for other in METHODS if METHODS[other].optimizer == entry.optimizer and not METHODS[other].fixed
    )
    rule = f"is what makes {parameters.method}, {entry.fixed[name]} for good"
    problems.add(key, value, rule, f"leave it out, or take the method {general}")
    return True


def _check_warmup(value: Mapping[str, object], key: str, problems: Problems) -> None:
    epochs = value.get("epochs")
    if set(value) != {"epochs"} or not is_number(epochs) or epochs < 0:
        rule = "must be a whole number >= 0, or {epochs: NUMBER}"
        problems.add(f"{key}.{WARMUP}", value, rule, "write 782 or {epochs: 2}")


def is_plain(value: object) -> bool:
    """Return whether a value can stand in JSON."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
