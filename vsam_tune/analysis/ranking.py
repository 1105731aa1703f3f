"""The order of the trials at a rung, over several objectives and with their errors: docs/search.md."""

from collections.abc import Iterator

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from vsam_tune.analysis.pareto import dominates, error_table, loss_table


class Ranking:
    """The rows at a rung, best first; only those layers are ordered that somebody asks for.

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

    Raises:
        ValueError: if the losses are no table, or the errors have another shape, or one is negative.
    """

    def __init__(
        self, losses: ArrayLike, trial_numbers: ArrayLike, feasible: ArrayLike, errors: ArrayLike | None = None
    ) -> None:
        table = loss_table(losses)
        widths = np.zeros_like(table) if errors is None else error_table(errors, table)
        by_number = np.argsort(np.asarray(trial_numbers))
        good = (np.isfinite(table).all(axis=1) & np.asarray(feasible, dtype=np.bool_))[by_number]
        self._compared, self._last = by_number[good], by_number[~good]
        self._losses = table[self._compared]
        self._layer_of = _layers_of(self._losses, widths[self._compared])
        self._sizes = np.bincount(self._layer_of)
        spread = np.ptp(self._losses, axis=0) if len(self._losses) else np.ones(table.shape[1])
        lowest = self._losses.min(axis=0, initial=np.inf)
        self._scaled = np.divide(self._losses - lowest, spread, out=np.zeros_like(self._losses), where=spread > 0)

    def __iter__(self) -> Iterator[int]:
        """Yield the rows, best first."""
        for layer in range(len(self._sizes)):
            yield from self._ordered(layer).tolist()
        yield from self._last.tolist()

    def place(self, row: int) -> int:
        """Return the rank of a row; 0 is best."""
        found = np.flatnonzero(self._compared == row)
        if not len(found):
            return len(self._compared) + int(np.flatnonzero(self._last == row)[0])
        layer = int(self._layer_of[found[0]])
        inside = int(np.flatnonzero(self._ordered(layer) == row)[0])
        return int(self._sizes[:layer].sum()) + inside

    def _ordered(self, layer: int) -> NDArray[np.intp]:
        rows = np.flatnonzero(self._layer_of == layer)
        if self._losses.shape[1] == 1:
            order = np.argsort(self._losses[rows, 0], kind="stable")
        else:
            order = np.array(_farthest_first(self._scaled[rows]), dtype=np.intp)
        ordered: NDArray[np.intp] = self._compared[rows[order]]
        return ordered


def rank(
    losses: ArrayLike, trial_numbers: ArrayLike, feasible: ArrayLike, errors: ArrayLike | None = None
) -> NDArray[np.intp]:
    """Return the rank of each row among those at a rung, in the order of `Ranking`; 0 is best.

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
    order = list(Ranking(losses, trial_numbers, feasible, errors))
    ranks = np.empty(len(order), dtype=np.intp)
    ranks[order] = np.arange(len(order))
    return ranks


def _layers_of(losses: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the layer of each row, 0 the best.

    Args:
        losses: (m, k) finite.
        errors: (m, k).
    """
    if not len(losses):
        return np.empty(0, dtype=np.intp)
    # Without errors moocore's layers are the same, in less than m**2 steps.
    layers = _layers(dominates(losses, errors)) if errors.any() else moocore.pareto_rank(losses)
    return np.asarray(layers, dtype=np.intp)


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
