"""LookSAM, written out in float64: Liu et al. 2022, arXiv 2203.02714; METHODS 3.4."""

import math

import numpy as np

from tests.reference.sam import perturbed
from tests.reference.sgd import SGD


def inner(a, b):
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


def norm(a):
    return math.sqrt(inner(a, a))


def direction(g1, g2):
    """Return u = gv / ||gv||, gv = g2 - ||g2|| cos(theta) g1 / ||g1||; 0 where gv is rounding alone."""
    n1, n2 = norm(g1), norm(g2)
    if n1 == 0.0:
        return np.zeros_like(g1)
    cos = inner(g1, g2) / (n1 * n2)
    gv = np.empty_like(g1)
    for i in range(len(g1)):
        gv[i] = g2[i] - n2 * cos * g1[i] / n1
    if norm(gv) <= 1e-12 * n2:
        return np.zeros_like(g1)
    return gv / norm(gv)


def reused(g1, u, alpha):
    """Return g1 + alpha * ||g1|| * u."""
    d = np.empty_like(g1)
    n1 = norm(g1)
    for i in range(len(g1)):
        d[i] = g1[i] + alpha * n1 * u[i]
    return d


def trajectory(w, gradient, iterations, rho, period, alpha, **base):
    """Return w before the first and after every iteration; `gradient(w, t)` is that of iteration t."""
    sgd, ws = SGD(**base), [np.asarray(w, dtype=np.float64)]
    u = np.zeros_like(ws[0])
    for t in range(iterations):
        w = ws[-1]
        g1 = gradient(w, t)
        if t % period == 0:
            g2 = gradient(perturbed(w, g1, rho), t)
            u = direction(g1, g2)
            d = g2
        else:
            d = reused(g1, u, alpha)
        ws.append(sgd.step(w, d))
    return ws
