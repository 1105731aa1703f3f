"""vSAM, written out in float64: arXiv 2403.08821, eq. 8 to 17, in VSAM.md's form. Symbols as there.

`Controller` is eq. 8 to 15 (N, sigma, v, u), `trajectory` the whole method with a script of draws.
"""

import math

import numpy as np

from tests.reference.sam import perturbed
from tests.reference.sgd import SGD


def sigma_of(window, s):
    """Eq. 8: sort, cut into s nearly equal runs (the longer ones first), mean of the variances."""
    ordered = sorted(window)
    shortest, longer = divmod(len(ordered), s)
    variances, start = [], 0
    for i in range(s):
        stop = start + shortest + (1 if i < longer else 0)
        run = ordered[start:stop]
        mean = sum(run) / len(run)
        variances.append(sum((h - mean) ** 2 for h in run) / len(run))
        start = stop
    return sum(variances) / s


class Controller:
    def __init__(self, beta, s, t0, m, K, p0, p_max, change="relative"):  # noqa: N803 - K of the paper
        self.beta, self.s, self.t0, self.m, self.K, self.p0, self.p_max = beta, s, t0, m, K, p0, p_max
        self.change = change
        self.h, self.r, self.sigma, self.v, self.u = [], [], [], [], []  # over all samples, newest last
        self.N = p0 * K
        self.adaptation_start, self.guarded = None, 0

    def p(self):
        return self.p0 if self.adaptation_start is None else min(self.N / self.K, self.p_max)  # eq. 15

    def most_samples(self):
        return max(1, math.floor(self.p_max * self.K + 1e-9))

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
            recent = [r for r in self.r[-self.m :] if math.isfinite(r)]
            self.u.append(self.rate_of_change(self.r[-2], self.r[-1], 1e-6 * max(recent, default=0.0)))  # eq. 12
        if len(self.h) >= self.m:
            window = self.h[-self.m :]
            self.sigma.append(sigma_of(window, self.s))
            if len(self.sigma) >= 2:
                mean_square = sum(h * h for h in window) / self.m
                self.v.append(self.rate_of_change(self.sigma[-2], self.sigma[-1], 1e-12 * mean_square))  # eq. 9

    def end_interval(self, t, num_samples):
        if (t + 1) % self.K != 0:
            return
        if t + 1 >= self.t0 and num_samples > 0 and len(self.h) >= self.m + 1:
            v = sum(self.v[-self.m :]) / len(self.v[-self.m :])  # eq. 10
            u = sum(self.u[-self.m :]) / len(self.u[-self.m :])  # eq. 13
            N = self.N * (1 + self.beta * (v + u))  # noqa: N806 - eq. 14, N of the paper
            self.N = min(max(N, 1.0), self.p_max * self.K)
            if self.adaptation_start is None:
                self.adaptation_start = t + 1


def trajectory(w, gradient, draws, last, rho, kappa, controller, reuse="geometric", **base):
    """Return w before the first and after every iteration, and which iterations were sampled.

    `draws[t]` is the uniform number of iteration t, `last` the indices that h and q are taken over.
    """
    sgd, ws, sampled = SGD(**base), [np.asarray(w, dtype=np.float64)], []
    psf, age, num_samples = None, 0, 0
    for t in range(len(draws)):
        w = ws[-1]
        g = gradient(w, t)
        sampled.append(num_samples < controller.most_samples() and draws[t] < controller.p())
        if sampled[-1]:
            g_sam = gradient(perturbed(w, g, rho), t)
            psf, age = g_sam - g, 0
            controller.sample(math.sqrt(sum(psf[i] ** 2 for i in last)), math.sqrt(sum(g[i] ** 2 for i in last)))
            num_samples += 1
            d = g_sam  # eq. 16
        else:
            age += 1
            d = g
            if psf is not None and reuse != "none":
                d = g + (kappa**age if reuse == "geometric" else kappa) * psf  # eq. 17
        ws.append(sgd.step(w, d))
        controller.end_interval(t, num_samples)
        if (t + 1) % controller.K == 0:
            num_samples = 0
    return ws, sampled
