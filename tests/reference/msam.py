"""MSAM, written out in float64: Becker et al. 2024; METHODS 8.1, with weight decay at the unperturbed weights."""

import math

import numpy as np

from tests.reference.sgd import SGD


def ahead(w, buf, rho):
    """w~ = w - rho * buf / (||buf|| + tiny), element by element; w where there is no buffer yet."""
    if buf is None:
        return w.copy()
    squares = 0.0
    for element in buf:
        squares += element * element
    w_ahead = np.empty_like(w)
    for i in range(len(w)):
        w_ahead[i] = w[i] - rho * buf[i] / (math.sqrt(squares) + 1e-12)
    return w_ahead


def trajectory(w, gradient, iterations, rho, **base):
    """Return w before the first and after every iteration; `gradient(w, t)` is that of iteration t."""
    sgd, ws = SGD(**base), [np.asarray(w, dtype=np.float64)]
    for t in range(iterations):
        w = ws[-1]
        buf = sgd.buf if sgd.mu else None  # torch keeps none without momentum
        d = gradient(ahead(w, buf, rho), t)
        ws.append(sgd.step(w, d))
    return ws
