"""`space:`, the parameters that a study searches, merged by key over the method's default space."""

from collections.abc import Collection, Iterator, Mapping

from pydantic import JsonValue

from search_spaces.loader import DefaultSpace
from search_spaces.schema import DIMENSIONS, CategoricalDimension, Dimension, FloatDimension
from vsam_tune.registry.hyperparameter import Hyperparameter
from vsam_tune.study.file.configuration import Configuration
from vsam_tune.study.file.hyperparameters import can_be, can_exist
from vsam_tune.study.file.method import allows, fix, preset_problem, rule
from vsam_tune.study.file.problems import Problem, parse, suggestion, unknown
from vsam_tune.study.file.task import Task

Space = dict[str, Dimension]

_EXAMPLE = "{type: float, low: 0.1, high: 1}"
_KINDS = {int: "int", float: "float", str: "categorical", bool: "categorical"}  # by the type of a default


def read_space(entries: Mapping[str, object], configuration: Configuration) -> tuple[Space, list[Problem]]:
    """Return the searched parameters, each after those that its condition names, and the problems.

    A parameter of the default space that can never exist is left out; one that the study names is an error.
    """
    parameters = configuration.parameters
    merged, problems = merge(entries, parameters.space, parameters.counted)
    for name, dimension in merged.items():
        problems += _check_dimension(name, dimension, configuration)
    values = configuration.values
    space = {name: dimension for name, dimension in merged.items() if can_exist(dimension, merged, values)}
    for name in merged:
        if name in entries and name not in space:
            problems += _check_condition(name, merged, values)
    problems += check_fixed(space, configuration)
    ordered, rest = _order(space, configuration.parameters.known)
    if rest:
        rule = f"has circular conditions: {', '.join(rest)}"
        problems.append(Problem("space", None, rule, "remove one `when`"))
    elif not ordered and not problems:
        problems.append(Problem("space", None, "leaves nothing to search", "name a parameter, or use vsam-tune train"))
    return ordered, problems


def merge(
    entries: Mapping[str, object], defaults: DefaultSpace, counted: Collection[str] = ()
) -> tuple[Space, list[Problem]]:
    """Return the default space with a study's entries laid over it, and the problems.

    An entry is null (do not search it), true (its default range), a mapping with `type` (a new range,
    under the default's condition unless it has one), or a mapping without (some keys of the default changed). Whole
    numbers for a default range of fractions of the run, of a setting in `counted`, are iterations.
    """
    known = {**defaults.optional, **defaults.searched}
    space = {name: dimension for name, dimension in defaults.searched.items() if name not in entries}
    problems: list[Problem] = []
    for name, entry in entries.items():
        key, default = f"space.{name}", known.get(name)
        if entry is None and name in defaults.searched:
            continue
        if entry is True and default is not None:
            space[name] = default
        elif isinstance(entry, dict) and ("type" in entry or default is not None):
            dimension, found = _read_dimension(_inherit(entry, default, counted=name in counted), key)
            problems += found
            if dimension is not None:
                space[name] = dimension
        else:
            problems.append(_wrong_entry(key, entry))
    return space, problems


def to_dict(dimension: Dimension) -> dict[str, JsonValue]:
    """Return the mapping that a file would hold for a dimension."""
    fields = dimension.model_dump(mode="json", exclude_none=True)
    return {"type": fields.pop("type"), **{name: fields[name] for name in sorted(fields, key="when".__eq__)}}


def check_fixed(
    space: Mapping[str, Dimension], configuration: Configuration, names: Collection[str] | None = None
) -> Iterator[Problem]:
    """Yield a problem for each parameter, or each of `names`, that is fixed and searched, or fixed without effect."""
    parameters = configuration.parameters
    values, ranges = configuration.values, parameters.ranges
    for name, value in configuration.fixed.items():
        if names is not None and name not in names:
            continue
        key = f"{parameters.section(name)}.{name}"
        if name in space:
            rule = f"is fixed here and searched by space.{name}"
            yield Problem(key, value, rule, f"leave it out, or write `{name}: null` under space")
        elif name in ranges and not can_exist(ranges[name], space, values):
            condition = " and ".join(f"{other} = {values[other]}" for other in ranges[name].when or {})
            yield Problem(key, value, f"has no effect with {condition}", "leave it out")


