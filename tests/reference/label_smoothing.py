"""Cross-entropy with soft targets, written out in float64 for one image at a time, in the two forms of the literature.

z: the logits of an image, a list of C numbers; y: its label.
"""

import math

from tests.reference.softmax_regression import softmax


def target(y, num_classes, epsilon, over):
    """Return q: `others` is that of davda54/sam and vSAM's authors, `all` that of Szegedy et al. 2016, section 7."""
    q = []
    for k in range(num_classes):
        if over == "others":
            q.append(1 - epsilon if k == y else epsilon / (num_classes - 1))
        else:
            q.append((1 - epsilon) * (1 if k == y else 0) + epsilon / num_classes)
    return q


def loss(z, q):
    """Return - sum q_k log p_k."""
    p = softmax(z)
    return -sum(q[k] * math.log(p[k]) for k in range(len(z)))


def divergence(z, q):
    """Return the loss of vSAM's authors, sum q_k log(q_k / p_k)."""
    p = softmax(z)
    return sum(q[k] * math.log(q[k] / p[k]) for k in range(len(z)) if q[k] > 0)


def gradient(z, q):
    """Return the gradient of both with respect to z, p - q."""
    p = softmax(z)
    return [p[k] - q[k] for k in range(len(z))]
