"""A tiny trial with all that is awkward: batch norm, two parameter groups, a smaller last batch."""

import inspect
from importlib import import_module

import torch
from torch import nn

from vsam_tune.methods import METHODS

# By hyper-parameter, so that a method that is added later needs no line here: small enough that sampling,
# reuse and adaptation all happen within 30 iterations.
QUICK = {
    "rho": 0.1,
    "period": 3,
    "num_slices": 2,
    "window": 4,
    "interval": 5,
    "warmup_iterations": 7,
    "initial_rate": 0.5,
    "max_rate": 0.8,
}
BASES = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=5e-3),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.01),
}


def optimizer_class(name):
    """Return the class of a method, None for a base optimizer alone."""
    module, _, attribute = METHODS[name].optimizer.partition(":")
    return getattr(import_module(module), attribute) if module else None


def quick_settings(name):
    return METHODS[name].fixed | {key: QUICK[key] for key in METHODS[name].hyperparameters if key in QUICK}


def wrap(name, base, *, model=None, **settings):
    """Return the method around a base optimizer, with quick settings, some of them replaced."""
    cls = optimizer_class(name)
    if cls is None:
        return base
    taken = inspect.signature(cls).parameters
    settings = quick_settings(name) | {key: value for key, value in settings.items() if key in taken}
    return cls(base, model=model, **settings)


def tiny_network(seed=1, *, dropout=0.0):
    """Return conv, batch norm, conv, batch norm, linear; 199 parameters in 10 tensors."""
    with torch.random.fork_rng():
        torch.random.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1),
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.Conv2d(3, 4, 3, padding=1, stride=2),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 5),
        )


def batches(dtype=torch.float32):
    """Return an epoch of five batches, the last one smaller: images of 6x6, 5 classes."""
    draws = torch.Generator().manual_seed(2)
    return [
        (
            torch.randn(size, 1, 6, 6, generator=draws, dtype=torch.float64).to(dtype),
            torch.randint(5, (size,), generator=draws),
        )
        for size in (8, 8, 8, 8, 3)
    ]


def two_groups(network):
    """Return weights and the rest as two parameter groups, as for a weight decay of their own."""
    parameters = list(network.parameters())
    return [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1]},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


class TinyTrial:
    """A network, its optimizer, and a count of closure calls. `before_backward` may be replaced by a test."""

    def __init__(self, name, *, base="sgd", dtype=torch.float32, dropout=0.0, groups=two_groups, **settings):
        self.network = tiny_network(dropout=dropout).to(dtype)
        self.base = BASES[base](groups(self.network))
        self.optimizer = wrap(name, self.base, model=self.network, **settings)
        self.batches = batches(dtype)
        self.iterations = self.closure_calls = 0
        self.before_backward = lambda: None

    def loss(self):
        images, labels = self.batches[self.iterations % len(self.batches)]
        return nn.functional.cross_entropy(self.network(images), labels)

    def closure(self):
        self.closure_calls += 1
        self.optimizer.zero_grad()
        loss = self.loss()
        self.before_backward()
        loss.backward()
        return loss

    def step(self):
        loss = self.optimizer.step(self.closure)
        self.iterations += 1
        return loss

    def train(self, iterations):
        return [self.step().item() for _ in range(iterations)]

    @property
    def weights(self):
        return torch.cat([parameter.detach().flatten() for parameter in self.network.parameters()]).clone()

    def state_dict(self):
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "iterations": self.iterations,
        }

    def load_state_dict(self, state):
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.iterations = state["iterations"]


def equal_state(one, two):
    """Return whether two nested states are the same bit for bit, NaN equal to NaN."""
    if isinstance(one, torch.Tensor):
        return one.dtype == two.dtype and one.shape == two.shape and torch.equal(one.nan_to_num(), two.nan_to_num())
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(equal_state(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(equal_state, one, two))
    return one == two or (one != one and two != two)
