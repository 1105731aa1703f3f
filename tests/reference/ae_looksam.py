"""AE-LookSAM, written out in float64: Jiang et al. 2023, arXiv 2304.14647; METHODS 3.9."""

import numpy as np

from tests.reference.ae_sam import squared_norm
from tests.reference.looksam import direction, reused
from tests.reference.sam import perturbed
from tests.reference.sgd import SGD


def trajectory(w, gradient, iterations, rho, alpha, rule, **base):
    """Return w before the first and after every iteration, and which iterations were SAM's."""
    sgd, ws, sampled = SGD(**base), [np.asarray(w, dtype=np.float64)], []
    u = np.zeros_like(ws[0])
    for t in range(iterations):
        w = ws[-1]
        g1 = gradient(w, t)
        sampled.append(rule.fires(squared_norm(g1), t))
        if sampled[-1]:
            g2 = gradient(perturbed(w, g1, rho), t)
            u = direction(g1, g2)
            d = g2
        else:
            d = reused(g1, u, alpha)
        ws.append(sgd.step(w, d))
    return ws, sampled
