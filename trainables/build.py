"""From the settings of a trial to its data, model, optimizer and trainer; and a dry run of its first iterations."""

import logging
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from vsam_tune.data.images import Images
from vsam_tune.data.load import TaskData, load_task
from vsam_tune.data.loader import ResidentLoader
from vsam_tune.errors import InputError, problem
from vsam_tune.models.build import build_model, count_parameters
from vsam_tune.models.memory_format import memory_format
from vsam_tune.optimizers.wrapper import Wrapper
from vsam_tune.quantization.calibration import calibrate
from vsam_tune.quantization.full_precision import load_full_precision
from vsam_tune.quantization.transform import quantize_model
from vsam_tune.seeds import derive_seed
from vsam_tune.training.build import build_base_optimizer, build_optimizer
from vsam_tune.training.checkpoint import initial_checkpoint
from vsam_tune.training.closures import Closures
from vsam_tune.training.iterations import IterationLoop
from vsam_tune.training.sam_probe import SamProbe, TimedSAM
from vsam_tune.training.speed.iteration_timer import IterationTimer
from vsam_tune.training.trainer import Trainer
from vsam_tune.trial import TrialConfig

logger = logging.getLogger(__name__)

_ROUNDS, _TIMING_SECONDS = 12, 20.0  # of timed iterations; whichever is reached first, one round at least
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
    """Return the task's data, read into memory; InputError says what is wrong with them."""
    root = arguments["data_root"]
    return load_task(**{**arguments, "data_root": None if root is None else Path(root)})


def build_trainer(config: TrialConfig, data: TaskData) -> tuple[Trainer, ResidentLoader]:
    """Return the trainer of a trial, and the loader of the images it is evaluated on.

    Sets the number of torch's threads to the trial's CPUs: two trials with two threads each on two cores run at half
    the throughput of two with one.

    Args:
        config: the settings of a trial, as docs/trainables.md lists them.
        data: the task's data, shared by trials and never written to.

    Raises:
        InputError: if model, initial checkpoint, quantization, batch size, method and data do not fit each other.
    """
    torch.set_num_threads(max(1, int(config["cpus"])))
    device = torch.device("cuda" if config["gpus"] > 0 else "cpu")
    task, seed = config["task"], config["seed"]
    torch.manual_seed(derive_seed(seed, "layers"))  # noqa: TID251 - for layers that draw, such as dropout
    _check_batch_size(task["batch_size"], len(data.train))
    _check_parts(task["micro_batches"], task["batch_size"], len(data.train))
    model = _initial_model(task, data, derive_seed(seed, "weights")).to(device)
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
    _check_micro_batches(task["micro_batches"], optimizer, config["method"]["name"])
    _check_selection(task["batch_size"], len(data.train), optimizer, config["method"]["name"])
    if loss_term is not None:
        logger.info("%s keeps %.1f MB", config["method"]["name"], loss_term.memory_bytes / 1e6)
    names = ("precision", "micro_batches", "max_gradient_norm", "compiled")
    closures_settings = {name: task[name] for name in names}
    closures = Closures(model, optimizer, loss_term=loss_term, **closures_settings)
    probe = _sam_probe(config, model, loader, closures_settings)
    return Trainer(model, optimizer, loader, epochs=task["epochs"], closures=closures, sam_probe=probe), evaluation


def _sam_probe(config: dict[str, Any], model: nn.Module, loader: ResidentLoader, passes: dict[str, Any]) -> SamProbe:
    """Return the SAM probe of a trial: SAM around its base optimizer, on its model and batches.

    Args:
        config: the settings of a trial.
        model: the trial's.
        loader: of the training images.
        passes: settings of the closures.
    """
    timer = IterationTimer(loader.device)
    sam = TimedSAM(build_base_optimizer(model, config["base_optimizer"]), timer=timer, rho=0.05, model=model)
    num_iterations = config["task"]["epochs"] * len(loader)
    closures = Closures(model, sam, **passes)
    loop = IterationLoop(model, sam, loader, num_iterations=num_iterations, closures=closures, timer=timer)
    return SamProbe(loop, timer, num_iterations=num_iterations, seed=derive_seed(config["seed"], "reference"))


def _loaders(
    task: dict[str, Any], data: TaskData, seed: int, device: torch.device, layout: torch.memory_format
) -> tuple[ResidentLoader, ResidentLoader]:
    """Return the loader of the training images, and of those that are evaluated on."""
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
    """Return the loader of images that the network of a task is evaluated on, normalised as its training images."""
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


