"""Softmax regression on normalised inputs, written out in float64.

x is (b, D), one row an image, w the vector of all parameters: the rows of the (K, D) matrix, then the K biases.
"""

import math

import numpy as np


def mean_and_variance(column):
    """Return the mean of a list of numbers, and the mean of their squared distances to it."""
    mean = sum(column) / len(column)
    return mean, sum((each - mean) ** 2 for each in column) / len(column)


def normalised(x, mean, variance):
    """Batch norm without scale and shift, by these statistics of the columns."""
    out = np.empty_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = (x[i, j] - mean[j]) / math.sqrt(variance[j] + 1e-5)
    return out


def logits(w, x, num_classes):
    z = np.empty((len(x), num_classes))
    for i in range(len(x)):
        for c in range(num_classes):
            row = w[c * x.shape[1] : (c + 1) * x.shape[1]]
            z[i, c] = sum(row[j] * x[i, j] for j in range(x.shape[1])) + w[num_classes * x.shape[1] + c]
    return z


def softmax(z):
    """Return e^z_c / sum e^z over one image's classes."""
    exponentials = [math.exp(each - max(z)) for each in z]
    return [each / sum(exponentials) for each in exponentials]


def cross_entropy_gradient(z, labels):
    """Return the gradient of the mean loss with respect to z: (p - onehot) / b."""
    dz = np.empty_like(z)
    for i in range(len(z)):
        p = softmax(z[i])
        for c in range(z.shape[1]):
            dz[i, c] = (p[c] - (1.0 if c == labels[i] else 0.0)) / len(z)
    return dz


def parameter_gradient(dz, x):
    """Return the gradient with respect to w of a loss whose gradient with respect to z is dz."""
    matrix = np.zeros((dz.shape[1], x.shape[1]))
    bias = np.zeros(dz.shape[1])
    for i in range(len(x)):
        for c in range(dz.shape[1]):
            bias[c] += dz[i, c]
            for j in range(x.shape[1]):
                matrix[c, j] += dz[i, c] * x[i, j]
    return np.concatenate([matrix.ravel(), bias])
