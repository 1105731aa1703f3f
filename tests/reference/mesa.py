"""MESA, written out in float64: METHODS 3.7, for softmax regression on normalised inputs. Symbols as there."""

import numpy as np

from tests.reference.saf import kl
from tests.reference.sgd import SGD
from tests.reference.softmax_regression import (
    cross_entropy_gradient,
    logits,
    mean_and_variance,
    normalised,
    parameter_gradient,
    softmax,
)

RUNNING = 0.1  # how far running statistics move towards those of a batch


def trajectory(w, images, labels, epochs, *, num_classes, weight, tau, beta_ema, E_start, squared, **base):  # noqa: N803
    """Return w and v before the first and after every iteration, and the term of every iteration, None for none.

    `epochs[e]` is the list of the batches of epoch e, each a list of images.
    """
    D = images.shape[1]  # noqa: N806 - of the equations
    w = np.asarray(w, dtype=np.float64)
    sgd, ws, vs, terms = SGD(**base), [w], [w.copy()], []
    mean_w, variance_w = [0.0] * D, [1.0] * D  # the running statistics, of the model and of its average
    mean_v, variance_v = [0.0] * D, [1.0] * D
    factor = weight * (tau**2 if squared else 1.0)
    for e in range(len(epochs)):
        for batch in epochs[e]:
            b, w, v = len(batch), ws[-1], vs[-1]
            statistics = [mean_and_variance(list(images[batch, j])) for j in range(D)]
            x = normalised(images[batch], [mean for mean, _ in statistics], [variance for _, variance in statistics])
            for j in range(D):
                mean, variance = statistics[j]
                mean_w[j] = (1 - RUNNING) * mean_w[j] + RUNNING * mean
                variance_w[j] = (1 - RUNNING) * variance_w[j] + RUNNING * variance * b / (b - 1)
            z = logits(w, x, num_classes)
            dz = cross_entropy_gradient(z, [labels[i] for i in batch])
            term = None
            if e > E_start:
                term = 0.0
                zv = logits(v, normalised(images[batch], mean_v, variance_v), num_classes)
                for k in range(b):
                    q = softmax(zv[k] / tau)
                    p = softmax(z[k] / tau)
                    term += factor * kl(q, p) / b
                    for c in range(num_classes):
                        dz[k, c] += factor * (p[c] - q[c]) / (tau * b)
            terms.append(term)
            w = sgd.step(w, parameter_gradient(dz, x))
            ws.append(w)
            vs.append(np.array([beta_ema * v[i] + (1 - beta_ema) * w[i] for i in range(len(w))]))
            for j in range(D):
                mean_v[j] = beta_ema * mean_v[j] + (1 - beta_ema) * mean_w[j]
                variance_v[j] = beta_ema * variance_v[j] + (1 - beta_ema) * variance_w[j]
    return ws, vs, terms
