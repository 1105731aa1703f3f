"""ESAM, written out in float64: METHODS 3.5, in the form of the authors' code. Symbols as there."""

import math

import numpy as np

from tests.reference.sgd import SGD


def selected(D, gamma):  # noqa: N803 - D of METHODS
    """Return S: the samples of the k largest D, k = max(1, floor(gamma*b + 1e-9)), ties by the lower index."""
    k = max(1, math.floor(gamma * len(D) + 1e-9))
    left, S = list(range(len(D))), []  # noqa: N806 - S of METHODS
    for _ in range(k):
        best = left[0]
        for i in left:
            if D[i] > D[best]:
                best = i
        S.append(best)
        left.remove(best)
    return sorted(S)


def trajectory(w, losses, gradient, tensors, active, iterations, rho, beta, gamma, **base):
    """Return w before the first and after every iteration.

    `losses(w, t)` are those of the samples of iteration t, `gradient(w, t, samples)` that of their mean, over all
    samples without the last argument; `tensors` the positions of each tensor in w, `active[t]` a truth value for each.
    """
    sgd, ws = SGD(**base), [np.asarray(w, dtype=np.float64)]
    for t in range(iterations):
        w = ws[-1]
        g1 = gradient(w, t)
        A = [j for positions, is_active in zip(tensors, active[t], strict=True) if is_active for j in positions]  # noqa: N806
        n = math.sqrt(sum(g1[j] ** 2 for j in A))
        w_perturbed = w.copy()
        for j in A:
            w_perturbed[j] = w[j] + (rho / beta) * g1[j] / (n + 1e-12)
        l, l_perturbed = losses(w, t), losses(w_perturbed, t)  # noqa: E741 - l of METHODS
        D = [l_perturbed[i] - l[i] for i in range(len(l))]  # noqa: N806
        S = list(range(len(l))) if gamma == 1 else selected(D, gamma)  # noqa: N806
        ws.append(sgd.step(w, gradient(w_perturbed, t, S)))
    return ws