def _initial_model(task: dict[str, Any], data: TaskData, seed: int) -> nn.Module:
    """Return the network that a trial starts from, on the CPU; quantized, its inputs' steps are not set yet.

    Raises:
        InputError: if the model does not fit the data, the initial checkpoint not the model, or no quantization does.
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
    if task["quantization"] is not None:
        quantize_model(model, **task["quantization"])
    return model


def warm_up(config: TrialConfig, data: TaskData) -> None:
    """Train iterations of a trial on the first and the last batch of an epoch, and throw it away.

    What a process pays once, such as the first call of each kernel, then counts in no trial's AIS. The last batch may
    be smaller, for which `torch.compile` compiles once more.
    """
    trainer, _ = build_trainer({**config, "method": {"name": "sam", "rho": 0.0}}, data)
    for position in (0, len(trainer.loader) - 1, 0):
        _seconds(trainer, position)


def dry_run(config: TrialConfig, *, time_iterations: bool) -> dict[str, float]:
    """Train the first iteration of a trial, and measure some more on request.

    Args:
        config: the settings of a trial.
        time_iterations: measure iterations of the base optimizer alone and of SAM, interleaved: whatever the method,
            an iteration of it costs one or the other.

    Returns:
        `train_images`, `iterations_per_epoch`, `parameters`; `method_memory_mb`, what a loss term keeps for the whole
        run; `starts_from_final_training`, 1 for an initial checkpoint that has seen the validation part; with
        `time_iterations` also `plain_seconds` and `sampled_seconds`, medians of an iteration.
    """
    if not torch.cuda.is_available():  # the driver of a cluster need not have the GPUs of its workers
        config = {**config, "gpus": 0}
    data = load_data(data_arguments(config))
    trainer, _ = build_trainer(config, data)
    _seconds(trainer)
    facts: dict[str, float] = {
        "train_images": len(data.train),
        "iterations_per_epoch": len(trainer.loader),
        "parameters": count_parameters(trainer.model),
    }
    if trainer.loss_term is not None:
        facts["method_memory_mb"] = trainer.loss_term.memory_bytes / 1e6
    path = config["task"]["initial_checkpoint"]
    if path is not None and data.validation is not None:
        facts["starts_from_final_training"] = float("test_accuracy" in initial_checkpoint(Path(path))["metrics"])
    return facts | _timed_iterations(config, data) if time_iterations else facts


def _timed_iterations(config: TrialConfig, data: TaskData) -> dict[str, float]:
    """Return `plain_seconds` and `sampled_seconds`."""
    methods: dict[str, dict[str, Any]] = {"plain": {"name": "sgd"}, "sampled": {"name": "sam", "rho": 0.0}}
    trainers = {kind: build_trainer({**config, "method": method}, data)[0] for kind, method in methods.items()}
    rounds: list[dict[str, float]] = []
    while len(rounds) < _ROUNDS and sum(sum(each.values()) for each in rounds) < _TIMING_SECONDS:
        rounds.append({kind: _seconds(each) for kind, each in trainers.items()})
    timed = rounds[2:] or rounds[-1:]  # the first two warm up
    return {f"{kind}_seconds": median(seconds[kind] for seconds in timed) for kind in trainers}


def _check_batch_size(batch_size: int, num_images: int) -> None:
    """Refuse a batch of one image, over whose 1x1 maps batch norm has no variance.

    Raises:
        InputError: if an epoch of `num_images` has one.
    """

    def one_alone(size: int) -> bool:
        return size == 1 or num_images % size == 1

    if one_alone(batch_size):
        rule = f"a batch of an epoch would hold one of {num_images} images, which batch norm cannot take"
        fitting = next((size for size in range(batch_size + 1, num_images) if not one_alone(size)), num_images)
        raise InputError(problem("task", "batch_size", batch_size, rule, f"write {fitting}"))


def _check_parts(micro_batches: int, batch_size: int, num_images: int) -> None:
    """Refuse parts of one image, as `_check_batch_size` does batches.

    Raises:
        InputError: if a batch of an epoch of `num_images` would be cut into some.
    """
    smallest = _smallest_batch(batch_size, num_images)
    if micro_batches > 1 and smallest < 2 * micro_batches:
        rule = f"a part of a batch of {smallest} images would hold one alone, which batch norm cannot take"
        fix = f"write at most {smallest // 2}, or another batch_size"
        raise InputError(problem("task", "micro_batches", micro_batches, rule, fix))


def _check_selection(batch_size: int, num_images: int, optimizer: Wrapper, method: str) -> None:
    """Refuse a method that would select one image of an epoch's smallest batch, as `_check_batch_size` does batches.

    Raises:
        InputError: if it would.
    """
    smallest = _smallest_batch(batch_size, num_images)
    if optimizer.smallest_pass(smallest) == 1:
        rule = f"{method} would select one image of an epoch's last {smallest}, which batch norm cannot take"
        fix = f"write another one, or let {method} select more of a batch"
        raise InputError(problem("task", "batch_size", batch_size, rule, fix))


def _smallest_batch(batch_size: int, num_images: int) -> int:
    return min(size for size in (batch_size, num_images, num_images % batch_size) if size)


def _check_micro_batches(micro_batches: int, optimizer: Wrapper, method: str) -> None:
    """Refuse to run a batch in parts for a method that asks for its sample losses.

    Raises:
        InputError: if there are several parts and such a method.
    """
    if micro_batches > 1 and optimizer.sample_losses:
        rule = f"{method} takes the gradient of a whole batch, or of samples that it selects from all of it"
        raise InputError(problem("task", "micro_batches", micro_batches, rule, "write 1, or take another method"))


def _seconds(trainer: Trainer, position: int = 0) -> float:
    """Train on a batch of an epoch, the first by default; return what it took, the device's work included."""
    before = trainer.ais.seconds
    trainer.model.train()
    with trainer.ais.running():
        trainer.iterate(trainer.loader.batches(0, start=position), trainer.iteration + 1)
    return trainer.ais.seconds - before
