"""vSAM, written out in float64: arXiv 2403.08821, eq. 8 to 17, as its authors ran it (docs/vsam.md). Symbols as there.

`Controller` decides which iterations are sampled (eq. 8 to 15); `trajectory` is the whole method with a script of u.
"""

import math

import numpy as np

from tests.reference.sam import perturbed
from tests.reference.sgd import SGD


def sigma_of(window, s):
    """Eq. 8: sort, cut into s runs of floor(K / s) values, leave the rest out, mean of the variances (n - 1)."""
    if not all(map(math.isfinite, window)):
        return math.nan
    ordered, run = sorted(window), len(window) // s
    variances = []
    for i in range(s):
        values = ordered[i * run : (i + 1) * run]
        mean = sum(values) / run
        variances.append(sum((h - mean) ** 2 for h in values) / (run - 1))
    return sum(variances) / s


def clipped_mean(changes):
    """Eq. 10 and 13: the mean of the last changes, clipped to [-1, 1]; 0 where there is none."""
    return min(max(sum(changes) / len(changes), -1.0), 1.0) if changes else 0.0


class Controller:
    def __init__(self, beta, s, t0, K, p_max, change="relative"):  # noqa: N803 - K of the paper
        self.beta, self.s, self.t0, self.K, self.change = beta, s, t0, K, change
        self.most = max(1, math.floor(p_max * K + 1e-9))
        self.h, self.r, self.sigma, self.v, self.u = [], [], [], [], []  # over all samples, newest last
        self.N, self.count = 1.0, 1 if t0 else 0
        self.adaptation_start, self.guarded = None, 0

    def is_sampled(self, t, u_of):
        if t < self.t0:
            return True
        j = t - self.t0 + 1 if self.t0 else t
        if j % self.K == 0:
            self.adapt(t)
            self.count = 0
        left = self.K - j % self.K
        most = math.floor(self.N + 1e-9)
        sampled = (self.count < most and u_of(t) >= 1 - self.N / self.K) or left <= most - self.count
        self.count += sampled
        return sampled

    def adapt(self, t):
        if not self.u:
            return
        v, u = clipped_mean(self.v[-(self.K - 1) :]), clipped_mean(self.u[-(self.K - 1) :])
        self.N = min(max(self.N * (1 + self.beta * u + self.beta * v), 1.0), self.most)  # eq. 14
        if self.adaptation_start is None:
            self.adaptation_start = t

    def rate_of_change(self, old, new, smallest):
        defined = math.isfinite(old) and math.isfinite(new) and old > smallest
        if defined and self.change == "relative":
            return (new - old) / old
        if defined and new > smallest:
            return math.log(new / old)
        self.guarded += 1
        return 0.0

    def sample(self, h, q):
        self.h.append(h)
        self.r.append(h / q if q > 0 and math.isfinite(q) else math.nan)  # eq. 11
        if len(self.r) >= 2:
            recent = [r for r in self.r[-self.K :] if math.isfinite(r)]
            self.u.append(self.rate_of_change(self.r[-2], self.r[-1], 1e-6 * max(recent, default=0.0)))  # eq. 12
        if len(self.h) >= self.K:
            window = self.h[-self.K :]
            self.sigma.append(sigma_of(window, self.s))
            if len(self.sigma) >= 2:
                mean_square = sum(h * h for h in window) / self.K
                self.v.append(self.rate_of_change(self.sigma[-2], self.sigma[-1], 1e-12 * mean_square))  # eq. 9


def trajectory(w, gradient, u_of, iterations, last, rho, kappa, controller, max_age=6, reuse=True, **base):
    """Return w before the first and after every iteration, which iterations were sampled, and N after each.

    `u_of(t)` is the uniform number of iteration t, `last` the indices that h and q are taken over.
    """
    sgd, ws, sampled, expected = SGD(**base), [np.asarray(w, dtype=np.float64)], [], []
    psf, age = None, 0
    for t in range(iterations):
        w = ws[-1]
        g = gradient(w, t)
        sampled.append(controller.is_sampled(t, u_of))
        if sampled[-1]:
            g_sam = gradient(perturbed(w, g, rho), t)
            psf, age = g_sam - g, 0
            controller.sample(math.sqrt(sum(psf[i] ** 2 for i in last)), math.sqrt(sum(g[i] ** 2 for i in last)))
            d = g_sam  # eq. 16
        else:
            age += 1
            d = g
            if psf is not None and reuse and age <= max_age:
                d = g + kappa**age * psf  # eq. 17
        ws.append(sgd.step(w, d))
        expected.append(controller.N)
    return ws, sampled, expected
