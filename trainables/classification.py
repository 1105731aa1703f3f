"""`trainables.classification:Classification`: one trial of image classification, as a Ray Tune class trainable.

docs/trainables.md says what a study needs of a trainable.
"""

import json
import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ray.tune import Trainable
from typing_extensions import override

from trainables.error_file import with_error_file
from trainables.training_warnings import training_warnings
from trainables.trial_log import TrialLog
from vsam_tune.trial import TrialConfig, replicate_seed

if TYPE_CHECKING:
    from vsam_tune.data.load import TaskData
    from vsam_tune.training.trainer import Trainer

logger = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 30.0  # at least, between two checkpoints of a trial; one follows a read of the trainer


class Classification(Trainable):
    """Trains the model of a study's task with one configuration; a step is an epoch.

    The next trial reuses the worker process (`reset_config`). It keeps nothing but the data, if the next trial needs
    the same. A trial resumes from `checkpoint.pt` in its folder if there is one.

    In a search it trains on the training part and reports `val_accuracy`; with `test` also `test_accuracy`, once, at
    the end. With `final` it trains on training and validation part together and reports `test_accuracy` at the end. If
    the method keeps an average of the model, its accuracy is reported as `averaged_val_accuracy` or
    `averaged_test_accuracy`. Each accuracy has its standard error, such as `val_accuracy_error`.

    Several `replicates` are trained one after the other; `epoch` and `iteration` continue to count. The report at the
    end of a replicate has the means over the replicates so far.
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
        self._settings = cast("TrialConfig", config)
        self._begin(new_worker=new_worker)

    @with_error_file
    def _begin(self, *, new_worker: bool) -> None:
        from trainables.dry_run import warm_up

        config = self._settings
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "error.txt").unlink(missing_ok=True)
        self._log.open(self.folder / "log.txt")
        data = self._task_data(config)
        if new_worker:
            warm_up(config, data)
        self._begin_replicate([])
        self._reports_again = False  # an epoch at which the trial may pause, before it trains the next
        self._checkpoint_time = time.monotonic()
        checkpoint = self.folder / "checkpoint.pt"
        if checkpoint.exists():
            self._restore(checkpoint)
            logger.info("resumed at iteration %d", self._counted()["iteration"])

    def _begin_replicate(self, ended: list[dict[str, float]]) -> None:
        """Set up the next replicate; `ended` has the metrics of those before it."""
        from trainables.build import build_trainer

        config = self._settings
        seed = replicate_seed(config["seed"], len(ended))
        self.trainer, self._evaluation = build_trainer({**config, "seed": seed}, self._task_data(config))
        self._ended: list[dict[str, float]] = ended  # before the one that `trainer` trains
        self._last: dict[str, float] | None = None  # metrics of that one, once it has ended and was reported

    def _restore(self, path: Path) -> None:
        from vsam_tune.training.checkpoint import load_checkpoint

        state = load_checkpoint(path, device=self.trainer.loader.device)
        if len(state["replicates"]) != len(self._ended):
            self._begin_replicate(state["replicates"])
        self._ended = state["replicates"]
        self.trainer.load_state_dict(state["trainer"])
        has_begun = self.trainer.iteration % len(self.trainer.loader) > 0
        may_pause = self.trainer.epoch in self._settings["pause_epochs"]
        self._reports_again = may_pause and not has_begun and not self._ended

    def _task_data(self, config: TrialConfig) -> "TaskData":
        from trainables.build import data_arguments, load_data

        arguments = data_arguments(config)
        key = json.dumps(arguments, sort_keys=True)
        if self._data is None or self._data[0] != key:
            self._data = None  # frees the former set before the next is read
            self._data = (key, load_data(arguments))
        return self._data[1]

    @override
    @with_error_file
    def step(self) -> dict[str, Any]:
        from vsam_tune.training.trainer import DivergedError

        if self._last is not None:
            self._begin_replicate([*self._ended, self._last])
        trainer = self.trainer
        if trainer.epoch < trainer.epochs and not self._reports_again:
            try:
                metrics = trainer.train_epoch(between=self._checkpoint_when_due)
            except DivergedError as error:
                logger.warning("diverged: %s", error)
                self._leave_files()
                counted = self._counted()
                return self._end({"diverged": counted["iteration"], **counted, **self._progress()})
        else:  # resumed from a checkpoint that was written after an epoch whose report may have been lost
            metrics = trainer.metrics()
        self._reports_again = False
        finished = trainer.epoch == trainer.epochs
        metrics |= self._counted() | self._evaluated(finished=finished)
        if finished:
            return self._replicate_ended(metrics)
        self._checkpoint_when_due(always=metrics["epoch"] in self._settings["pause_epochs"])
        return self._explained({**metrics, **self._progress()})

    def _replicate_ended(self, metrics: dict[str, float]) -> dict[str, Any]:
        """Return the means over the replicates so far; the one that ends now has these metrics."""
        from vsam_tune.training.standard_errors import over_replicates

        self._leave_files()
        self._last = metrics
        replicates = [*self._ended, metrics]
        means = over_replicates(replicates)
        if self._settings["replicates"] > 1:
            means |= {"replicates": len(replicates), "replicate_ended": True}
        if len(replicates) == self._settings["replicates"]:
            return self._end(self._explained(means))
        self._checkpoint_when_due()
        return self._explained(means)

    def _counted(self) -> dict[str, float]:
        """Return the epochs and iterations of all replicates so far."""
        before = self._ended[-1] if self._ended else {"epoch": 0, "iteration": 0}
        done = {"epoch": self.trainer.epoch, "iteration": self.trainer.iteration}
        return {name: before[name] + count for name, count in done.items()}

    def _progress(self) -> dict[str, float]:
        """Return how many replicates have ended, if there are several."""
        return {"replicates": len(self._ended)} if self._settings["replicates"] > 1 else {}

    def _explained(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """Return the metrics, with the reason if they hold no reliable speed over SAM's."""
        reliable = not math.isnan(metrics["ais_vs_sam"])
        return metrics if reliable else {**metrics, "unreliable_reason": self.trainer.unreliable_reason}

    def _evaluated(self, *, finished: bool) -> dict[str, float]:
        """Return accuracies and losses of the trained weights, if this epoch needs them."""
        from trainables.build import evaluation_loader
        from trainables.evaluation import evaluate_on

        final, data, trainer = self._settings["final"], self._task_data(self._settings), self.trainer
        metrics = {}
        if finished or not final:
            metrics = evaluate_on("test" if final else "val", trainer, self._evaluation)
        if finished and self._settings["test"] and not final:
            test = evaluation_loader(self._settings["task"], data, data.test, trainer.loader.device)
            metrics |= evaluate_on("test", trainer, test)
        return metrics

    def _leave_files(self) -> None:
        """Complete the files of the replicate that ends, and log its warnings."""
        replicate = len(self._ended)
        name = f"trajectory-{replicate}.parquet" if replicate else "trajectory.parquet"
        self.trainer.trajectory.write_parquet(self.folder / name)
        for line in training_warnings(self.trainer):
            logger.warning("%s", line)

    def _end(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """Keep the weights of a final training, and report that the trial is done."""
        if self._settings["final"]:
            self._checkpoint(metrics)
        return {**metrics, "done": True}

    def _checkpoint_when_due(self, *, always: bool = False) -> None:
        if always or time.monotonic() - self._checkpoint_time >= CHECKPOINT_SECONDS:
            try:
                self._checkpoint({})
            except OSError as error:  # a full disk: the former checkpoint is whole, and training goes on
                logger.warning("no checkpoint at iteration %d: %s", self._counted()["iteration"], error)
            self._checkpoint_time = time.monotonic()

    def _checkpoint(self, metrics: dict[str, Any]) -> None:
        self._write_checkpoint(self.folder / "checkpoint.pt", metrics)

    def _write_checkpoint(self, path: Path, metrics: dict[str, Any]) -> None:
        from vsam_tune.training.checkpoint import save_checkpoint

        state = {
            "trainer": self.trainer.state_dict(),
            "replicates": self._ended,
            "config": {key: self._settings[key] for key in ("task", "base_optimizer", "method", "seed")},
            "metrics": metrics,
        }
        save_checkpoint(state, path)

    @override
    def save_checkpoint(self, checkpoint_dir: str) -> None:
        self._write_checkpoint(Path(checkpoint_dir) / "checkpoint.pt", {})

    @override
    def load_checkpoint(self, checkpoint: str | None) -> None:  # type: ignore[override] # Ray passes a path
        if checkpoint:
            self._restore(Path(checkpoint) / "checkpoint.pt")

    @classmethod
    def check(cls, config: TrialConfig, *, time_iterations: bool) -> dict[str, float]:
        """Build a trial as `setup` does and train its first iterations, for `vsam-tune check` and `search`.

        Args:
            config: as for `setup`.
            time_iterations: also measure iterations; takes some seconds.

        Returns:
            See `trainables.dry_run.dry_run`.

        Raises:
            InputError: if the data or the model cannot be loaded, or do not fit together.
        """
        from trainables.dry_run import dry_run

        return dry_run(config, time_iterations=time_iterations)
