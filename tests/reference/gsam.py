"""GSAM, written out in float64: Zhuang et al. 2022; METHODS 8.8."""

import numpy as np

from tests.reference.sam import perturbed
from tests.reference.sgd import SGD


def descent(g1, g2, alpha):
    """Return d = g2 - alpha * g_perp, g_perp = g1 - (<g1, g2> / ||g2||^2) g2."""
    inner = squares = 0.0
    for one, two in zip(g1, g2, strict=True):
        inner += one * two
        squares += two * two
    d = np.empty_like(g2)
    for i in range(len(g2)):
        g_perp = g1[i] - inner / squares * g2[i]
        d[i] = g2[i] - alpha * g_perp
    return d


def trajectory(w, gradient, lrs, rho, rho_min, alpha, **base):
    """Return w before the first and after every iteration; `lrs[t]` is the learning rate of iteration t."""
    sgd, ws = SGD(lr=lrs[0], **base), [np.asarray(w, dtype=np.float64)]
    for t in range(len(lrs)):
        sgd.lr = lrs[t]
        rho_t = rho_min + (rho - rho_min) * lrs[t] / lrs[0]
        w = ws[-1]
        g1 = gradient(w, t)
        g2 = gradient(perturbed(w, g1, rho_t), t)
        ws.append(sgd.step(w, descent(g1, g2, alpha)))
    return ws
