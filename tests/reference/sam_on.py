"""SAM-ON, written out in float64: METHODS 8.3. `normalisation` are the positions of its parameters in w."""

import math

import numpy as np

from tests.reference.sgd import SGD


def trajectory(w, gradient, iterations, rho, normalisation, **base):
    """Return w before the first and after every iteration; `gradient(w, t)` is that of iteration t."""
    sgd, ws = SGD(**base), [np.asarray(w, dtype=np.float64)]
    for t in range(iterations):
        w = ws[-1]
        g1 = gradient(w, t)
        n = math.sqrt(sum(g1[j] ** 2 for j in normalisation))
        w_perturbed = w.copy()
        for j in normalisation:
            w_perturbed[j] = w[j] + rho * g1[j] / (n + 1e-12)
        ws.append(sgd.step(w, gradient(w_perturbed, t)))
    return ws
