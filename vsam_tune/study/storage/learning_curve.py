"""A trial's learning curve: one line of JSON for each report, in a file of the trial's folder."""

import json
from collections.abc import Mapping
from pathlib import Path

from vsam_tune.atomic_file import write_text

CURVE = "learning_curve.jsonl"


def read_curve(folder: Path) -> list[dict[str, float]]:
    """Return the points, oldest first, without a line that a crash cut, that is just being written, or is damaged."""
    path = folder / CURVE
    lines = path.read_bytes().split(b"\n") if path.is_file() else ()
    return [point for line in lines if (point := _point(line)) is not None]


def _point(line: bytes) -> dict[str, float] | None:
    try:
        point = json.loads(line)
    except (ValueError, RecursionError):
        return None
    numbers = isinstance(point, dict) and all(type(value) in (int, float) for value in point.values())
    return point if numbers and "time_ms" in point else None


def repair_curve(folder: Path) -> list[dict[str, float]]:
    """Remove the rest of a line that a crash cut, so that the next point starts a line; return the points."""
    path, points = folder / CURVE, read_curve(folder)
    text = "".join(map(_line, points))
    if path.is_file() and path.read_bytes() != text.encode():
        write_text(path, text)
    return points


def append_point(folder: Path, point: Mapping[str, float]) -> None:
    """Append a point: metrics by name, and `time_ms`, milliseconds since 1970."""
    with (folder / CURVE).open("a", encoding="utf-8") as file:
        file.write(_line(point))


def position(point: Mapping[str, float]) -> float:
    """Return the position of a point on its curve: the iteration, else the epoch, else the time."""
    return point.get("iteration", point.get("epoch", point["time_ms"]))


def _line(point: Mapping[str, float]) -> str:
    return json.dumps(point) + "\n"
