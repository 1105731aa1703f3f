"""A light custom trainable with two objectives; a setting selects how a trial ends."""

import json
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

from ray.tune import Trainable
from typing_extensions import override

STEPS = "steps.jsonl"  # in a trial's folder: a line for each step that was taken, repeated ones too


class Quadratic(Trainable):
    """Reports `loss` = (x - 1)**2 + 1/epoch and `cost` = (x + 1)**2; a step is an epoch, and takes `seconds`.

    Under `method:` stand the numbers of the trials that shall, at epoch 2, `raise`, `die` (once), `diverge`, or report
    a `nan`.
    """

    @override
    def setup(self, config: dict[str, Any]) -> None:
        self._begin(config)

    @override
    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._settings, self._folder = config, Path(config["folder"])
        checkpoint = self._folder / "checkpoint.pt"
        self._epoch = json.loads(checkpoint.read_text())["epoch"] if checkpoint.exists() else 0
        self._reports_again = self._epoch in config["pause_epochs"]

    @override
    def step(self) -> dict[str, Any]:
        if self._epoch == self._settings["task"]["epochs"] or self._reports_again:  # the report may have been lost
            self._reports_again = False
            return self._report()
        time.sleep(self._settings["method"].get("seconds", 0))
        self._epoch += 1
        again = self._note()
        if self._meets("raise"):
            raise ArithmeticError(f"trial {self._settings['number']} raises on request")
        if self._meets("die") and not again:
            os.kill(os.getpid(), signal.SIGKILL)
        self._save(self._folder / "checkpoint.pt")
        return self._report()

    def _report(self) -> dict[str, Any]:
        point = {"epoch": self._epoch, "iteration": 10 * self._epoch}
        if self._meets("diverge"):
            return {**point, "diverged": 10 * self._epoch, "done": True}
        x, ill = self._settings["params"]["x"], self._meets("nan")
        loss = math.nan if ill else (x - 1) ** 2 + 1 / self._epoch
        done = ill or self._epoch == self._settings["task"]["epochs"]
        return {**point, "loss": loss, "cost": (x + 1) ** 2, "done": done}

    def _meets(self, fate: str) -> bool:
        return self._epoch == 2 and self._settings["number"] in self._settings["method"].get(fate, [])

    def _note(self) -> bool:
        """Write the step down; return whether its epoch was reached before."""
        again = any(step["epoch"] == self._epoch for step in read_steps(self._folder))
        with (self._folder / STEPS).open("a") as file:
            file.write(json.dumps({"epoch": self._epoch, "pid": os.getpid()}) + "\n")
        return again

    def _save(self, path: Path) -> None:
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"epoch": self._epoch}))
        part.replace(path)

    @override
    def save_checkpoint(self, checkpoint_dir: str) -> None:
        self._save(Path(checkpoint_dir) / "checkpoint.json")

    @override
    def load_checkpoint(self, checkpoint: str | None) -> None:
        """Do nothing: a trial goes on from `checkpoint.pt` in its folder."""


def read_steps(folder: Path) -> list[dict[str, int]]:
    """Return the steps that were taken for the trial in a folder."""
    path = folder / STEPS
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
