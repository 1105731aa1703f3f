"""A tiny trial with all that is awkward: batch norm, two parameter groups, a smaller last batch."""

import inspect
from importlib import import_module

import torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm

from vsam_tune.registry.methods import METHODS

# By hyper-parameter, so that a method that is added later needs no line here: small enough that sampling,
# reuse and adaptation all happen within 30 iterations.
QUICK = {
    "rho": 0.1,
    "period": 3,
    "num_slices": 2,
    "interval": 5,
    "warmup_iterations": 7,
    "max_rate": 0.8,
    "beta": 2.0,
    "lag_epochs": 2,
    "start_epoch": 1,
    "ema_decay": 0.9,
}
BASES = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=5e-3),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.01),
}


def resolve(target):
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute) if module else None


def optimizer_class(name):
    """Return the class of a method's wrapper, None for a base optimizer alone."""
    return resolve(METHODS[name].optimizer)


def method_class(name):
    """Return the class of a method's wrapper or of its loss term, None for a base optimizer alone."""
    return resolve(METHODS[name].optimizer or METHODS[name].loss_term)


def quick_settings(name):
    return METHODS[name].fixed | {key: QUICK[key] for key in METHODS[name].hyperparameters if key in QUICK}


def taken(cls, settings):
    """Return the settings that a constructor takes: a method says by its keywords what it needs."""
    names = inspect.signature(cls).parameters
    return {key: value for key, value in settings.items() if key in names}


def wrap(name, base, *, model=None, num_iterations=30, **settings):
    """Return the method around a base optimizer, with quick settings, some of them replaced."""
    cls = optimizer_class(name)
    if cls is None:
        return base
    offered = {"model": model, "num_iterations": num_iterations}
    return cls(base, **(quick_settings(name) | taken(cls, offered | settings)))


def closure_of(optimizer, losses):
    """Return the closure that an optimizer asks for.

    Args:
        optimizer: one of ours, or torch's.
        losses: (positions of samples, or None for all) -> their losses.
    """
    if getattr(optimizer, "sample_losses", False):
        return losses

    def closure():
        optimizer.zero_grad()
        loss = losses(None).mean()
        if loss.requires_grad:
            loss.backward()
        return loss

    return closure


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


def network_with_buffers(seed=1):
    """Return a network whose forward pass updates buffers of batch norm, instance norm, and both spectral norms."""
    with torch.random.fork_rng():
        torch.random.manual_seed(seed)
        return nn.Sequential(
            parametrizations.spectral_norm(nn.Conv2d(1, 3, 3, padding=1)),
            nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
            nn.ReLU(),
            spectral_norm(nn.Conv2d(3, 4, 3, padding=1, stride=2), n_power_iterations=2),
            nn.BatchNorm2d(4),
            nn.ReLU(),
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
    """A network, its optimizer or loss term, and counts. `before_backward` may be replaced by a test.

    `closure_calls` counts calls, `forwards` and `backwards` passes in batches, seen from the network's output.
    """

    def __init__(
        self, name, *, base="sgd", dtype=torch.float32, dropout=0.0, groups=two_groups, network=None, **settings
    ):
        self.network = (network or tiny_network(dropout=dropout)).to(dtype)
        self.base = BASES[base](groups(self.network))
        self.optimizer = wrap(name, self.base, model=self.network, **settings)
        self.batches = batches(dtype)
        self.loss_term = self.term_of(name, settings)
        self.iterations = self.closure_calls = 0
        self.forwards = self.backwards = 0.0
        self.before_backward = lambda: None

    def term_of(self, name, settings):
        cls = resolve(METHODS[name].loss_term)
        if cls is None:
            return None
        num_images = sum(len(labels) for _, labels in self.batches)
        offered = {"model": self.network, "num_images": num_images, "num_classes": 5, **settings}
        return cls(**(quick_settings(name) | taken(cls, offered)))

    def losses(self, samples=None):
        """Return the losses of samples of the current batch; leave the loss term's `penalty`."""
        position = self.iterations % len(self.batches)
        (images, labels), first = self.batches[position], sum(len(y) for _, y in self.batches[:position])
        index, size = torch.arange(first, first + len(labels)), len(labels)
        if samples is not None:
            images, labels, index = images[samples], labels[samples], index[samples]
        self.logits = self.network(images)
        self.forwards += len(labels) / size
        if self.logits.requires_grad:
            self.logits.register_hook(lambda gradient: self.count_backward(len(gradient) / size))
        losses = nn.functional.cross_entropy(self.logits, labels, reduction="none")
        self.penalty = None
        if self.loss_term is not None:
            self.penalty = self.loss_term(self.logits, images, index, epoch=self.iterations // len(self.batches))
        return losses

    def loss(self):
        return self.losses().mean()

    def count_backward(self, part):
        self.backwards += part

    def closure(self, samples=None):
        self.closure_calls += 1
        if getattr(self.optimizer, "sample_losses", False):
            losses = self.losses(samples)
            self.before_backward()
            return losses
        self.optimizer.zero_grad()
        loss = self.loss()
        self.before_backward()
        (loss if self.penalty is None else loss + self.penalty).backward()
        return loss

    def step(self):
        loss = self.optimizer.step(self.closure)
        if self.loss_term is not None:
            self.loss_term.after_step()
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
            "loss_term": None if self.loss_term is None else self.loss_term.state_dict(),
            "iterations": self.iterations,
        }

    def load_state_dict(self, state):
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.loss_term is not None:
            self.loss_term.load_state_dict(state["loss_term"])
        self.iterations = state["iterations"]


def same_trajectory(ours, theirs, iterations=20):
    """Return whether two trials, given the same random numbers, have the same weights after each iteration."""
    for _ in range(iterations):
        for trial in (ours, theirs):
            torch.random.manual_seed(trial.iterations)
            trial.step()
        if not torch.equal(ours.weights, theirs.weights):
            return False
    return True


class InterruptedPassError(Exception):
    """What a pass raises in a trial that is made to fail."""


def fail_in_call(trial, call):
    """Make one closure call raise, counted from 1 from now on."""
    calls = []

    def fail():
        calls.append(None)
        if len(calls) == call:
            raise InterruptedPassError

    trial.before_backward = fail


def step_and_repeat_if_interrupted(trial, call):
    """Take a step whose closure call of this number raises; once more and undisturbed, if it came to that."""
    fail_in_call(trial, call)
    try:
        trial.step()
    except InterruptedPassError:
        trial.before_backward = lambda: None
        trial.step()


def loaded(trial, path):
    """Return the trial with the state that a file holds."""
    trial.load_state_dict(torch.load(path, weights_only=True))
    return trial


def saved_and_loaded(first, second, path):
    """Return the second trial, with all of the first trial's state from a file."""
    torch.save(first.state_dict(), path)
    return loaded(second, path)


def equal_state(one, two):
    """Return whether two nested states are the same bit for bit, NaN equal to NaN."""
    if isinstance(one, torch.Tensor):
        return one.dtype == two.dtype and one.shape == two.shape and torch.equal(one.nan_to_num(), two.nan_to_num())
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(equal_state(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(equal_state, one, two))
    return one == two or (one != one and two != two)
