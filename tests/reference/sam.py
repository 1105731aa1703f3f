"""SAM, written out in float64: Foret et al. 2021, eq. 2 and algorithm 1; METHODS 1.3 and 3.2."""

import math

import numpy as np

from tests.reference.sgd import SGD


def perturbed(w, g, rho):
    """UP(w, g, rho) of METHODS 1.3: w + rho * g / (||g|| + tiny), element by element."""
    squares = 0.0
    for element in g:
        squares += element * element
    n = math.sqrt(squares)
    w_perturbed = np.empty_like(w)
    for i in range(len(w)):
        e = rho * g[i] / (n + 1e-12)
        w_perturbed[i] = w[i] + e
    return w_perturbed


def trajectory(w, gradient, iterations, rho, **base):
    """Return w before the first and after every iteration; `gradient(w, t)` is that of iteration t."""
    sgd, ws = SGD(**base), [np.asarray(w, dtype=np.float64)]
    for t in range(iterations):
        w = ws[-1]
        g1 = gradient(w, t)
        g2 = gradient(perturbed(w, g1, rho), t)
        ws.append(sgd.step(w, g2))
    return ws
