"""The first iterations of a trial, trained and discarded: to warm up a worker, and for `vsam-tune check`."""

from pathlib import Path
from statistics import median
from typing import Any

import torch

from trainables.build import build_trainer, data_arguments, load_data
from vsam_tune.data.load import TaskData
from vsam_tune.models.build import count_parameters
from vsam_tune.training.checkpoint import initial_checkpoint
from vsam_tune.training.trainer import Trainer
from vsam_tune.trial import TrialConfig

_ROUNDS, _TIMING_SECONDS = 12, 20.0  # of timed iterations; whichever is reached first, one round at least


def warm_up(config: TrialConfig, data: TaskData) -> None:
    """Train iterations of a trial on the first and the last batch of an epoch, and discard them.

    Some work is done once in a process, such as the first call of each kernel. After a warm-up it is in no trial's AIS.
    The last batch may be smaller; `torch.compile` compiles once more for it.
    """
    trainer, _ = build_trainer({**config, "method": {"name": "sam", "rho": 0.0}}, data)
    for position in (0, len(trainer.loader) - 1, 0):
        _seconds(trainer, position)


def dry_run(config: TrialConfig, *, time_iterations: bool) -> dict[str, float]:
    """Train the first iteration of a trial, and measure some more on request.

    Args:
        config: the settings of a trial.
        time_iterations: measure iterations of the base optimizer alone and of SAM, interleaved: an iteration of any
            method costs one or the other.

    Returns:
        `train_images`, `validation_images` and `test_images`, `channels`, `image_size` in pixels, `classes`,
        `redrawn_labels`, that the label noise changed; `iterations_per_epoch`, `parameters`; `method_memory_mb`, that a
        loss term keeps for the whole run; `starts_from_final_training`, 1 for an initial checkpoint that has seen the
        validation part; with `time_iterations` also `plain_seconds` and `sampled_seconds`, medians of an iteration.
    """
    if not torch.cuda.is_available():  # the driver of a cluster need not have the GPUs of its workers
        config = {**config, "gpus": 0}
    data = load_data(data_arguments(config))
    trainer, _ = build_trainer(config, data)
    _seconds(trainer)
    facts: dict[str, float] = {
        "train_images": len(data.train),
        **({} if data.validation is None else {"validation_images": len(data.validation)}),
        "test_images": len(data.test),
        "channels": data.in_channels,
        "image_size": data.image_size,
        "classes": data.num_classes,
        "redrawn_labels": data.redrawn,
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


def _seconds(trainer: Trainer, position: int = 0) -> float:
    """Train on a batch of an epoch, the first by default; return the seconds, the device's work included."""
    before = trainer.ais.seconds
    trainer.model.train()
    with trainer.ais.running():
        trainer.iterate(trainer.loader.batches(0, start=position), trainer.iteration + 1)
    return trainer.ais.seconds - before
