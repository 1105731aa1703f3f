"""`objectives:` and `reference_point:`, the numbers that a study is about."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

from pydantic import Field, PlainSerializer, PlainValidator

from search_spaces.schema import Strict, broken
from vsam_tune.analysis.results import Objective
from vsam_tune.registry.metrics import DIRECTIONS, Direction
from vsam_tune.study.file.problems import Problem, suggestion

DEFAULT_OBJECTIVES = (Objective("val_accuracy", "maximize"), Objective("ais_vs_sam", "maximize"))
CUSTOM_OBJECTIVES = (Objective("val_accuracy", "maximize"), Objective("ais", "maximize"))  # may know nothing of SAM


class _Entry(Strict):
    name: str = Field(min_length=1)
    direction: Direction


def _objective(value: object) -> Objective:
    """Return an objective from its name, or from a mapping of `name` and `direction`."""
    if isinstance(value, Objective):
        return value
    if isinstance(value, str):
        if value not in DIRECTIONS:
            fix = f"{suggestion(value, DIRECTIONS, 'one of')}, or {{name: {value}, direction: maximize}}"
            raise broken("", "has no known direction", fix)
        return Objective(value, DIRECTIONS[value])
    entry = _Entry.model_validate(value)
    known = DIRECTIONS.get(entry.name, entry.direction)
    if entry.direction != known:
        raise broken("direction", f"must be {known} for {entry.name}", f"write {known}")
    return Objective(entry.name, entry.direction)


ObjectiveEntry = Annotated[Objective, PlainValidator(_objective), PlainSerializer(asdict)]


def check_objectives(objectives: Sequence[Objective]) -> Iterator[Problem]:
    """Yield a problem for no objective, and for each that is there twice."""
    names = [each.name for each in objectives]
    if not names:
        default = ", ".join(each.name for each in DEFAULT_OBJECTIVES)
        yield Problem("objectives", None, "must be a list of one or more", f"write [{default}]")
    for i, name in enumerate(names):
        if name in names[:i]:
            yield Problem(f"objectives[{i}]", name, "is listed twice", "remove the second one")


def check_reference_point(point: Mapping[str, float] | None, objectives: Sequence[Objective]) -> Iterator[Problem]:
    """Yield a problem if the corner of the hypervolume has not one number for each objective."""
    names = [each.name for each in objectives]
    if point is not None and set(point) != set(names):
        example = f"write {{{', '.join(f'{name}: NUMBER' for name in names)}}}, or leave it out"
        yield Problem("reference_point", None, "must have one number for each objective", example)
