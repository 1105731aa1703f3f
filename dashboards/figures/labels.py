"""Where the names of points go, so that they hide neither each other nor a point."""

from collections.abc import Sequence

_HEIGHTS = (0.6, -0.6, 1.6, -1.6, 2.6, -2.6, 3.6, -3.6)  # of a name over its point, in lines; the best first
_GAP = 4.0  # pixels from a point's centre to the side of its name

Box = tuple[float, float, float, float]  # left, right, bottom, top


def place_labels(
    points: Sequence[tuple[float, float]], widths: Sequence[float], line: float, frame: tuple[float, float]
) -> list[tuple[float, float]]:
    """Return how far each name's centre is from its point.

    Names are placed one after the other, from the top, each at the first place that is free, to the right of its
    point or to the left; where none is, at the one that hides least. plotly has nothing of the kind, and adjustText
    and textalloc draw with matplotlib alone.

    Args:
        points: (x, y) in pixels, y upwards, within the frame.
        widths: of the names, in pixels.
        line: height of a name, in pixels.
        frame: width and height of what is drawn in, in pixels.

    Returns:
        (x, y) offsets in pixels, y upwards, in the order of the points.
    """
    offsets: dict[int, tuple[float, float]] = {}
    taken = [_box(x, y, line / 2, line / 2) for x, y in points]
    for i in sorted(range(len(points)), key=lambda i: (-points[i][1], points[i][0])):
        (x, y), width = points[i], widths[i]
        places = [(side * (width / 2 + _GAP), lines * line) for lines in _HEIGHTS for side in (1, -1)]
        boxes = [_box(x + right, y + up, width, line) for right, up in places]
        hidden = [sum(_overlap(box, other) for other in taken) + _outside(box, frame) for box in boxes]
        best = hidden.index(min(hidden))
        offsets[i] = places[best]
        taken.append(boxes[best])
    return [offsets[i] for i in range(len(points))]


def _box(x: float, y: float, width: float, height: float) -> Box:
    return x - width / 2, x + width / 2, y - height / 2, y + height / 2


def _outside(box: Box, frame: tuple[float, float]) -> float:
    """Return the area of a box that does not lie within the frame."""
    return _overlap(box, box) - _overlap(box, (0.0, frame[0], 0.0, frame[1]))


def _overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share."""
    wide = min(one[1], other[1]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[2], other[2])
    return max(wide, 0.0) * max(high, 0.0)
