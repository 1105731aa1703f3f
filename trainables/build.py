"""From the settings of a trial to its data, model, optimizer and trainer."""

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainables.batch_checks import BatchChecks
from vsam_tune.data.images import Images
from vsam_tune.data.load import TaskData, load_task
from vsam_tune.data.loader import ResidentLoader
from vsam_tune.models.build import build_model
from vsam_tune.models.memory_format import memory_format
from vsam_tune.quantization.calibration import calibrate
from vsam_tune.quantization.full_precision import load_full_precision
from vsam_tune.quantization.transform import quantize_model
from vsam_tune.seeds import derive_seed
from vsam_tune.training.build import build_base_optimizer, build_optimizer
from vsam_tune.training.checkpoint import initial_checkpoint
from vsam_tune.training.closures import Closures
from vsam_tune.training.iterations import IterationLoop
from vsam_tune.training.label_smoothing import over_all_classes
from vsam_tune.training.sam_probe import SamProbe, TimedSAM
from vsam_tune.training.speed.iteration_timer import IterationTimer
from vsam_tune.training.trainer import Trainer
from vsam_tune.trial import TrialConfig

logger = logging.getLogger(__name__)

_EVALUATION_BATCH = 512  # images; no gradients are kept, so it may be larger than a training batch


def data_arguments(config: TrialConfig) -> dict[str, Any]:
    """Return the arguments of `vsam_tune.data.load.load_task` for a trial, as JSON values."""
    task = config["task"]
    names = (
        "data",
        "label_noise",
        "validation_fraction",
        "subset",
        "resize",
        "seed",
        "data_root",
        "download",
    )
    return {**{name: task[name] for name in names}, "final": config["final"]}


def load_data(arguments: dict[str, Any]) -> TaskData:
    """Return the task's data, read into memory; an InputError names the problem with them."""
    root = arguments["data_root"]
    return load_task(**{**arguments, "data_root": None if root is None else Path(root)})


def build_trainer(config: TrialConfig, data: TaskData) -> tuple[Trainer, ResidentLoader]:
    """Return the trainer of a trial, and the loader of the images it is evaluated on.

    Sets the number of torch's threads to the trial's CPUs: on two cores, two trials with two threads each have half the
    throughput of two trials with one thread each.

    Args:
        config: the settings of a trial, see docs/trainables.md.
        data: the task's data, which trials share and never write to.

    Raises:
        InputError: if model, initial checkpoint, quantization, batch size, method and data do not fit together.
    """
    torch.set_num_threads(max(1, int(config["cpus"])))
    device = torch.device("cuda" if config["gpus"] > 0 else "cpu")
    task, seed = config["task"], config["seed"]
    torch.manual_seed(derive_seed(seed, "layers"))  # noqa: TID251 - for layers that draw, such as dropout
    model = _full_precision_model(task, data, derive_seed(seed, "weights"))
    batches = BatchChecks(task, model, data.train.x)
    batches.check_sizes()
    if task["quantization"] is not None:
        quantize_model(model, **task["quantization"])
    model = model.to(device)
    layout = memory_format(model, device, channels_last=task["channels_last"])
    model = model.to(memory_format=layout)
    loader, evaluation = _loaders(task, data, derive_seed(seed, "order"), device, layout)
    if task["quantization"] is not None:
        calibrate(model, next(loader.batches(0)).x)
    optimizer, loss_term = build_optimizer(
        model,
        base=config["base_optimizer"],
        method=config["method"],
        iterations_per_epoch=len(loader),
        epochs=task["epochs"],
        num_images=len(data.train),
        num_classes=data.num_classes,
        seed=derive_seed(seed, "draws"),
    )
    batches.check_method(optimizer, config["method"]["name"])
    if loss_term is not None:
        logger.info("%s keeps %.1f MB", config["method"]["name"], loss_term.memory_bytes / 1e6)
    names = ("precision", "micro_batches", "max_gradient_norm", "compiled")
    closures_settings = {name: task[name] for name in names} | _label_smoothing(task, data.num_classes)
    closures = Closures(model, optimizer, loss_term=loss_term, **closures_settings)
    probe = _sam_probe(config, model, loader, closures_settings)
    return Trainer(model, optimizer, loader, epochs=task["epochs"], closures=closures, sam_probe=probe), evaluation


def _label_smoothing(task: dict[str, Any], num_classes: int) -> dict[str, float]:
    """Return the argument of `Closures` for the label smoothing of a task, if it has one.

    Raises:
        InputError: if it is too strong for so few classes.
    """
    smoothing = task["label_smoothing"]
    return {} if smoothing is None else {"label_smoothing": over_all_classes(**smoothing, num_classes=num_classes)}


def _sam_probe(config: TrialConfig, model: nn.Module, loader: ResidentLoader, passes: dict[str, Any]) -> SamProbe:
    """Return the SAM probe of a trial: SAM around its base optimizer, on its model and batches."""
    timer = IterationTimer(loader.device)
    sam = TimedSAM(build_base_optimizer(model, config["base_optimizer"]), timer=timer, rho=0.05, model=model)
    num_iterations = config["task"]["epochs"] * len(loader)
    closures = Closures(model, sam, **passes)
    loop = IterationLoop(model, sam, loader, num_iterations=num_iterations, closures=closures, timer=timer)
    return SamProbe(loop, timer, num_iterations=num_iterations, seed=derive_seed(config["seed"], "reference"))


def _loaders(
    task: dict[str, Any], data: TaskData, seed: int, device: torch.device, layout: torch.memory_format
) -> tuple[ResidentLoader, ResidentLoader]:
    """Return the loaders of the training images and of the images that the trial is evaluated on."""
    loader = ResidentLoader(
        data.train,
        batch_size=task["batch_size"],
        augmentation=task["augmentation"],
        seed=seed,
        mean=data.mean,
        std=data.std,
        device=device,
        channels_last=layout is torch.channels_last,
    )
    evaluated = data.test if data.validation is None else data.validation
    return loader, evaluation_loader(task, data, evaluated, device)


def evaluation_loader(task: dict[str, Any], data: TaskData, images: Images, device: torch.device) -> ResidentLoader:
    """Return a loader of images to evaluate a task's network on, normalised as its training images."""
    return ResidentLoader(
        images,
        batch_size=_EVALUATION_BATCH,
        shuffle=False,
        seed=0,
        mean=data.mean,
        std=data.std,
        device=device,
        channels_last=task["channels_last"],
    )


def _full_precision_model(task: dict[str, Any], data: TaskData, seed: int) -> nn.Module:
    """Return the network that a trial starts from, on the CPU, before it is quantized.

    Raises:
        InputError: if the model does not fit the data, or the initial checkpoint the model.
    """
    model = build_model(
        task["model"]["name"],
        in_channels=data.in_channels,
        image_size=data.image_size,
        num_classes=data.num_classes,
        seed=seed,
        **{name: value for name, value in task["model"].items() if name != "name"},
    )
    if task["initial_checkpoint"] is not None:
        path = Path(task["initial_checkpoint"])
        load_full_precision(model, initial_checkpoint(path)["trainer"]["model"], where=path)
    return model
