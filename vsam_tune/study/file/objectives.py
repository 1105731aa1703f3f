"""`objectives:` and `reference_point:`: what a study is about."""

from collections.abc import Sequence

from pydantic import Field

from search_spaces.schema import Strict
from vsam_tune.analysis.results import Objective
from vsam_tune.registry.metrics import DIRECTIONS, Direction
from vsam_tune.study.file.method import is_number
from vsam_tune.study.file.problems import Problems, parse, suggestion

DEFAULT_OBJECTIVES = ["val_accuracy", "ais_vs_sam"]
CUSTOM_OBJECTIVES = ["val_accuracy", "ais"]  # a trainable of one's own may know nothing of SAM


class _Entry(Strict):
    name: str = Field(min_length=1, description="write the name of a metric that the trainable reports")
    direction: Direction = Field(description="write maximize or minimize")


def read_objectives(value: object, problems: Problems) -> tuple[Objective, ...]:
    """Return the objectives in the order of the file; what is wrong is added and left out.

    Args:
        value: a list of names with a known direction, or mappings of `name` and `direction`.
        problems: where errors go.
    """
    if not isinstance(value, list) or not value:
        problems.add("objectives", value, "must be a list of one or more", f"write [{', '.join(DEFAULT_OBJECTIVES)}]")
        return ()
    objectives: list[Objective] = []
    for i, entry in enumerate(value):
        objective = _read(f"objectives[{i}]", entry, problems)
        if objective is None:
            continue
        if any(objective.name == other.name for other in objectives):
            problems.add(f"objectives[{i}]", objective.name, "stands there twice", "leave the second one out")
        objectives.append(objective)
    return tuple(objectives)


def _read(key: str, entry: object, problems: Problems) -> Objective | None:
    if isinstance(entry, str):
        if entry not in DIRECTIONS:
            fix = f"{suggestion(entry, DIRECTIONS, 'one of')}, or {{name: {entry}, direction: maximize}}"
            problems.add(key, entry, "has no known direction", fix)
            return None
        return Objective(entry, DIRECTIONS[entry])
    read = parse(_Entry, entry, key, problems)
    if read is None:
        return None
    known = DIRECTIONS.get(read.name, read.direction)
    if read.direction != known:
        problems.add(f"{key}.direction", read.direction, f"{read.name} is to {known}", f"write {known}")
    return Objective(read.name, read.direction)


def read_reference_point(value: object, objectives: Sequence[Objective], problems: Problems) -> dict[str, float] | None:
    """Return the fixed corner of the hypervolume by objective name, None where the file leaves it open.

    Args:
        value: as read.
        objectives: of the study.
        problems: where errors go.
    """
    names = [objective.name for objective in objectives]
    example = f"write {{{', '.join(f'{name}: NUMBER' for name in names)}}}, or leave it out"
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != set(names):
        problems.add("reference_point", value, "must hold one number for each objective", example)
        return None
    point: dict[str, float] = {}
    for name in names:
        number = value[name]
        if is_number(number):
            point[name] = float(number)
        else:
            problems.add(f"reference_point.{name}", number, "must be a number", example)
    return point
