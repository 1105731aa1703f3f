"""RST, written out in float64: Zhao et al. 2022, arXiv 2203.09962; METHODS 8."""

import numpy as np

from tests.reference.sam import perturbed
from tests.reference.sgd import SGD


def trajectory(w, gradient, draws, probability, rho, schedule="constant", T=None, **base):  # noqa: N803 - T of METHODS
    """Return w before the first and after every iteration, and which iterations were SAM's.

    `draws[t]` is the uniform number of iteration t.
    """
    sgd, ws, sampled = SGD(**base), [np.asarray(w, dtype=np.float64)], []
    for t in range(len(draws)):
        w = ws[-1]
        p = probability if schedule == "constant" else probability * t / T
        g1 = gradient(w, t)
        sampled.append(draws[t] < p)
        ws.append(sgd.step(w, gradient(perturbed(w, g1, rho), t) if sampled[-1] else g1))
    return ws, sampled
