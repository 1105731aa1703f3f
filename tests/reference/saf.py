"""SAF, written out in float64: METHODS 3.6, for softmax regression on normalised inputs. Symbols as there."""

import math

import numpy as np

from tests.reference.sgd import SGD
from tests.reference.softmax_regression import (
    cross_entropy_gradient,
    logits,
    mean_and_variance,
    normalised,
    parameter_gradient,
    softmax,
)


def kl(q, p):
    return sum(q[c] * (math.log(q[c]) - math.log(p[c])) for c in range(len(q)))


def trajectory(w, images, labels, epochs, *, num_classes, weight, tau, E, E_start, squared, **base):  # noqa: N803
    """Return w before the first and after every iteration, and the term of every iteration, None where there is none.

    `epochs[e]` is the list of the batches of epoch e, each a list of images; h has an entry for image and epoch.
    """
    sgd, ws, terms, h = SGD(**base), [np.asarray(w, dtype=np.float64)], [], {}
    factor = weight * (tau**2 if squared else 1.0)
    for e in range(len(epochs)):
        for batch in epochs[e]:
            b, w = len(batch), ws[-1]
            statistics = [mean_and_variance(list(images[batch, j])) for j in range(images.shape[1])]
            x = normalised(images[batch], [mean for mean, _ in statistics], [variance for _, variance in statistics])
            z = logits(w, x, num_classes)
            dz = cross_entropy_gradient(z, [labels[i] for i in batch])
            term = None
            if e > E_start and e - E >= 0:
                term = 0.0
                for k in range(b):
                    if (batch[k], e - E) not in h:
                        continue
                    q = softmax(h[batch[k], e - E] / tau)
                    p = softmax(z[k] / tau)
                    term += factor * kl(q, p) / b
                    for c in range(num_classes):
                        dz[k, c] += factor * (p[c] - q[c]) / (tau * b)
            terms.append(term)
            for k in range(b):
                h[batch[k], e] = z[k].copy()
            ws.append(sgd.step(w, parameter_gradient(dz, x)))
    return ws, terms
