"""torch's SGD, written out in float64: METHODS 1.2. `w` is the vector of all parameters."""

import numpy as np


class SGD:
    def __init__(self, lr, momentum=0.0, weight_decay=0.0, nesterov=False):
        self.lr, self.mu, self.wd, self.nesterov = lr, momentum, weight_decay, nesterov
        self.buf = None

    def step(self, w, d):
        """Return w after one step along the descent gradient d, taken at the unperturbed w."""
        d = d + self.wd * w
        self.buf = d.copy() if self.buf is None else self.mu * self.buf + d
        return w - self.lr * (d + self.mu * self.buf if self.nesterov else self.buf)


def trajectory(w, gradient, iterations, **base):
    """Return w before the first and after every iteration; `gradient(w, t)` is that of iteration t."""
    sgd, ws = SGD(**base), [np.asarray(w, dtype=np.float64)]
    for t in range(iterations):
        ws.append(sgd.step(ws[-1], gradient(ws[-1], t)))
    return ws
