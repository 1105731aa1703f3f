"""Sequences of (h, q): how noisy a recorded one is, and what it becomes when it is shuffled or stretched."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from benchmarks.controller_replay import PHASES

Floats = NDArray[np.float64]

LAGS = (1, 5, 20)  # iterations
QUARTERS = 4

ORDERS: Mapping[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "in order": lambda norms, _draws: norms,
    "shuffled": lambda norms, draws: shuffled(norms, draws),
    "shuffled within quarters": lambda norms, draws: shuffled(norms, draws, parts=QUARTERS),
}


def shuffled(norms: Floats, draws: np.random.Generator, *, parts: int = 1) -> Floats:
    """Return the pairs in random order; with several parts, each part of the run in random order within itself.

    Args:
        norms: (T, 2), h and q of each iteration.
        draws: generator of the order.
        parts: consecutive parts of nearly equal length.
    """
    return np.concatenate([draws.permutation(part) for part in np.array_split(norms, parts)])


def stretched(norms: Floats, iterations: int, *, block: int, draws: np.random.Generator) -> Floats:
    """Return a longer sequence with the same trend and the same noise: a moving-block bootstrap (Künsch 1989).

    Each block of the result is a block of the record, in the record's order. Its position in the record is proportional
    to its position in the result, plus or minus one block at random.

    Args:
        norms: (T, 2), the record.
        iterations: length of the result.
        block: iterations of a block, at most T.
        draws: generator of the positions.

    Returns:
        (iterations, 2).
    """
    starts = np.arange(0, iterations, block)
    positions = starts * len(norms) // iterations + draws.integers(-block, block + 1, len(starts))
    positions = np.clip(positions, 0, len(norms) - block)
    return np.asarray(norms[(positions[:, None] + np.arange(block)).ravel()][:iterations])


def residuals(values: Floats, window: int) -> Floats:
    """Return the logarithms minus their trend: a centred moving mean over `window` values, an odd number."""
    logs = np.log(values)
    return np.asarray(logs - uniform_filter1d(logs, window, mode="nearest"))


def autocorrelation(values: Floats, lag: int) -> float:
    """Return the correlation of a sequence with itself, `lag` values later."""
    return float(np.corrcoef(values[:-lag], values[lag:])[0, 1])


def noise_rows(norms: Floats, window: int) -> list[dict[str, str]]:
    """Return a row for h, q and h/q: the spread of the noise, of the run and by phase, and its autocorrelation.

    Args:
        norms: (T, 2), h and q of each iteration, positive.
        window: of the trend, see `residuals`.
    """
    h, q = norms.T
    return [_noise_row(name, residuals(values, window)) for name, values in (("h", h), ("q", q), ("h/q", h / q))]


def _noise_row(name: str, noise: Floats) -> dict[str, str]:
    phases = {
        f"spread, {phase}": f"{noise[round(low * len(noise)) : round(high * len(noise))].std():.3f}"
        for phase, (low, high) in PHASES.items()
    }
    lags = {f"lag {lag}": f"{autocorrelation(noise, lag):+.3f}" for lag in LAGS}
    return {"norm": name, "spread": f"{noise.std():.3f}", **phases, **lags}
