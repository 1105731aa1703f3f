"""The class that Ray runs around a trainable: a trial is set up at its first step, and errors of that are marked."""

import traceback
from typing import Any

from ray.tune import Trainable
from typing_extensions import override

from vsam_tune.study.scheduling.failures import REFUSED, NewWorkerError, SetupError


class SetUpAtFirstStep(Trainable):
    """Calls the trainable's `setup` or `reset_config` at the first step of a trial. See `worker_class`.

    Ray starts a worker for a trial, and gives the trial to another worker if that one is free before. The worker that
    is not used must not have read data and built a model. Besides, an error in a step is Ray's simplest one: the trial
    is running, and its worker is stopped.
    """

    _next: tuple[dict[str, Any], bool] | None = None  # the configuration of a trial that has not begun; whether first
    _was_set_up = False
    _begins = False  # whether the trainable's own `setup` or `reset_config` runs: the one may call the other

    @override
    def setup(self, config: dict[str, Any]) -> None:
        if self._begins:
            super().setup(config)
        else:
            self._next = (config, True)

    @override
    def reset_config(self, new_config: dict[str, Any]) -> bool:
        if self._begins:
            return bool(super().reset_config(new_config))
        self._next = (new_config, not self._was_set_up)
        return True

    @override
    def step(self) -> dict[str, Any]:
        if self._next is not None:
            config, first = self._next
            self._next, self._begins = None, True
            self._set_up(config) if first else self._reset(config)
            self._begins = False
        report: dict[str, Any] = super().step()
        return report

    @override
    def cleanup(self) -> None:
        if self._was_set_up:
            super().cleanup()  # type: ignore[no-untyped-call] # Ray leaves it untyped

    def _set_up(self, config: dict[str, Any]) -> None:
        self._was_set_up = True
        try:
            super().setup(config)
        except (Exception, SystemExit) as error:
            raise SetupError(traceback.format_exc()) from error

    def _reset(self, config: dict[str, Any]) -> None:
        try:
            same_worker = super().reset_config(config)
        except (Exception, SystemExit) as error:
            raise NewWorkerError(traceback.format_exc()) from error
        if not same_worker:
            raise NewWorkerError(REFUSED)


def worker_class(trainable: type[Trainable]) -> type[Trainable]:
    """Return the class that Ray runs for a trainable; it has the same name, which Ray shows."""
    return type(trainable.__name__, (SetUpAtFirstStep, trainable), {})


def reuses_workers(trainable: type[Trainable]) -> bool:
    """Return whether the trainable can run trials one after the other: whether it overrides `reset_config`."""
    return trainable.reset_config is not Trainable.reset_config
