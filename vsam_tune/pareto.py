"""Front, hypervolume, reference point and knee of losses: SEARCH.md, "What a user asks of a front".

Every function takes losses, (n, k) float64: a row a trial, a column an objective, smaller is better; what is
to be maximised arrives negated. Losses of another shape, or not finite, are a ValueError: moocore would turn
them into plausible numbers.
"""

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

_MARGIN = 0.1  # of the range, or of the value where there is no range: SEARCH.md


def front(losses: ArrayLike) -> NDArray[np.bool_]:
    """Mark the rows that no other row dominates.

    Args:
        losses: (n, k) finite; n may be 0.

    Returns:
        (n,) bool. Equal rows do not dominate each other: all of them are kept.
    """
    marked: NDArray[np.bool_] = moocore.is_nondominated(_checked(losses), keep_weakly=True)
    return marked


def hypervolume(losses: ArrayLike, reference_point: ArrayLike) -> float:
    """Return the volume that the rows dominate, up to the reference point.

    Args:
        losses: (n, k) finite; n may be 0. Dominated rows change nothing.
        reference_point: (k,) finite, in the units of the losses.

    Returns:
        The volume in the product of the objectives' units, >= 0. A row that is not better than the reference
        point in every objective contributes nothing; no rows give 0.

    Raises:
        ValueError: if the reference point is not finite, or of another number of objectives.
    """
    checked = _checked(losses)
    corner = np.asarray(reference_point, dtype=np.float64)
    if corner.shape != checked.shape[1:] or not np.isfinite(corner).all():
        raise ValueError(f"the reference point is {corner}, but must be {checked.shape[1]} finite numbers")
    return float(moocore.hypervolume(checked, ref=corner))


def reference_point(losses: ArrayLike) -> NDArray[np.float64]:
    """Return the corner to measure the hypervolume from: the worst of each objective, made worse by 10 %.

    Args:
        losses: (n, k) finite, n >= 1.

    Returns:
        (k,) float64, worse than every row: the maximum plus 10 % of the range; where the range is 0, plus
        10 % of the absolute value, or plus 1 where that is 0 too.

    Raises:
        ValueError: if there are no rows.
    """
    checked = _checked(losses)
    if len(checked) == 0:
        raise ValueError("there are 0 rows of losses, but a reference point needs at least one")
    worst = checked.max(axis=0)
    margin = _MARGIN * np.ptp(checked, axis=0)
    margin = np.where(margin > 0, margin, _MARGIN * np.abs(worst))
    corner: NDArray[np.float64] = worst + np.where(margin > 0, margin, 1.0)
    return corner


def knee(losses: ArrayLike) -> int:
    """Return the row furthest from the line between the extremes of a front, on the side of the ideal.

    Each objective is scaled to [0, 1] over the rows; for k > 2 the line is the hyperplane through the k
    extremes.

    Args:
        losses: (n, k) finite, n >= 1, of a front, in the order of the trials' numbers.

    Returns:
        An index; the lowest on ties. With fewer than three rows both are extremes, and it is the first. On a
        front that bends away from the ideal nothing lies on its side, and it is an extreme.

    Raises:
        ValueError: if there are no rows.
    """
    checked = _checked(losses)
    if len(checked) == 0:
        raise ValueError("there are 0 rows of losses, but a knee needs at least one")
    if len(checked) < 3:
        return 0
    spread = np.ptp(checked, axis=0)
    varying = spread > 0  # a constant objective tells no point from another
    scaled = (checked[:, varying] - checked[:, varying].min(axis=0)) / spread[varying]
    # The signed distance from a plane is the projection on its normal, up to a constant and a scale.
    return int(np.argmin((scaled * _normal(scaled)).sum(axis=1)))


def _normal(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal of the hyperplane through the extremes, pointing away from the ideal.

    Args:
        scaled: (n, k), each objective in [0, 1] and reaching both.

    Returns:
        (k,) positive. choice: all ones, as for k = 2, where the extremes span no plane between the ideal and
        the worst: one point is best in two objectives, or they lie askew.
    """
    num_objectives = scaled.shape[1]
    diagonal = np.ones(num_objectives)
    if num_objectives < 3:
        return diagonal
    # The extreme of an objective is its best row; among equals the one that is best in the next objectives.
    orders = [np.roll(np.arange(num_objectives), -objective) for objective in range(num_objectives)]
    extremes = scaled[[np.lexsort(scaled.T[order][::-1])[0] for order in orders]]
    if np.linalg.matrix_rank(extremes) < num_objectives:
        return diagonal
    normal = np.linalg.solve(extremes, diagonal).astype(np.float64)  # the plane of all x with normal @ x = 1
    return normal if (normal > 0).all() else diagonal


def _checked(losses: ArrayLike) -> NDArray[np.float64]:
    """Return the losses as an array.

    Returns:
        (n, k) float64, contiguous, finite.

    Raises:
        ValueError: if they are not an (n, k) array of finite numbers, k >= 1.
    """
    array = np.ascontiguousarray(losses, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"the losses have the shape {array.shape}, but must be (n, k) with k >= 1")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ValueError(f"row {row} of the losses is {array[row]}, but must be finite")
    return array
