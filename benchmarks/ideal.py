"""The ideal cost of an iteration: a sum of parts with measured times, in units of SGD's iteration."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Times of parts over SGD's, in a method's rounds; arrays of one shape, with an element per resample of the rounds.

    Attributes:
        fraction: share of sampled iterations.
        sam: an iteration of SAM.
        evaluation: one forward and backward pass.
        forward: one forward pass without gradient.
    """

    fraction: float
    sam: NDArray[np.float64]
    evaluation: NDArray[np.float64]
    forward: NDArray[np.float64]


Ideal = Callable[[Parts], NDArray[np.float64]]


def linear(parts: Parts) -> NDArray[np.float64]:
    """Return (1 - f) * SGD + f * SAM, where f is the sampled fraction: sampling and reuse are free."""
    return (1 - parts.fraction) + parts.fraction * parts.sam


def passes(evaluations: float, forwards: float = 0.0) -> Ideal:
    """Return the ideal of an iteration of SGD with additional passes.

    Args:
        evaluations: gradient evaluations, in fractions by their arithmetic; SGD's iteration has 1.
        forwards: forward passes without a backward pass.
    """
    return lambda parts: 1 + (evaluations - 1) * parts.evaluation + forwards * parts.forward
