"""ESAM on several workers, written out in float64: METHODS 1.7 and 3.5. SAM is beta = gamma = 1 with all active."""

import math

import numpy as np

from tests.reference.esam import selected
from tests.reference.sgd import SGD


def trajectory(w, losses, gradient, workers, tensors, active, rho, beta, gamma, *, local, **base):
    """Return w before the first and after every iteration.

    `losses(w, t, r)` are those of the samples of worker r in iteration t, `gradient(w, t, r, samples)` that of their
    mean, over all of them without the last argument; `tensors` the positions of each tensor in w, `active[t]` a truth
    value for each. A worker perturbs along its own gradient if `local`, else along the average.
    """
    sgd, ws = SGD(**base), [np.asarray(w, dtype=np.float64)]
    for t in range(len(active)):
        w = ws[-1]
        A = [j for positions, is_active in zip(tensors, active[t], strict=True) if is_active for j in positions]  # noqa: N806
        first = [gradient(w, t, r) for r in workers]
        average = sum(first) / len(first)
        second = []
        for r in workers:
            g1 = first[r] if local else average
            n = math.sqrt(sum(g1[j] ** 2 for j in A))
            w_perturbed = w.copy()
            for j in A:
                w_perturbed[j] = w[j] + (rho / beta) * g1[j] / (n + 1e-12)
            l, l_perturbed = losses(w, t, r), losses(w_perturbed, t, r)  # noqa: E741 - l of METHODS
            S = selected([l_perturbed[i] - l[i] for i in range(len(l))], gamma)  # noqa: N806
            second.append(gradient(w_perturbed, t, r, S))
        ws.append(sgd.step(w, sum(second) / len(second)))
    return ws
