"""Two processes that train copies of one network on halves of the same batches, and one that has the whole batches."""

import os
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from tests.support.tiny_trial import closure_of, wrap
from vsam_tune.registry.methods import METHODS

WRAPPERS = [name for name in METHODS if METHODS[name].optimizer]
SCOPES = ("local", "global")
ITERATIONS = 12
HALF = 6  # images of each worker in each iteration
BASE = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
SETTINGS = {"interval": 4, "num_slices": 2, "warmup_iterations": 3, "num_iterations": ITERATIONS}
WHOLE = {"sds_keep": 1.0}  # for a method that selects samples, each worker from its own; others do not take it
SELECTING = [name for name in WRAPPERS if "sds_keep" in METHODS[name].hyperparameters]


def network():
    """Return convolution, group norm, linear in float64: a sample's output depends on no other sample."""
    with torch.random.fork_rng():
        torch.random.manual_seed(1)
        layers = [nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5)]
        return nn.Sequential(*layers).double()


def batch(iteration, rank=None):
    """Return the images and labels of one worker, or of both."""
    draws = torch.Generator().manual_seed(iteration)
    images = torch.randn(2 * HALF, 1, 6, 6, generator=draws, dtype=torch.float64)
    labels = torch.randint(5, (2 * HALF,), generator=draws)
    part = slice(None) if rank is None else slice(rank * HALF, (rank + 1) * HALF)
    return images[part], labels[part]


def losses(model, iteration, rank, samples):
    images, labels = batch(iteration, rank)
    if samples is not None:
        images, labels = images[samples], labels[samples]
    return nn.functional.cross_entropy(model(images), labels, reduction="none")


def train(name, *, rank=None, scope=None, **settings):
    """Return the weights after each iteration, and which iterations were sampled."""
    model, weights, sampled = network(), [], []
    optimizer = wrap(name, torch.optim.SGD(model.parameters(), **BASE), model=model, **(SETTINGS | settings))
    if scope is not None:
        optimizer.distribute(perturbation_scope=scope)
    for iteration in range(ITERATIONS):
        optimizer.step(closure_of(optimizer, lambda samples, t=iteration: losses(model, t, rank, samples)))
        weights.append(nn.utils.parameters_to_vector(model.parameters()).detach().clone())
        sampled.append(optimizer.observation.sampled)
    return torch.stack(weights), sampled


def losses_at(w, iteration, rank):
    """Return a worker's losses at w, for a reference."""
    return losses(network_at(w), iteration, rank, None).tolist()


def gradient_at(w, iteration, rank, samples=None):
    """Return the gradient of a worker's mean loss at w, for a reference."""
    model = network_at(w)
    loss = losses(model, iteration, rank, samples).mean()
    return np.concatenate([part.numpy().ravel() for part in torch.autograd.grad(loss, list(model.parameters()))])


def network_at(w):
    model = network()
    nn.utils.vector_to_parameters(torch.from_numpy(w), model.parameters())
    return model


def run(folder):
    """Train every method on two workers; return what each worker found, by method and scope.

    The methods that select samples once more with all of them, as `NAME whole`.
    """
    mp.spawn(_work, args=(folder,), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def _work(rank, folder):
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    store, timeout = f"file://{folder / 'store'}", timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=2, timeout=timeout)
    found = {f"{name} {scope}": train(name, rank=rank, scope=scope) for name in WRAPPERS for scope in SCOPES}
    for name in SELECTING:
        found[f"{name} whole"] = train(name, rank=rank, scope="global", **WHOLE)
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()
