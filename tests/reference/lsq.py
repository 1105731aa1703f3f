"""LSQ, written out in float64: Esser et al. 2020, sections 2 to 2.3; METHODS 4.1 to 4.3."""

import math

import numpy as np

from tests.reference.sam import perturbed
from tests.reference.sgd import SGD

WEIGHT = (-8, 7)  # 4 bit signed
FIRST_INPUT = (-8, 7)  # normalised images
LATER_INPUT = (0, 15)  # 4 bit unsigned: after ReLU


def initial_step(v, high):
    """2 * mean(|v|) / sqrt(Qp); 1 where all values are 0."""
    total = 0.0
    for element in v.flat:
        total += abs(element)
    mean = total / v.size
    return 2 * mean / math.sqrt(high) if mean > 0 else 1.0


def quantize(v, s, low, high):
    """v_bar and v_hat of each element; Python's round is half to even."""
    s = max(s, 1e-8)
    v_bar, v_hat = np.empty_like(v), np.empty_like(v)
    for i in np.ndindex(v.shape):
        v_bar[i] = round(min(max(v[i] / s, low), high))
        v_hat[i] = v_bar[i] * s
    return v_bar, v_hat


def gradients(v, s, low, high, upstream, n):
    """dL/dv and dL/ds, from dL/dv_hat; n values share the step."""
    s = max(s, 1e-8)
    dv, ds = np.zeros_like(v), 0.0
    for i in np.ndindex(v.shape):
        r = v[i] / s
        if r <= low:
            ds += upstream[i] * low
        elif r >= high:
            ds += upstream[i] * high
        else:
            dv[i] = upstream[i]
            ds += upstream[i] * (round(r) - r)
    return dv, ds / math.sqrt(n * high)


def layer(x, w, b):
    """y[k] = sum over j of w[k, j] x[j] + b[k], for each sample."""
    y = np.empty((len(x), len(w)))
    for i in range(len(x)):
        for k in range(len(w)):
            y[i, k] = b[k]
            for j in range(x.shape[1]):
                y[i, k] += w[k, j] * x[i, j]
    return y


def layer_gradients(x, w, dy):
    """dL/dx, dL/dw, dL/db, from dL/dy."""
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros(len(w))
    for i in range(len(x)):
        for k in range(len(w)):
            db[k] += dy[i, k]
            for j in range(x.shape[1]):
                dx[i, j] += w[k, j] * dy[i, k]
                dw[k, j] += x[i, j] * dy[i, k]
    return dx, dw, db


def network_gradients(weights, steps, x, target):
    """Gradients of 0.5 * mean over samples of |y - target|^2; y = layer(Q(relu(layer(Q(x), Q(w1)))), Q(w2)).

    weights = (w1, b1, w2, b2); steps = (of w1, of x, of w2, of relu's output).
    """
    w1, b1, w2, b2 = weights
    s_w1, s_x, s_w2, s_h = steps
    w1_hat, x_hat = quantize(w1, s_w1, *WEIGHT)[1], quantize(x, s_x, *FIRST_INPUT)[1]
    a = layer(x_hat, w1_hat, b1)
    h = np.maximum(a, 0.0)
    w2_hat, h_hat = quantize(w2, s_w2, *WEIGHT)[1], quantize(h, s_h, *LATER_INPUT)[1]
    y = layer(h_hat, w2_hat, b2)

    dh_hat, dw2_hat, db2 = layer_gradients(h_hat, w2_hat, (y - target) / len(x))
    dw2, ds_w2 = gradients(w2, s_w2, *WEIGHT, dw2_hat, w2.size)
    dh, ds_h = gradients(h, s_h, *LATER_INPUT, dh_hat, h.shape[1])  # N: features of one sample
    da = np.where(a > 0, dh, 0.0)
    dx_hat, dw1_hat, db1 = layer_gradients(x_hat, w1_hat, da)
    dw1, ds_w1 = gradients(w1, s_w1, *WEIGHT, dw1_hat, w1.size)
    _, ds_x = gradients(x, s_x, *FIRST_INPUT, dx_hat, x.shape[1])
    return (dw1, db1, dw2, db2), np.array([ds_w1, ds_x, ds_w2, ds_h])


def initial_steps(weights, x):
    """Weights' steps from the weights; inputs' from the first batch, quantized up to there."""
    w1, b1, w2, _ = weights
    s_w1, s_w2 = initial_step(w1, WEIGHT[1]), initial_step(w2, WEIGHT[1])
    s_x = initial_step(x, FIRST_INPUT[1])
    a = layer(quantize(x, s_x, *FIRST_INPUT)[1], quantize(w1, s_w1, *WEIGHT)[1], b1)
    return np.array([s_w1, s_x, s_w2, initial_step(np.maximum(a, 0.0), LATER_INPUT[1])])


def trajectory(weights, batches, iterations, *, rho, weight_decay, **base):
    """Return (weights, steps) before the first and after every iteration of SAM; rho = 0 is SGD.

    The steps are neither perturbed, nor in the norm, nor decayed; both descend along the second gradient.
    """
    shapes = [np.shape(w) for w in weights]

    def flat(arrays):
        return np.concatenate([np.ravel(each) for each in arrays])

    def shaped(vector):
        sizes = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(vector, sizes), shapes, strict=True)]

    sgd_w, sgd_s = SGD(weight_decay=weight_decay, **base), SGD(weight_decay=0.0, **base)
    path = [(flat(weights), initial_steps(weights, batches[0][0]))]
    for t in range(iterations):
        w, s = path[-1]
        x, target = batches[t % len(batches)]
        g1, _ = network_gradients(shaped(w), s, x, target)
        w_perturbed = perturbed(w, flat(g1), rho)
        g2, g2_s = network_gradients(shaped(w_perturbed), s, x, target)
        path.append((sgd_w.step(w, flat(g2)), sgd_s.step(s, g2_s)))
    return path
