"""Problems of many samples, for the methods that take a part of a batch, and for their references."""

import numpy as np
import torch

from tests.support.gradient_problems import TinyNetwork
from tests.support.tiny_trial import closure_of


class SampleQuadratic:
    """l_i(w) = sum_j (0.5 a_ij w_j^2 + c_ij w_j) in float64; w in three tensors, the last batch smaller."""

    def __init__(self):
        draws = torch.Generator().manual_seed(0)
        start = torch.randn(7, generator=draws, dtype=torch.float64)
        self.parameters = [torch.nn.Parameter(part.clone()) for part in start.split([2, 1, 4])]
        shapes = [(6, 7), (6, 7), (3, 7)]
        self._batches = [
            (torch.rand(shape, generator=draws).double(), torch.randn(shape, generator=draws).double())
            for shape in shapes
        ]
        self.iteration = 0

    @property
    def weights(self):
        return torch.cat([parameter.detach() for parameter in self.parameters]).numpy().copy()

    def losses(self, w, t):
        a, c = (half.tolist() for half in self._batches[t % 3])
        return [sum(0.5 * a[i][j] * w[j] ** 2 + c[i][j] * w[j] for j in range(7)) for i in range(len(a))]

    def gradient(self, w, t, samples=None):
        a, c = (half.tolist() for half in self._batches[t % 3])
        samples = range(len(a)) if samples is None else samples
        return np.array([sum(a[i][j] * w[j] + c[i][j] for i in samples) / len(samples) for j in range(7)])

    def step(self, optimizer):
        a, c = self._batches[self.iteration % 3]

        def losses(samples):
            w = torch.cat(self.parameters)
            every = (0.5 * a * w.square() + c * w).sum(dim=1)
            return every if samples is None else every[samples]

        loss = optimizer.step(closure_of(optimizer, losses))
        self.iteration += 1
        return loss


class SampleNetwork(TinyNetwork):
    """The network of the contracts, whose batch norm normalises over the samples that it is given."""

    def _losses(self, network, t, samples):
        images, labels = self._batches[t % len(self._batches)]
        if samples is not None:
            images, labels = images[samples], labels[samples]
        return torch.nn.functional.cross_entropy(network(images), labels, reduction="none")

    def _at(self, w):
        torch.nn.utils.vector_to_parameters(torch.from_numpy(w), self._twin.parameters())
        return self._twin

    def losses(self, w, t):
        return self._losses(self._at(w), t, None).tolist()

    def gradient(self, w, t, samples=None):
        loss = self._losses(self._at(w), t, samples).mean()
        gradients = torch.autograd.grad(loss, list(self._twin.parameters()))
        return np.concatenate([gradient.numpy().ravel() for gradient in gradients])

    def step(self, optimizer):
        iteration = self.iteration
        losses = closure_of(optimizer, lambda samples: self._losses(self.network, iteration, samples))
        loss = optimizer.step(losses)
        self.iteration += 1
        return loss


def ranges(parameters):
    """Return the positions of each tensor in the vector of all."""
    ends = np.cumsum([parameter.numel() for parameter in parameters]).tolist()
    return [range(end - parameter.numel(), end) for end, parameter in zip(ends, parameters, strict=True)]
