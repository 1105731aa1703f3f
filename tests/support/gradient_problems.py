"""Problems whose gradient both sides can take: an optimizer of ours, and a reference on a float64 vector."""

import numpy as np
import torch

from tests.support.tiny_trial import batches, tiny_network


class Quadratic:
    """L(w) = 0.5 w'Aw + b_t'w in float64, w in two tensors; b_t differs between iterations."""

    def __init__(self, hessian, start, linear=None):
        self.hessian = torch.as_tensor(hessian, dtype=torch.float64)
        start = torch.as_tensor(start, dtype=torch.float64)
        self.linear = torch.zeros(1, len(start), dtype=torch.float64) if linear is None else linear
        self.parameters = [torch.nn.Parameter(start[:1].clone()), torch.nn.Parameter(start[1:].clone())]
        self.iteration = 0
        self.gradients = []  # of each closure call in the last step

    @classmethod
    def random(cls, size=7, seed=0):
        draws = torch.Generator().manual_seed(seed)
        root = torch.randn(size, size, generator=draws, dtype=torch.float64)
        start, linear = torch.randn(41, size, generator=draws, dtype=torch.float64).split([1, 40])
        return cls(root @ root.T / size, start[0], linear)

    @property
    def weights(self):
        return torch.cat([parameter.detach() for parameter in self.parameters]).numpy().copy()

    def gradient(self, w, t):
        return self.hessian.numpy() @ w + self.linear[t % len(self.linear)].numpy()

    def step(self, optimizer):
        self.gradients.clear()

        def closure():
            optimizer.zero_grad()
            w = torch.cat(self.parameters)
            loss = 0.5 * w @ self.hessian @ w + self.linear[self.iteration % len(self.linear)] @ w
            loss.backward()
            self.gradients.append(torch.cat([parameter.grad for parameter in self.parameters]).numpy().copy())
            return loss

        loss = optimizer.step(closure)
        self.iteration += 1
        return loss


class TinyNetwork:
    """The network of the contracts in float64; the reference takes its gradient from a twin."""

    def __init__(self):
        self.network, self._twin = tiny_network().double(), tiny_network().double()
        self.parameters = list(self.network.parameters())
        self._batches = batches(torch.float64)
        self.iteration = 0
        last = sum(parameter.numel() for parameter in self.network[9].parameters())
        self.last = range(len(self.weights) - last, len(self.weights))

    @property
    def weights(self):
        return torch.nn.utils.parameters_to_vector(self.parameters).detach().numpy().copy()

    def _loss(self, network, t):
        images, labels = self._batches[t % len(self._batches)]
        return torch.nn.functional.cross_entropy(network(images), labels)

    def gradient(self, w, t):
        torch.nn.utils.vector_to_parameters(torch.from_numpy(w), self._twin.parameters())
        gradients = torch.autograd.grad(self._loss(self._twin, t), list(self._twin.parameters()))
        return np.concatenate([gradient.numpy().ravel() for gradient in gradients])

    def step(self, optimizer):
        def closure():
            optimizer.zero_grad()
            loss = self._loss(self.network, self.iteration)
            loss.backward()
            return loss

        loss = optimizer.step(closure)
        self.iteration += 1
        return loss


def assert_follows(problem, optimizer, reference):
    """Compare w after every iteration with the reference's: 1e-12 at first, 1e-10 over the whole run."""
    assert np.array_equal(problem.weights, reference[0])
    for t, expected in enumerate(reference[1:], start=1):
        problem.step(optimizer)
        error = np.linalg.norm(problem.weights - expected) / np.linalg.norm(expected)
        assert error <= (1e-12 if t <= 5 else 1e-10), f"iteration {t}: relative error {error}"


def train(problem, optimizer, iterations):
    """Return w after each iteration, as one array."""
    return np.stack([problem.step(optimizer) and problem.weights for _ in range(iterations)])
