"""`method:`, `base_optimizer:` and `task.model`: a name from a registry, and settings next to it."""

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Annotated, TypeGuard

from pydantic import JsonValue, PlainSerializer, PlainValidator

from search_spaces.schema import broken
from vsam_tune.registry.hyperparameter import Hyperparameter
from vsam_tune.registry.iterations import UNITS
from vsam_tune.registry.methods import METHODS, Method
from vsam_tune.registry.object_reference import is_object_path
from vsam_tune.study.file.hyperparameters import NamedSettings
from vsam_tune.study.file.problems import Problem, suggestion, unknown

NO_REFERENCE = "is neither known nor of the form module:name"


def named_reader(example: str) -> Callable[[object], NamedSettings]:
    """Return the validator of a name alone, or of a mapping such as `example`, which may leave `name` out."""

    def read(value: object) -> NamedSettings:
        if isinstance(value, NamedSettings):
            return value
        content = {"name": value} if isinstance(value, str) else value
        if not isinstance(content, dict):
            raise broken("", "must be a name, or a mapping with name", f"write {example}")
        settings = {key: setting for key, setting in content.items() if key != "name"}
        name = content.get("name", example)
        if not isinstance(name, str) or not name:
            rule = "is missing" if name is None else "must not be empty" if name == "" else "must be text"
            raise broken("name", rule, f"write {example}")
        return NamedSettings(name if "name" in content else "", settings)

    return read


named = named_reader("{name: NAME}")
_to_dict = PlainSerializer(NamedSettings.to_dict)
BaseOptimizerSection = Annotated[NamedSettings, PlainValidator(named_reader("{name: sgd}")), _to_dict]
MethodSection = Annotated[NamedSettings, PlainValidator(named_reader("{name: vsam}")), _to_dict]


def check_name(
    given: NamedSettings, key: str, names: Collection[str], *, any_name: bool = False, custom: bool = True
) -> Iterator[Problem]:
    """Yield a problem if the name of a section is not in `names`, and not `module:name` where that is allowed."""
    name = given.name
    if name in names or (name and any_name) or (custom and is_object_path(name)):
        return
    if custom and ":" in name:
        yield Problem(f"{key}.name", name, NO_REFERENCE, "write my_module:name")
    else:
        rule = "is not known" if name else "is missing"
        yield Problem(f"{key}.name", name or None, rule, suggestion(name, names, "one of"))


def check_settings(
    given: NamedSettings,
    known: Mapping[str, Hyperparameter],
    key: str,
    *,
    accepts_unknown_settings: bool = False,
    more: Iterable[str] = (),
    takes: str = "",
) -> Iterator[Problem]:
    """Yield a problem for each setting that is not known, cannot be set, or has a value out of its range.

    Args:
        given: the settings of a method, base optimizer or model.
        known: those that can be set.
        key: the dotted key of their section.
        accepts_unknown_settings: whether others may be set.
        more: for the message, other keys that the section may have.
        takes: for the message, the words before the known settings.
    """
    for name, value in given.settings.items():
        at, setting = f"{key}.{name}", known.get(name)
        if setting is not None:
            yield from _check_value(at, value, setting)
        elif (method := METHODS.get(given.name)) and name in method.fixed:
            yield preset_problem(at, value, given.name, method)
        elif not accepts_unknown_settings:
            yield unknown(at, [*more, *known], takes or f"{given.name} takes")
        elif not is_plain(value):
            yield Problem(at, value, "must be plain JSON", "write numbers, words, lists, mappings")


def _check_value(key: str, value: object, setting: Hyperparameter) -> Iterator[Problem]:
    if setting.iterations and isinstance(value, dict):
        if not _is_part_of_run(value):
            yield Problem(key, value, f"{rule(setting)}, {' or '.join(UNITS.values())}", fix(setting))
    elif not allows(setting, value):
        yield Problem(key, value, rule(setting), fix(setting))


def _is_part_of_run(value: Mapping[str, object]) -> bool:
    """Return whether a mapping stands for a number of iterations, see `iterations_of`."""
    if len(value) != 1:
        return False
    ((unit, number),) = value.items()
    return unit in UNITS and is_number(number) and number >= 0 and (unit != "fraction" or number <= 1)


def preset_problem(key: str, value: object, name: str, preset: Method) -> Problem:
    """Return the problem of a setting that a preset fixes."""
    general = next(other for other, entry in METHODS.items() if entry.optimizer == preset.optimizer and not entry.fixed)
    rule = f"cannot be set: the preset {name} fixes it at {preset.fixed[key.rpartition('.')[2]]}"
    return Problem(key, value, rule, f"remove it, or use the method {general}")


def typed(given: Mapping[str, JsonValue], known: Mapping[str, Hyperparameter]) -> dict[str, JsonValue]:
    """Return settings with whole numbers as floats where the default is a float."""
    floats = {name for name, setting in known.items() if isinstance(setting.default, float)}
    return {
        name: float(value) if name in floats and type(value) is int and is_number(value) else value
        for name, value in given.items()
    }


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number that a float can hold, and not a bool."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # False for NaN, exact for an int of any size


def allows(known: Hyperparameter, value: object) -> bool:
    """Return whether a setting can have this value; an int counts as the equal float."""
    if known.choices:
        return value in known.choices
    if isinstance(known.default, bool):
        return isinstance(value, bool)
    if not is_number(value) or (isinstance(known.default, int) and not isinstance(value, int)):
        return False
    above = known.low is None or value >= known.low
    return above and (known.high is None or value <= known.high) and (not known.positive or value > 0)


def rule(known: Hyperparameter) -> str:
    """Return the rule that the values of a setting follow."""
    if known.choices:
        return f"must be one of {', '.join(known.choices)}"
    if isinstance(known.default, bool):
        return "must be true or false"
    low = "> 0" if known.positive else f">= {known.low:g}" if known.low is not None else ""
    high = f"<= {known.high:g}" if known.high is not None else ""
    bounds = " and ".join(bound for bound in (low, high) if bound)
    return f"must be a {'whole ' if isinstance(known.default, int) else ''}number {bounds}".rstrip()


def fix(known: Hyperparameter) -> str:
    """Return the fix for a setting: its default, and its meaning."""
    default = str(known.default).lower() if isinstance(known.default, bool) else known.default
    units = f", {{fraction: {known.fraction or 0.01}}} or {{epochs: 1}}" if known.iterations else ""
    return f"write {default}{units} ({known.meaning})"


def is_plain(value: object) -> bool:
    """Return whether JSON can hold a value."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
