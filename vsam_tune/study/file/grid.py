"""The grid over a search space: all combinations of its values, under the conditions of its parameters."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from search_spaces.schema import CategoricalDimension, Dimension, FloatDimension
from vsam_tune.study.file.problems import Problem

_MOST_VALUES = 1000  # of one parameter; choice: nobody wants more, and each is a list entry of Optuna's sampler


def check_grid(space: Mapping[str, Dimension]) -> Iterator[Problem]:
    """Yield a problem for each parameter that has no list of values, or too many."""
    for name, dimension in space.items():
        key = f"space.{name}"
        if isinstance(dimension, FloatDimension) and dimension.step is None:
            fix = f"write step: {(dimension.high - dimension.low) / 4:.12g}, or {{type: categorical, choices: [...]}}"
            if dimension.log:
                fix = f"write {{type: categorical, choices: [{dimension.low:g}, {dimension.high:g}]}}, with more values"
            yield Problem(key, None, "has no step, so a grid has no end", fix)
        elif _num_values(dimension) > _MOST_VALUES:
            rule = f"has {_num_values(dimension):,} values, and a grid at most {_MOST_VALUES:,}"
            yield Problem(key, None, rule, "write a larger step, or {type: categorical, choices: [...]}")


def num_points(space: Mapping[str, Dimension], fixed: Mapping[str, Any]) -> int:
    """Return how many points a grid has; one without an end has points of its ranges' ends alone.

    Args:
        space: by parameter name; each follows those that its condition names.
        fixed: the settings that are not searched, which a condition may also name.
    """
    named = {other for dimension in space.values() for other in dimension.when or {}}
    return _count(list(space.items()), dict(fixed), named)


def _count(dimensions: Sequence[tuple[str, Dimension]], known: dict[str, Any], named: set[str]) -> int:
    factor = 1
    for i, (name, dimension) in enumerate(dimensions):
        if not dimension.applies(known):
            continue
        if name in named:  # what follows depends on its value
            rest = dimensions[i + 1 :]
            return factor * sum(_count(rest, {**known, name: value}, named) for value in _values(dimension))
        factor *= _num_values(dimension)
    return factor


def grid_point(space: Mapping[str, Dimension], params: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """Return a point of the grid as the index of each value; equal values may differ by rounding."""
    return tuple((name, _index(dimension, params[name])) for name, dimension in space.items() if name in params)


def _index(dimension: Dimension, value: Any) -> int:  # noqa: ANN401 - of the dimension's type
    if isinstance(dimension, CategoricalDimension):
        return dimension.choices.index(value)
    steps: float = (value - dimension.low) / (dimension.step or 1)
    return round(steps)


def _num_values(dimension: Dimension) -> int:
    if isinstance(dimension, CategoricalDimension):
        return len(dimension.choices)
    return round((dimension.high - dimension.low) / (dimension.step or 1)) + 1


def _values(dimension: Dimension) -> Sequence[Any]:
    if isinstance(dimension, CategoricalDimension):
        return dimension.choices
    return [dimension.low + i * (dimension.step or 1) for i in range(_num_values(dimension))]
