"""`initial:` and `warm_start:`, the parameters that a study tries first."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue

from search_spaces.schema import Dimension, FloatDimension, Strict
from vsam_tune.study.file.problems import Problem, unknown

Point = dict[str, JsonValue]


class WarmStart(Strict):
    """`warm_start:`, another study whose front is tried after `initial`.

    Attributes:
        study: its name, or the path of its folder.
        points: of its front, in the space of this study; None until the study starts.
    """

    study: str = Field(min_length=1, description="write the name of a study")
    points: tuple[Point, ...] | None = Field(None, strict=False, description="leave it out")


def _from_name(value: object) -> object:
    return {"study": value} if isinstance(value, str) else value


WarmStartEntry = Annotated[WarmStart, BeforeValidator(_from_name)]


def default_initial(space: Mapping[str, Dimension], defaults: Mapping[str, JsonValue]) -> tuple[Point, ...]:
    """Return the method's defaults as the one starting point.

    The sampler draws a parameter whose default is outside its range: such a range asks for other values.
    Each parameter of the space comes after those that its condition names.
    """
    point: Point = {}
    for name, dimension in space.items():
        others = {**defaults, **point}
        default = defaults.get(name)
        if isinstance(default, dict):  # a part of the run, of which a space searches the fraction
            default = default.get("fraction")
        if dimension.contains(default) and dimension.applies(others):
            point[name] = default
    return (point,) if point else ()


def typed_initial(points: Sequence[Point], space: Mapping[str, Dimension]) -> tuple[Point, ...]:
    """Return starting points with whole numbers as floats where the dimension is one of floats."""
    floats = {name for name, dimension in space.items() if isinstance(dimension, FloatDimension)}
    return tuple(
        {name: float(value) if name in floats and type(value) is int else value for name, value in point.items()}
        for point in points
    )


def check_initial(
    points: Sequence[Point], space: Mapping[str, Dimension], fixed: Mapping[str, JsonValue]
) -> Iterator[Problem]:
    """Yield the problems of starting points; `fixed` are the settings that are not searched."""
    for i, point in enumerate(points):
        key = f"initial[{i}]"
        if not point:
            yield Problem(key, None, "must be a mapping of searched parameters", "write {beta: 0.13}, or leave it out")
        for name, value in point.items():
            if name not in space:
                yield unknown(f"{key}.{name}", space, "searched parameters")
            elif not space[name].contains(value):
                yield Problem(f"{key}.{name}", value, f"is not in space.{name}", f"write {_range(space[name])}")
        good = {name: value for name, value in point.items() if name in space and space[name].contains(value)}
        for name in good:
            yield from _check_condition(f"{key}.{name}", good[name], space[name], {**fixed, **good})


def _check_condition(
    key: str, value: JsonValue, dimension: Dimension, others: Mapping[str, JsonValue]
) -> Iterator[Problem]:
    when = {other: wanted for other, wanted in (dimension.when or {}).items() if other in others}
    if not dimension.model_copy(update={"when": when}).applies(others):
        condition = " and ".join(f"{other} = {others[other]}" for other in when)
        yield Problem(key, value, f"does not exist with {condition}", "leave it out")


def _range(dimension: Dimension) -> str:
    if dimension.type == "categorical":
        return "one of " + ", ".join(map(str, dimension.choices))
    grid = f" in steps of {dimension.step:g}" if dimension.step else ""
    return f"a value from {dimension.low:g} to {dimension.high:g}{grid}"
