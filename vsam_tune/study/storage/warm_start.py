"""The points of `warm_start:`: the front of another study, as far as it fits into the space of this one."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from search_spaces.schema import Dimension
from vsam_tune.analysis.results import TrialRecord
from vsam_tune.errors import InputError, nearest, problem
from vsam_tune.study.file.initial_points import Point, typed_initial
from vsam_tune.study.file.study_file import Study
from vsam_tune.study.storage.folder import is_study, study_names
from vsam_tune.study.storage.stored_study import find_result, stored_definition

logger = logging.getLogger(__name__)


def with_warm_start(study: Study, root: Path) -> Study:
    """Return a study with the points of its `warm_start`, which its definition then holds.

    A study that was started has its points already: what has become of the other study does not matter any more. The
    first start warns of what does not fit.

    Args:
        study: as its file has it.
        root: the folder that holds the studies' folders.

    Raises:
        InputError: if there is no such study, it has no complete trial, or no parameter in common with this one.
    """
    section = study.warm_start
    if section is None or section.points is not None:
        return study
    stored = (stored_definition(root / study.name) or {}).get("warm_start")
    points = stored["points"] if stored and stored["study"] == section.study else _points(study, section.study, root)
    return study.model_copy(update={"warm_start": section.model_copy(update={"points": tuple(points)})})


def _points(study: Study, other: str, root: Path) -> Sequence[Point]:
    result = find_result(_folder(study, other, root))
    front = sorted(result.front(), key=lambda trial: trial.number) if result else []
    if not front:
        fix = "name another study, or leave warm_start out"
        raise InputError(problem(study.file, "warm_start", other, "has no complete, feasible trial", fix))
    points = [_fitting(trial.params, study.space, study.values) for trial in front]
    found = list(typed_initial([point for i, point in enumerate(points) if point not in points[:i]], study.space))
    if not any(found):
        rule = "has no trial on its front with a value that a parameter of this study can take"
        raise InputError(problem(study.file, "warm_start", other, rule, "leave warm_start out, or search its space"))
    if left_out := _left_out(front, points, study.space):
        logger.warning("%s: warm_start = %s: not taken over: %s", study.file, other, ", ".join(left_out))
    return [point for point in found if point]


def _folder(study: Study, other: str, root: Path) -> Path:
    for folder in (root / other, study.file.parent / other):
        if is_study(folder):
            return folder
    names = study_names(root)
    near = nearest(other, names)
    fix = f"write {near}" if near else f"one of {', '.join(names)}" if names else "leave warm_start out"
    rule = f"is no study under {root}, nor the folder of one"
    raise InputError(problem(study.file, "warm_start", other, rule, fix))


def _fitting(params: Mapping[str, Any], space: Mapping[str, Dimension], values: Mapping[str, JsonValue]) -> Point:
    """Return the parameters that the space has and contains, and whose conditions can hold."""
    point: Point = {}
    for name, dimension in space.items():  # each follows those that its condition names
        known = {**{other: value for other, value in values.items() if other not in space}, **point}
        when = {other: wanted for other, wanted in (dimension.when or {}).items() if other in known}
        possible = dimension.model_copy(update={"when": when}).applies(known)
        if name in params and possible and dimension.contains(params[name]):
            point[name] = params[name]
    return point


def _left_out(front: Sequence[TrialRecord], points: Sequence[Point], space: Mapping[str, Dimension]) -> list[str]:
    counts: dict[str, int] = {}
    for trial, point in zip(front, points, strict=True):
        for name in trial.params.keys() - point.keys():
            counts[name] = counts.get(name, 0) + 1
    return [
        f"{name} (of {count} trials, outside its range)" if name in space else f"{name} (not searched here)"
        for name, count in sorted(counts.items())
    ]
