"""The order of the trials at a rung, over several objectives and with their errors: docs/search.md."""

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from vsam_tune.analysis.pareto import dominates, error_table, loss_table


def rank(
    losses: ArrayLike, trial_numbers: ArrayLike, feasible: ArrayLike, errors: ArrayLike | None = None
) -> NDArray[np.intp]:
    """Return the rank of each row among those at a rung; 0 is best.

    Rows that are infeasible or not finite come last, by trial number. The others form layers: the undominated rows, the
    rows that are undominated without the first layer, and so on. With errors, domination is that of
    `pareto.dominates` with its default quantile; where it leaves no row undominated, all that are left form one layer.
    Inside a layer the best row of each objective comes first, then always the row that is farthest from those taken,
    each objective scaled by its spread over all feasible rows. Ties go to the lower trial number.

    choice: distances are Euclidean. A layer of one objective is ordered by its value: the farthest would be the worst.

    Args:
        losses: (n, k), smaller is better; n may be 0.
        trial_numbers: (n,) distinct integers.
        feasible: (n,) bool.
        errors: (n, k), standard errors of the losses, >= 0; infinite or nan where nothing is known. None for none.

    Returns:
        (n,) integers, a permutation of 0 to n - 1.

    Raises:
        ValueError: if the losses are no table, or the errors have another shape, or one is negative.
    """
    table = loss_table(losses)
    widths = np.zeros_like(table) if errors is None else error_table(errors, table)
    by_number = np.argsort(np.asarray(trial_numbers))
    good = (np.isfinite(table).all(axis=1) & np.asarray(feasible, dtype=np.bool_))[by_number]
    compared = by_number[good]
    order = np.concatenate([compared[_order(table[compared], widths[compared])], by_number[~good]])
    ranks = np.empty(len(table), dtype=np.intp)
    ranks[order] = np.arange(len(table))
    return ranks


def _order(losses: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the rows, best first.

    Args:
        losses: (m, k) finite, by trial number.
        errors: (m, k).
    """
    if len(losses) == 0:
        return np.empty(0, dtype=np.intp)
    # Without errors moocore's layers are the same, in less than m**2 steps.
    layers = _layers(dominates(losses, errors)) if errors.any() else moocore.pareto_rank(losses)
    if losses.shape[1] == 1:
        return np.lexsort((losses[:, 0], layers))
    spread = np.ptp(losses, axis=0)
    scaled = np.divide(losses - losses.min(axis=0), spread, out=np.zeros_like(losses), where=spread > 0)
    rows = [np.flatnonzero(layers == layer) for layer in range(layers.max() + 1)]
    return np.concatenate([each[_farthest_first(scaled[each])] for each in rows])


def _layers(dominating: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the layer of each row, 0 the best, peeled off a relation.

    Args:
        dominating: (m, m), [a, b] whether row a dominates row b.
    """
    layers = np.empty(len(dominating), dtype=np.intp)
    left = np.ones(len(dominating), dtype=np.bool_)
    num_dominating = dominating.sum(axis=0)
    layer = 0
    while left.any():
        free = left & (num_dominating == 0)
        peeled = free if free.any() else left.copy()  # only cycles, and rows that they dominate, are left
        layers[peeled] = layer
        left &= ~peeled
        num_dominating -= dominating[peeled].sum(axis=0)
        layer += 1
    return layers


def _farthest_first(scaled: NDArray[np.float64]) -> list[int]:
    """Return the rows of a layer: the best of each objective, each once, then the farthest from all taken ones.

    Args:
        scaled: (m, k), m >= 1, by trial number: the first of equals is taken.
    """
    order = list(dict.fromkeys(np.argmin(scaled, axis=0).tolist()))
    distances = np.min([((scaled - scaled[row]) ** 2).sum(axis=1) for row in order], axis=0)  # squared
    distances[order] = -1.0  # below that of a duplicate
    while len(order) < len(scaled):
        row = int(np.argmax(distances))
        order.append(row)
        distances = np.minimum(distances, ((scaled - scaled[row]) ** 2).sum(axis=1))
        distances[row] = -1.0
    return order
