"""AE-SAM, written out in float64: Jiang et al. 2023, arXiv 2304.14647; METHODS 3.8."""

import math

import numpy as np

from tests.reference.sam import perturbed
from tests.reference.sgd import SGD


class Rule:
    """delta, lambda1 (at the end), lambda2 (at the start), T; mu and sigma2 once there is an x."""

    def __init__(self, delta, lambda1, lambda2, T):  # noqa: N803 - T of the paper
        self.delta, self.lambda1, self.lambda2, self.T = delta, lambda1, lambda2, T
        self.mu = self.sigma2 = None
        self.thresholds = []

    def fires(self, x, t):
        if self.mu is None:
            self.mu, self.sigma2 = x, 0.0
        self.mu += (1 - self.delta) * (x - self.mu)
        self.sigma2 = self.delta * self.sigma2 + (1 - self.delta) * (x - self.mu) ** 2
        c = t / self.T * self.lambda1 + (1 - t / self.T) * self.lambda2
        self.thresholds.append(self.mu + c * math.sqrt(self.sigma2))
        return x >= self.thresholds[-1]


def squared_norm(g):
    x = 0.0
    for element in g:
        x += element * element
    return x


def trajectory(w, gradient, iterations, rho, rule, **base):
    """Return w before the first and after every iteration, and which iterations were SAM's."""
    sgd, ws, sampled = SGD(**base), [np.asarray(w, dtype=np.float64)], []
    for t in range(iterations):
        w = ws[-1]
        g1 = gradient(w, t)
        sampled.append(rule.fires(squared_norm(g1), t))
        ws.append(sgd.step(w, gradient(perturbed(w, g1, rho), t) if sampled[-1] else g1))
    return ws, sampled
