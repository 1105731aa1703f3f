"""Front, hypervolume, reference point and knee of losses, and which differ beyond noise: docs/search.md.

Every function takes losses, (n, k) float64: a row a trial, a column an objective, smaller is better; what is
to be maximised arrives negated. Losses of another shape, or not finite, are a ValueError: moocore would turn
them into plausible numbers.
"""

from functools import cache

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

PAIRWISE = 1.96  # standard errors: of two equal rows 5 % differ by more in an objective
_LEVEL = 0.05  # of a whole front: how often noise alone may exclude anything
_MARGIN = 0.1  # of the range, or of the value where there is no range


def loss_table(losses: ArrayLike) -> NDArray[np.float64]:
    """Return the losses as an array, (n, k) float64, contiguous, finite or not.

    Raises:
        ValueError: if they are not an (n, k) array, k >= 1.
    """
    array = np.ascontiguousarray(losses, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"the losses have the shape {array.shape}, but must be (n, k) with k >= 1")
    return array


def error_table(errors: ArrayLike, losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard errors of losses as an array, (n, k) float64; nan and infinity stay.

    Raises:
        ValueError: if they have another shape than the losses, or one is negative.
    """
    array = np.asarray(errors, dtype=np.float64)
    if array.shape != losses.shape:
        raise ValueError(f"the errors have the shape {array.shape}, but must have that of the losses, {losses.shape}")
    if (array < 0).any():
        row = int(np.flatnonzero((array < 0).any(axis=1))[0])
        raise ValueError(f"row {row} of the errors is {array[row]}, but must not be negative")
    return array


def front(losses: ArrayLike) -> NDArray[np.bool_]:
    """Mark the rows that no other row dominates.

    Args:
        losses: (n, k) finite; n may be 0.

    Returns:
        (n,) bool. Equal rows do not dominate each other: all of them are kept.
    """
    marked: NDArray[np.bool_] = moocore.is_nondominated(_checked(losses), keep_weakly=True)
    return marked


def dominates(
    losses: ArrayLike, errors: ArrayLike, better: float = PAIRWISE, worse: float = PAIRWISE
) -> NDArray[np.bool_]:
    """Return which rows dominate which others beyond noise.

    The error of the difference of two rows in an objective is sqrt(error_a**2 + error_b**2). Row a dominates b if it is
    better by more than `better` such errors in some objective, and worse by more than `worse` in none. Without errors
    this is plain domination. No two rows dominate each other, but the relation is not transitive: there are cycles.

    Args:
        losses: (n, k) finite; n may be 0.
        errors: (n, k), standard errors of the losses, >= 0; infinite or nan where nothing is known.
        better: standard errors that a gain must exceed; a larger one excludes less.
        worse: standard errors that a loss must exceed to count, at most `better`; a larger one excludes more.

    Returns:
        (n, n) bool, [a, b] whether row a dominates row b; takes a few times n**2 numbers of memory.

    Raises:
        ValueError: if the errors have another shape than the losses, or one is negative.
    """
    checked = _checked(losses)
    widths = error_table(errors, checked)
    gains = np.zeros((len(checked), len(checked)), dtype=np.bool_)
    losing = gains.copy()
    for loss, error in zip(checked.T, widths.T, strict=True):
        gain = loss[np.newaxis, :] - loss[:, np.newaxis]  # of row a over row b
        width = np.hypot(error[np.newaxis, :], error[:, np.newaxis])
        gains |= gain > better * width
        losing |= -gain > worse * width
    return gains & ~losing


def front_quantile(errors: ArrayLike) -> float:
    """Return by how many standard errors of a difference a row must be better to exclude another from a front.

    choice: Tukey's studentized range over all rows, corrected for the number of noisy objectives (Bonferroni): of rows
    that differ by noise alone, one excludes another in at most 5 % of fronts. With `PAIRWISE` one does in most fronts
    of a dozen rows. Errors of unlike size (Tukey and Kramer), or in common to all rows, make it rarer.

    Args:
        errors: (n, k), standard errors of the losses; an objective without any is not noisy.

    Returns:
        A number of standard errors of a difference; `PAIRWISE` where there is nothing to correct for.
    """
    array = np.asarray(errors, dtype=np.float64)
    num_noisy = int((array != 0).any(axis=0).sum())
    return _studentized_range(len(array), num_noisy) if len(array) > 1 and num_noisy else PAIRWISE


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


@cache
def _studentized_range(num_rows: int, num_noisy: int) -> float:
    """Return the quantile of the largest of all differences between equal rows, in any of the noisy objectives.

    choice: `scipy.stats.studentized_range` has it, but takes half a second to import, as long as all else that `front`
    imports; a test compares the two. The range of n standard normals is at most q with the probability
    n * integral of phi(z) (Phi(z) - Phi(z - q))^(n - 1) over z, the largest of them. The trapezoidal rule
    converges at once for such an integrand.
    """
    from scipy.special import ndtr  # noqa: PLC0415 - most callers of this module need no quantile

    z, spacing = np.linspace(-9, 9, 721, retstep=True)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    low, high = 0.0, 60.0
    for _ in range(60):  # bisection
        middle = (low + high) / 2
        inside = num_rows * spacing * (density * (ndtr(z) - ndtr(z - middle)) ** (num_rows - 1)).sum()
        low, high = (middle, high) if inside < 1 - _LEVEL / num_noisy else (low, middle)
    return float(high / np.sqrt(2))  # in errors of a difference, each sqrt(2) times as large as one row's


def _checked(losses: ArrayLike) -> NDArray[np.float64]:
    """Return the losses as an array, (n, k) float64, contiguous, finite.

    Raises:
        ValueError: if they are not an (n, k) array of finite numbers, k >= 1.
    """
    array = loss_table(losses)
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ValueError(f"row {row} of the losses is {array[row]}, but must be finite")
    return array
