"""`initial:`, the parameters that a study tries first."""

from collections.abc import Mapping

from pydantic import JsonValue

from search_spaces.schema import Dimension, FloatDimension
from vsam_tune.study.file.problems import Problems

Point = dict[str, JsonValue]


def default_initial(space: Mapping[str, Dimension], defaults: Mapping[str, JsonValue]) -> tuple[Point, ...]:
    """Return the method's defaults, which are the paper's where it has some, as the one starting point.

    A default outside its range is left to the sampler: a range that leaves it out wants other values tried.

    Args:
        space: what is searched, each parameter after those that its condition names.
        defaults: by name.
    """
    point: Point = {}
    for name, dimension in space.items():
        others = {**defaults, **point}
        if name in defaults and dimension.contains(defaults[name]) and dimension.applies(others):
            point[name] = defaults[name]
    return (point,) if point else ()


def read_initial(
    value: object, space: Mapping[str, Dimension], fixed: Mapping[str, JsonValue], problems: Problems
) -> tuple[Point, ...]:
    """Return the starting points of a study file; what is wrong is added and left out.

    Args:
        value: a list of mappings, each with some of the searched parameters.
        space: what is searched.
        fixed: all settings that are not.
        problems: where errors go.
    """
    if not isinstance(value, list):
        problems.add("initial", value, "must be a list", "write [{beta: 0.13}], or [] for none")
        return ()
    return tuple(_read_point(f"initial[{i}]", entry, space, fixed, problems) for i, entry in enumerate(value))


def _read_point(
    key: str,
    entry: object,
    space: Mapping[str, Dimension],
    fixed: Mapping[str, JsonValue],
    problems: Problems,
) -> Point:
    if not isinstance(entry, dict) or not entry:
        problems.add(key, entry, "must be a mapping of searched parameters", "write {beta: 0.13}, or leave it out")
        return {}
    point: Point = {}
    for name, value in entry.items():
        dimension = space.get(name)
        if dimension is None:
            problems.unknown(f"{key}.{name}", name, space, "searched are")
        elif not dimension.contains(value):
            problems.add(f"{key}.{name}", value, f"is not in space.{name}", f"write {_range(dimension)}")
        else:
            point[name] = float(value) if isinstance(dimension, FloatDimension) else value
    for name in point:
        others = {**fixed, **point}
        when = {other: wanted for other, wanted in (space[name].when or {}).items() if other in others}
        if not space[name].model_copy(update={"when": when}).applies(others):
            condition = " and ".join(f"{other} = {others[other]}" for other in when)
            problems.add(f"{key}.{name}", point[name], f"does not exist with {condition}", "leave it out")
    return point


def _range(dimension: Dimension) -> str:
    if dimension.type == "categorical":
        return "one of " + ", ".join(map(str, dimension.choices))
    grid = f" in steps of {dimension.step:g}" if dimension.step else ""
    return f"a value from {dimension.low:g} to {dimension.high:g}{grid}"
