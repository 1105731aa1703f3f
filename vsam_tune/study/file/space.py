"""`space:`, what a study searches, merged by key over the method's default space."""

from collections.abc import Collection, Mapping

from pydantic import JsonValue

from search_spaces.loader import DefaultSpace
from search_spaces.schema import DIMENSIONS, CategoricalDimension, Dimension
from vsam_tune.registry.hyperparameter import Hyperparameter
from vsam_tune.study.file.configuration import Configuration
from vsam_tune.study.file.hyperparameters import can_be, can_exist
from vsam_tune.study.file.method import allows, fix, is_preset, rule
from vsam_tune.study.file.problems import Problems, parse, suggestion
from vsam_tune.study.file.task import Task

Space = dict[str, Dimension]

_EXAMPLE = "{type: float, low: 0.1, high: 1}"
_KINDS = {int: "int", float: "float", str: "categorical", bool: "categorical"}  # by the type of a default


def merge(entries: Mapping[str, object], defaults: DefaultSpace, problems: Problems) -> Space:
    """Return the default space with a study's entries laid over it.

    An entry is null (do not search it), true (its default range), a mapping with `type` (a range of its own,
    under the default's condition unless it has one), or a mapping without (some keys of the default changed).

    Args:
        entries: `space:` by parameter.
        defaults: of the method.
        problems: where errors go; their entries are left out.
    """
    known = {**defaults.optional, **defaults.searched}
    space = {name: dimension for name, dimension in defaults.searched.items() if name not in entries}
    for name, entry in entries.items():
        key, default = f"space.{name}", known.get(name)
        if entry is None and name in defaults.searched:
            continue
        if entry is True and default is not None:
            space[name] = default
        elif isinstance(entry, dict) and ("type" in entry or default is not None):
            changed = read_dimension(_inherit(entry, default), key, problems)
            if changed is not None:
                space[name] = changed
        elif entry is None:
            problems.add(key, None, "is null, but not searched by default", "leave it out")
        elif entry is True:
            problems.add(key, None, "has no default range", f"write {_EXAMPLE}")
        else:
            problems.add(key, entry, "must be a dimension", f"write {_EXAMPLE}, true or null")
    return space


def _inherit(entry: Mapping[str, object], default: Dimension | None) -> dict[str, object]:
    if default is None:
        return dict(entry)
    if "type" in entry:
        return {"when": default.when, **entry}
    return {**default.model_dump(), **entry}


def read_dimension(entry: Mapping[str, object], key: str, problems: Problems) -> Dimension | None:
    """Return one dimension, or None after adding what is wrong with it."""
    kind = entry.get("type")
    model = DIMENSIONS.get(kind) if isinstance(kind, str) else None
    if model is None:
        problems.add(f"{key}.type", kind, "must be a kind of dimension", suggestion(str(kind), DIMENSIONS, "one of"))
        return None
    return parse(model, entry, key, problems)


def written(dimension: Dimension) -> dict[str, JsonValue]:
    """Return a dimension as it stands in a file."""
    fields = dimension.model_dump(mode="json", exclude_none=True)
    return {"type": fields.pop("type"), **{name: fields[name] for name in sorted(fields, key="when".__eq__)}}


def read_space(value: object, configuration: Configuration, problems: Problems) -> Space:
    """Return what a study searches, each parameter after those that its condition names.

    A parameter of the default space that can never exist is left out; one that the study names is an error.

    Args:
        value: `space:` as read.
        configuration: what trains, with the settings that the file fixes.
        problems: where errors go.
    """
    if not isinstance(value, dict):
        problems.add("space", value, "must be a mapping", "write {beta: {type: float, low: 0.05, high: 1}}")
        return {}
    space = merge(value, configuration.parameters.space, problems)
    for name, dimension in space.items():
        _check_name(name, dimension, configuration, problems)
    possible = _drop_impossible(space, value, configuration, problems)
    check_fixed(possible, configuration, problems)
    ordered = _order(possible, configuration.parameters.known, problems)
    if not ordered and not problems.lines:
        problems.add("space", None, "leaves nothing to search", "name a parameter, or vsam-tune train")
    return ordered


