"""ASAM, written out in float64: Kwon et al. 2021; METHODS 8.7."""

import math

import numpy as np

from tests.reference.sgd import SGD


def perturbed(w, g, rho, eta, is_weight):
    """Return w + rho * T^2 g / (||T g|| + tiny), element by element; T = |w| + eta where `is_weight`, else 1."""
    sizes, squares = [], 0.0
    for i in range(len(w)):
        sizes.append(abs(w[i]) + eta if is_weight[i] else 1.0)
        squares += (sizes[i] * g[i]) ** 2
    w_perturbed = np.empty_like(w)
    for i in range(len(w)):
        w_perturbed[i] = w[i] + rho * sizes[i] ** 2 * g[i] / (math.sqrt(squares) + 1e-12)
    return w_perturbed


def trajectory(w, gradient, iterations, rho, eta, is_weight, **base):
    """Return w before the first and after every iteration; `gradient(w, t)` is that of iteration t."""
    sgd, ws = SGD(**base), [np.asarray(w, dtype=np.float64)]
    for t in range(iterations):
        w = ws[-1]
        g1 = gradient(w, t)
        g2 = gradient(perturbed(w, g1, rho, eta, is_weight), t)
        ws.append(sgd.step(w, g2))
    return ws