def _wrong_entry(key: str, entry: object) -> Problem:
    if entry is None:
        return Problem(key, None, "is null, but not searched by default", "leave it out")
    if entry is True:
        return Problem(key, None, "has no default range", f"write {_EXAMPLE}")
    return Problem(key, entry, "must be a dimension", f"write {_EXAMPLE}, true or null")


def _inherit(entry: Mapping[str, object], default: Dimension | None, *, counted: bool) -> dict[str, object]:
    if default is None:
        return dict(entry)
    ends = [entry.get("low"), entry.get("high")]
    whole = "type" not in entry and any(type(end) is int and end > 1 for end in ends)
    if whole and counted and isinstance(default, FloatDimension):
        return {"when": default.when, "log": default.log, "type": "int", "low": 1, **entry}
    return {"when": default.when, **entry} if "type" in entry else {**default.model_dump(), **entry}


def _read_dimension(entry: Mapping[str, object], key: str) -> tuple[Dimension | None, list[Problem]]:
    kind = entry.get("type")
    model = DIMENSIONS.get(kind) if isinstance(kind, str) else None
    if model is None:
        fix = suggestion(kind if isinstance(kind, str) else "", DIMENSIONS, "one of")
        return None, [Problem(f"{key}.type", kind, "must be a kind of dimension", fix)]
    return parse(model, entry, key)


def _check_dimension(name: str, dimension: Dimension, configuration: Configuration) -> Iterator[Problem]:
    key, parameters = f"space.{name}", configuration.parameters
    if name in parameters.known:
        yield from _check_range(key, dimension, parameters.known[name])
    elif name in parameters.entry.fixed:
        yield preset_problem(key, None, parameters.method, parameters.entry)
    elif configuration.custom_trainable:
        return
    elif name in Task.model_fields:
        yield Problem(key, None, "cannot be searched", f"fix it as task.{name}")
    elif not configuration.accepts_unknown_settings:
        yield unknown(key, parameters.known, f"{parameters.method} has")


def _check_range(key: str, dimension: Dimension, known: Hyperparameter) -> Iterator[Problem]:
    kind = _KINDS[type(known.default)]
    if isinstance(dimension, CategoricalDimension):
        for i, choice in enumerate(dimension.choices):
            if not allows(known, choice):
                yield Problem(f"{key}.choices[{i}]", choice, rule(known), fix(known))
    elif known.iterations and isinstance(dimension, FloatDimension):
        yield from _check_fractions(key, dimension)
    elif dimension.type != kind:
        yield Problem(
            f"{key}.type", dimension.type, f"must be {kind}", f"write {{type: {kind}, ...}} ({known.meaning})"
        )
    else:
        for end, value in (("low", dimension.low), ("high", dimension.high)):
            if not allows(known, value):
                yield Problem(f"{key}.{end}", value, rule(known), f"write one inside ({known.meaning})")


def _check_fractions(key: str, dimension: FloatDimension) -> Iterator[Problem]:
    """Yield the problems of a range of fractions of the run, for a setting that counts iterations."""
    for end, value in (("low", dimension.low), ("high", dimension.high)):
        if not 0 <= value <= 1:
            rule = "must be a fraction of the run, from 0 to 1"
            yield Problem(f"{key}.{end}", value, rule, "write one, or {type: int, low: 36, high: 360} for iterations")


def _check_condition(name: str, space: Space, values: Mapping[str, JsonValue]) -> Iterator[Problem]:
    """Yield why a parameter of a space can never exist."""
    for other, matches in (space[name].when or {}).items():
        key = f"space.{name}.when.{other}"
        if can_be(other, matches, space, values):
            continue
        if other in space:
            fix = f"write values of space.{other}, or leave it out"
            yield Problem(key, matches, f"never holds: space.{other} has no such value", fix)
        elif other in values:
            rule = f"never holds: {other} is {values[other]}"
            yield Problem(key, matches, rule, f"write `{name}: null`, or search {other}")
        else:
            yield unknown(key, sorted({*space, *values} - {name}), "known parameters")


def _order(space: Space, known: Mapping[str, Hyperparameter]) -> tuple[Space, list[str]]:
    """Return a space in the order of its conditions, then of the registry, and the names in a circle."""
    waiting = [name for name in (*known, *sorted(set(space) - set(known))) if name in space]
    ordered: Space = {}
    while ready := [name for name in waiting if not set(space[name].when or {}) & set(waiting)]:
        ordered |= {name: space[name] for name in ready}
        waiting = [name for name in waiting if name not in ready]
    return ordered, waiting
