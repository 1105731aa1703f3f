"""SAM-k, written out in float64: METHODS 3.3."""

import numpy as np

from tests.reference.sam import perturbed
from tests.reference.sgd import SGD


def trajectory(w, gradient, iterations, rho, period, offset=0, **base):
    """Return w before the first and after every iteration; `gradient(w, t)` is that of iteration t."""
    sgd, ws = SGD(**base), [np.asarray(w, dtype=np.float64)]
    for t in range(iterations):
        w = ws[-1]
        d = gradient(w, t)
        if t >= offset and (t - offset) % period == 0:
            d = gradient(perturbed(w, d, rho), t)
        ws.append(sgd.step(w, d))
    return ws
