"""Softmax regression on normalised inputs with a loss term, in float64: what the references transcribe."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

NUM_IMAGES, NUM_CLASSES, SIZE = 13, 4, 3
BASE = {"lr": 0.2, "momentum": 0.9, "weight_decay": 0.01}


def epochs(num_epochs, *, drop_every=0):
    """Return the batches of each epoch, of 5, 5 and 3 images in another order each time.

    Every `drop_every`-th epoch leaves out its last batch; 0 for none.
    """
    draws, orders = np.random.default_rng(3), []
    for epoch in range(num_epochs):
        order = draws.permutation(NUM_IMAGES).tolist()
        batches = [order[:5], order[5:10], order[10:]]
        orders.append(batches[:2] if drop_every and epoch % drop_every == 1 else batches)
    return orders


class Regression:
    """A network, its data, its base optimizer, and a loss term made by `make(num_images, num_classes, model)`.

    `normalised` puts batch norm without parameters before the linear layer.
    """

    def __init__(self, make=None, *, normalised=True):
        draws = np.random.default_rng(2)
        self.images = draws.normal(1.0, 2.0, (NUM_IMAGES, SIZE))
        self.labels = draws.integers(NUM_CLASSES, size=NUM_IMAGES).tolist()
        norm = nn.BatchNorm1d(SIZE, affine=False) if normalised else nn.Identity()
        self.network = nn.Sequential(norm, nn.Linear(SIZE, NUM_CLASSES)).double()
        nn.utils.vector_to_parameters(
            torch.from_numpy(draws.normal(0.0, 0.7, NUM_CLASSES * (SIZE + 1))), self.network.parameters()
        )
        self.optimizer = torch.optim.SGD(self.network.parameters(), **BASE)
        offered = {"num_images": NUM_IMAGES, "num_classes": NUM_CLASSES, "model": self.network}
        self.loss_term = make(**offered) if make else None

    @property
    def weights(self):
        return weights_of(self.network)

    def evaluate(self, batch, epoch):
        """Leave the gradient of one batch; return (logits, term)."""
        index = torch.tensor(batch)
        x = torch.from_numpy(self.images)[index]
        self.optimizer.zero_grad()
        logits = self.network(x)
        loss, term = cross_entropy(logits, torch.tensor(self.labels)[index]), None
        if self.loss_term is not None:
            term = self.loss_term(logits, x, index, epoch=epoch)
            loss = loss if term is None else loss + term
        loss.backward()
        return logits, term

    def step(self, batch, epoch):
        logits, term = self.evaluate(batch, epoch)
        self.optimizer.step()
        if self.loss_term is not None:
            self.loss_term.after_step()
        return logits, term

    def train(self, orders):
        """Return w after each iteration, as one array."""
        return np.stack([
            self.step(batch, epoch) and self.weights for epoch, batches in enumerate(orders) for batch in batches
        ])


def weights_of(network):
    return nn.utils.parameters_to_vector(network.parameters()).detach().numpy().copy()


def relative_error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)
