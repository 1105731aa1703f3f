"""What a user may bring along: a reader, a network, a method around the base optimizer, and a loss term."""

import torch
from torch import nn

from vsam_tune.data.images import Images
from vsam_tune.data.source import checked_source
from vsam_tune.loss_terms.loss_term import LossTerm
from vsam_tune.optimizers import SAM


def stripes(request):
    """Return 300 grey images of 8x8, noise with a bright stripe whose place is the class, of three."""
    draws = torch.Generator().manual_seed(0)
    y = torch.arange(300) % 3
    x = torch.randint(128, (300, 1, 8, 8), generator=draws)
    for number in range(3):
        x[y == number, :, 2 * number : 2 * number + 2] += 64
    x = x.to(torch.uint8)
    return checked_source(request.name, Images(x[:240], y[:240]), Images(x[240:], y[240:]))


def tiny(in_channels, image_size, num_classes, *, width=4, bias=True):
    """Return a network of two layers."""
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, padding=1, bias=bias),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(width * image_size**2, num_classes),
    )


def one_pixel(in_channels, image_size, num_classes):
    """Return a network whose batch norm has one value of each image and channel: it cannot train on one image."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(in_channels * image_size**2, 8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Linear(8, num_classes),
    )


class Timid(SAM):
    """SAM at a part of its radius."""

    def __init__(self, base, *, share, rho=0.05, model=None):
        super().__init__(base, rho=share * rho, model=model)


class Twice(torch.optim.Optimizer):
    """A torch optimizer, and nothing more: it takes two steps of its base on each batch."""

    def __init__(self, base):
        super().__init__(base.param_groups, {})
        self.inner = base

    def step(self, closure=None):
        loss = self.inner.step(closure)
        self.inner.step(closure)
        return loss


class Confidence(LossTerm):
    """A penalty on confident outputs: `weight` times their mean negative entropy."""

    memory_bytes = 0

    def __init__(self, *, num_classes, weight=0.1):
        self.num_classes, self.weight, self.steps = num_classes, weight, 0

    def __call__(self, logits, x, index, *, epoch):  # noqa: ARG002 - a loss term gets them
        log_probabilities = logits.log_softmax(dim=1)
        return self.weight * (log_probabilities.exp() * log_probabilities).sum(dim=1).mean()

    def after_step(self):
        self.steps += 1

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


NUMBER = 3
