"""A trainer with all that is awkward: batch norm, dropout, augmentation, a smaller last batch, momentum."""

import itertools
import time

import torch

from tests.support.tiny_trial import quick_settings, tiny_network
from vsam_tune.data.images import Images, channel_statistics
from vsam_tune.data.loader import ResidentLoader
from vsam_tune.registry.methods import METHODS
from vsam_tune.training.build import build_optimizer
from vsam_tune.training.closures import Closures
from vsam_tune.training.iterations import IterationLoop
from vsam_tune.training.sam_probe import SamProbe, TimedSAM
from vsam_tune.training.speed.iteration_timer import IterationTimer
from vsam_tune.training.trainer import Trainer

NUM_IMAGES = 27
ITERATIONS_PER_EPOCH = 7  # six batches of 4 images, and one of 3


def images():
    """Return 27 grey images of 6x6 in 5 classes, of which class 0 and class 1 have 6 images each."""
    draws = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (NUM_IMAGES, 1, 6, 6), generator=draws, dtype=torch.uint8)
    return Images(x, torch.arange(NUM_IMAGES) % 5)


def tiny_loader(**settings):
    data = images()
    mean, std = channel_statistics(data.x)
    return ResidentLoader(data, mean=mean, std=std, **{"batch_size": 4, "seed": 3, **settings})


def tiny_trainer(
    name="sgd",
    *,
    model=None,
    epochs=5,
    lr=0.1,
    momentum=0.9,
    clock=time.perf_counter,
    device="cpu",
    with_probe=False,
    **settings,
):
    """Return a trainer of a method with quick settings, some of them replaced; the global generator starts anew."""
    torch.random.manual_seed(4)
    model = (tiny_network(dropout=0.5) if model is None else model).to(device)
    loader = tiny_loader(augmentation=("crop", "flip", "cutout"), device=device)
    taken = METHODS[name].hyperparameters
    optimizer, loss_term = build_optimizer(
        model,
        base={"optimizer": "torch.optim:SGD", "lr": lr, "momentum": momentum, "weight_decay": 5e-3},
        method={"name": name, **quick_settings(name), **{key: settings[key] for key in settings if key in taken}},
        iterations_per_epoch=len(loader),
        epochs=epochs,
        num_images=loader.num_images,
        num_classes=5,
        seed=5,
    )
    closures = Closures(model, optimizer, loss_term=loss_term)
    probe = tiny_sam_probe(model, loader, epochs=epochs) if with_probe else None
    return Trainer(model, optimizer, loader, epochs=epochs, closures=closures, sam_probe=probe, clock=clock)


def tiny_sam_probe(model, loader, *, epochs=5, **settings):
    timer, num_iterations = IterationTimer(loader.device), epochs * len(loader)
    sam = TimedSAM(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), timer=timer, rho=0.05, model=model)
    closures = Closures(model, sam)
    loop = IterationLoop(model, sam, loader, num_iterations=num_iterations, closures=closures, timer=timer)
    return SamProbe(loop, timer, num_iterations=num_iterations, seed=6, **settings)


def ticking():
    """Return a clock that goes on by one second whenever it is read."""
    return itertools.count().__next__


def train_to_end(trainer, between=lambda: None):
    """Return the metrics of each epoch that is left."""
    return [trainer.train_epoch(between) for _ in range(trainer.epoch, trainer.epochs)]


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).clone()
