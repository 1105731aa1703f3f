"""F-SAM, written out in float64: Li et al. 2024; METHODS 8.6."""

import numpy as np

from tests.reference.sam import perturbed
from tests.reference.sgd import SGD


def trajectory(w, gradient, iterations, rho, sigma, decay, **base):
    """Return w before the first and after every iteration; `gradient(w, t)` is that of iteration t."""
    sgd, ws, m = SGD(**base), [np.asarray(w, dtype=np.float64)], None
    for t in range(iterations):
        w = ws[-1]
        g1 = gradient(w, t)
        d = g1.copy()
        if m is not None:
            for i in range(len(d)):
                d[i] = g1[i] - sigma * m[i]
        g2 = gradient(perturbed(w, d, rho), t)
        if m is None:
            m = g1.copy()  # as in nblt/F-SAM
        else:
            for i in range(len(m)):
                m[i] = decay * m[i] + (1 - decay) * g1[i]
        ws.append(sgd.step(w, g2))
    return ws