def _check_name(name: str, dimension: Dimension, configuration: Configuration, problems: Problems) -> None:
    key, parameters = f"space.{name}", configuration.parameters
    if name in parameters.known:
        _check_range(key, name, dimension, parameters.known[name], problems)
    elif is_preset(name, None, key, parameters, problems) or configuration.custom_trainable:
        return
    elif name in Task.model_fields:
        problems.add(key, None, "cannot be searched", f"fix it as task.{name}")
    elif not configuration.takes_any_setting:
        problems.unknown(key, name, parameters.known, f"{parameters.method} has")


def _check_range(key: str, name: str, dimension: Dimension, known: Hyperparameter, problems: Problems) -> None:
    if isinstance(dimension, CategoricalDimension):
        for i, choice in enumerate(dimension.choices):
            if not allows(known, choice):
                problems.add(f"{key}.choices[{i}]", choice, rule(known), fix(name, known))
        return
    kind = _KINDS[type(known.default)]
    if dimension.type != kind:
        problems.add(f"{key}.type", dimension.type, f"must be {kind}", f"write {{type: {kind}, ...}} ({known.meaning})")
        return
    for end in ("low", "high"):
        value = getattr(dimension, end)
        if not allows(known, value):
            problems.add(f"{key}.{end}", value, rule(known), f"write one inside ({known.meaning})")


def check_fixed(
    space: Space, configuration: Configuration, problems: Problems, *, names: Collection[str] | None = None
) -> None:
    """Add each parameter that is both fixed and searched, and each fixed one that has no effect.

    Args:
        space: merged.
        configuration: what trains, with the settings that the file fixes.
        problems: where errors go.
        names: the fixed parameters to look at; None for all.
    """
    parameters = configuration.parameters
    values, ranges = configuration.values, parameters.ranges
    for name, value in configuration.fixed.items():
        if names is not None and name not in names:
            continue
        key = f"{parameters.section(name)}.{name}"
        if name in space:
            rule = f"is fixed here and searched by space.{name}"
            problems.add(key, value, rule, f"leave it out, or write `{name}: null` under space")
        elif name in ranges and not can_exist(ranges[name], space, values):
            condition = " and ".join(f"{other} = {values[other]}" for other in ranges[name].when or {})
            problems.add(key, value, f"has no effect with {condition}", "leave it out")


def _drop_impossible(
    space: Space, entries: Mapping[str, object], configuration: Configuration, problems: Problems
) -> Space:
    values = configuration.values
    possible = {}
    for name, dimension in space.items():
        if can_exist(dimension, space, values):
            possible[name] = dimension
        elif name in entries:
            _add_impossible(name, space, values, problems)
    return possible


def _order(space: Space, known: Mapping[str, Hyperparameter], problems: Problems) -> Space:
    """Return a space ordered by its conditions, then as the registry is, whatever the order of the file."""
    waiting = [name for name in (*known, *sorted(set(space) - set(known))) if name in space]
    ordered: Space = {}
    while waiting:
        ready = [name for name in waiting if not set(space[name].when or {}) & set(waiting)]
        if not ready:
            cycle = ", ".join(waiting)
            problems.add("space", None, f"has conditions that wait for each other: {cycle}", "take one `when` out")
            return ordered
        ordered |= {name: space[name] for name in ready}
        waiting = [name for name in waiting if name not in ready]
    return ordered


def _add_impossible(name: str, space: Space, values: Mapping[str, JsonValue], problems: Problems) -> None:
    for other, matches in (space[name].when or {}).items():
        key = f"space.{name}.when.{other}"
        if can_be(other, matches, space, values):
            continue
        if other in space:
            problems.add(
                key,
                matches,
                "holds for no value of its range",
                f"write values of space.{other}, or leave it out",
            )
        elif other in values:
            rule = f"never holds: {other} is {values[other]}"
            problems.add(key, matches, rule, f"write `{name}: null`, or search {other}")
        else:
            known = {*space, *values} - {name}
            problems.unknown(key, other, sorted(known), "known parameters")
