"""Names of points: where they are put, and that they hide nothing where there is room."""

from hypothesis import given
from hypothesis import strategies as st

from dashboards.figures.labels import place_labels

LINE, FRAME = 10.0, (1000.0, 1000.0)


def boxes(points, widths, offsets):
    """Return (left, right, bottom, top) of each name."""
    return [
        (x + right - width / 2, x + right + width / 2, y + up - LINE / 2, y + up + LINE / 2)
        for (x, y), width, (right, up) in zip(points, widths, offsets, strict=True)
    ]


def apart(one, other):
    return one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]


def test_a_name_alone_stands_to_the_upper_right_of_its_point():
    assert place_labels([(500.0, 500.0)], [40.0], LINE, FRAME) == [(24.0, 6.0)]
    assert place_labels([], [], LINE, FRAME) == []


def test_at_the_right_edge_a_name_stands_to_the_left():
    ((right, _),) = place_labels([(990.0, 500.0)], [40.0], LINE, FRAME)
    assert right == -24.0


def test_names_of_one_place_do_not_hide_each_other():
    points, widths = [(500.0, 500.0)] * 6, [40.0] * 6
    found = boxes(points, widths, place_labels(points, widths, LINE, FRAME))
    assert all(apart(found[i], found[j]) for i in range(6) for j in range(i))


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), unique=True, max_size=16))
def test_names_with_room_around_hide_neither_names_nor_points(cells):
    points = [(200.0 * x, 200.0 * y) for x, y in cells]
    widths = [60.0] * len(points)
    found = boxes(points, widths, place_labels(points, widths, LINE, FRAME))
    assert all(apart(found[i], found[j]) for i in range(len(points)) for j in range(i))
    assert all(apart(box, (x, x, y, y)) for box in found for x, y in points)


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1000)), max_size=12))
def test_places_do_not_depend_on_the_order_of_different_points(points):
    points = list(dict.fromkeys(points))
    widths = [40.0] * len(points)
    straight = dict(zip(points, place_labels(points, widths, LINE, FRAME), strict=True))
    turned = dict(zip(points[::-1], place_labels(points[::-1], widths, LINE, FRAME), strict=True))
    assert straight == turned
