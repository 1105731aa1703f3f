"""`trainables.classification:Classification`: one trial of image classification, as a Ray Tune class trainable.

What a study needs of a trainable, ours or another's, is in docs/trainables.md.
"""

import json
import logging
import math
import time
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ray.tune import Trainable
from typing_extensions import override

from trainables.trial_log import TrialLog

if TYPE_CHECKING:
    from vsam_tune.data.task import TaskData
    from vsam_tune.training.trainer import Trainer

logger = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 30.0  # between two checkpoints of a trial: what a crash can cost, at most
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _noted(method: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Leave the traceback of a failing call in the trial's folder, where `vsam-tune show` finds it."""

    @wraps(method)
    def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            return method(*args, **kwargs)
        except Exception:
            folder: Path = args[0].folder  # type: ignore[attr-defined] # the first argument is the trainable
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "error.txt").write_text(traceback.format_exc())
            raise

    return call


class Classification(Trainable):
    """Trains the model of a study's task with one configuration; a step is an epoch.

    A worker process is reused by the next trial (`reset_config`): it keeps the data when the task's data are the same,
    and nothing else. The trial resumes from `checkpoint.pt` in its folder where one is found.

    In a search it trains on the training part and reports `val_accuracy`; with `final` it trains on training and
    validation part together and reports `test_accuracy` at the end. A method that keeps an average of the model has
    its accuracy reported beside, as `averaged_val_accuracy` or `averaged_test_accuracy`.
    """

    folder: Path
    trainer: "Trainer"

    @override
    def setup(self, config: dict[str, Any]) -> None:
        self._data: tuple[str, TaskData] | None = None
        self._log = TrialLog()
        self._start(config, new_worker=True)

    @override
    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._start(new_config)
        return True

    @override
    def cleanup(self) -> None:
        self._log.close()

    def _start(self, config: dict[str, Any], *, new_worker: bool = False) -> None:
        self.folder = Path(config["folder"])
        self._settings = config
        self._begin(new_worker=new_worker)

    @_noted
    def _begin(self, *, new_worker: bool) -> None:
        from trainables.build import build_trainer, warm_up
        from vsam_tune.training.checkpoint import load_checkpoint

        config = self._settings
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "error.txt").unlink(missing_ok=True)
        self._log.open(self.folder / "log.txt")
        data = self._task_data(config)
        if new_worker:
            warm_up(config, data)
        self.trainer, self._evaluation = build_trainer(config, data)
        self._checkpoint_time = time.monotonic()
        checkpoint = self.folder / "checkpoint.pt"
        if checkpoint.exists():
            self.trainer.load_state_dict(load_checkpoint(checkpoint, device=self.trainer.loader.device)["trainer"])
            logger.info("resumed at iteration %d", self.trainer.iteration)

    def _task_data(self, config: dict[str, Any]) -> "TaskData":
        from trainables.build import data_arguments, load_data

        arguments = data_arguments(config)
        key = json.dumps(arguments, sort_keys=True)
        if self._data is None or self._data[0] != key:
            self._data = None  # frees the former set before the next is read
            self._data = (key, load_data(arguments))
        return self._data[1]

    @override
    @_noted
    def step(self) -> dict[str, Any]:
        from vsam_tune.training.trainer import DivergedError

        trainer = self.trainer
        if trainer.epoch < trainer.epochs:
            try:
                metrics = trainer.train_epoch(between=self._checkpoint_when_due)
            except DivergedError as error:
                logger.warning("diverged: %s", error)
                return self._end({
                    "diverged": error.iteration,
                    "epoch": trainer.epoch,
                    "iteration": trainer.iteration,
                })
        else:  # resumed from a checkpoint that was written after the last epoch
            metrics = trainer.metrics()
        finished = trainer.epoch == trainer.epochs
        if not self._settings["final"] or finished:
            metrics |= self._evaluated()
        if finished:
            return self._end(metrics)
        self._checkpoint_when_due()
        return metrics

    def _evaluated(self) -> dict[str, float]:
        """Return accuracy and loss of the trained weights; and, where the method keeps an average, its accuracy."""
        part = "test" if self._settings["final"] else "val"
        accuracy, loss = self.trainer.evaluate(self._evaluation)
        metrics = {f"{part}_accuracy": accuracy, f"{part}_loss": loss}
        averaged = getattr(self.trainer.loss_term, "averaged_model", None)
        if averaged is not None:
            metrics[f"averaged_{part}_accuracy"], _ = self.trainer.evaluate(self._evaluation, averaged)
        return metrics

    def _end(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """Leave the trial's files complete, then say that it is done."""
        self.trainer.trajectory.write_parquet(self.folder / "trajectory.parquet")
        self._warn_of_a_rate_that_never_adapted()
        self._warn_of_a_term_that_never_began()
        if self._settings["final"]:
            self._checkpoint(metrics)
        return {**metrics, "done": True}

    def _warn_of_a_rate_that_never_adapted(self) -> None:
        optimizer, iterations = self.trainer.optimizer, self.trainer.iteration
        if not hasattr(optimizer, "adaptation_start"):
            return
        start = optimizer.adaptation_start
        if start is None or start >= iterations:  # adapted after the last iteration, it was of no effect
            logger.warning(
                "the sampling rate never adapted in %d iterations: %d sampled, window %s. Cure: a smaller window,"
                " fewer warmup_iterations, or a larger initial_rate",
                iterations,
                self.trainer.trajectory.num_sampled,
                self._settings["method"].get("window", "unknown"),  # a method of one's own need not have it set
            )

    def _warn_of_a_term_that_never_began(self) -> None:
        trainer = self.trainer
        if trainer.loss_term is None or trainer.epoch < trainer.epochs:
            return
        if all(map(math.isnan, trainer.trajectory.table()["penalty"])):
            logger.warning(
                "the loss term added nothing in %d epochs: this was the base optimizer's training. Cure: a smaller"
                " start_epoch or lag_epochs, a weight above 0, or more epochs",
                trainer.epochs,
            )

    def _checkpoint_when_due(self) -> None:
        if time.monotonic() - self._checkpoint_time >= CHECKPOINT_SECONDS:
            try:
                self._checkpoint({})
            except OSError as error:  # a full disk: the former checkpoint is whole, and training goes on
                logger.warning("no checkpoint at iteration %d: %s", self.trainer.iteration, error)
            self._checkpoint_time = time.monotonic()

    def _checkpoint(self, metrics: dict[str, Any]) -> None:
        self._write_checkpoint(self.folder / "checkpoint.pt", metrics)

    def _write_checkpoint(self, path: Path, metrics: dict[str, Any]) -> None:
        from vsam_tune.training.checkpoint import save_checkpoint

        config = {key: self._settings[key] for key in ("task", "base_optimizer", "method", "seed")}
        save_checkpoint({"trainer": self.trainer.state_dict(), "config": config, "metrics": metrics}, path)

    @override
    def save_checkpoint(self, checkpoint_dir: str) -> None:
        self._write_checkpoint(Path(checkpoint_dir) / "checkpoint.pt", {})

    @override
    def load_checkpoint(self, checkpoint: str | None) -> None:  # type: ignore[override] # what Ray hands over is a path
        from vsam_tune.training.checkpoint import load_checkpoint

        if checkpoint:
            state = load_checkpoint(Path(checkpoint) / "checkpoint.pt", device=self.trainer.loader.device)
            self.trainer.load_state_dict(state["trainer"])

    @classmethod
    def check(cls, config: dict[str, Any], *, time_iterations: bool) -> dict[str, float]:
        """Build a trial as `setup` does and train its first iterations: what `vsam-tune check` and `search` ask first.

        Args:
            config: as for `setup`.
            time_iterations: also measure iterations; takes some seconds.

        Returns:
            `train_images`, `iterations_per_epoch`, `parameters`; `method_memory_mb`, what a loss term keeps; with
            `time_iterations` also `plain_seconds` and `sampled_seconds`, medians of an iteration.

        Raises:
            InputError: if the data or the model cannot be had, or do not fit each other.
        """
        from trainables.build import dry_run

        return dry_run(config, time_iterations=time_iterations)
