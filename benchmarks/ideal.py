"""What an iteration should cost: sums of parts that are timed beside it, in iterations of SGD."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Times over SGD's, of a method's rounds; arrays of one shape, an element for each resample of the rounds.

    Attributes:
        fraction: sampled iterations over all.
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
    """Return (1 - f) * SGD + f * SAM, f the sampled fraction: neither sampling nor reuse costs anything."""
    return (1 - parts.fraction) + parts.fraction * parts.sam


def passes(evaluations: float, forwards: float = 0.0) -> Ideal:
    """Return the ideal of an iteration of SGD with more passes.

    Args:
        evaluations: gradient evaluations, parts of one counted by their arithmetic; SGD's iteration has 1.
        forwards: forward passes without a backward.
    """
    return lambda parts: 1 + (evaluations - 1) * parts.evaluation + forwards * parts.forward
