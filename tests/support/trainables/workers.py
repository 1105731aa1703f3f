"""Light trainables that differ in how a worker is set up for its next trial; each notes what is called."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.tune import Trainable
from typing_extensions import override

NOTES = "calls.jsonl"  # in the study's folder: a line for each call of `setup` and `reset_config`
BROKEN = "no such table: häuser"


class Plain(Trainable):
    """Ray's smallest trainable: `setup` and `step` alone."""

    @override
    def setup(self, config: dict[str, Any]) -> None:
        self._begin("setup", config)

    def _begin(self, call: str, config: Mapping[str, Any]) -> None:
        self._x, self._steps, self._seconds = config["params"]["x"], 0, config["method"].get("seconds", 0)
        with (Path(config["folder"]).parents[1] / NOTES).open("a") as file:
            file.write(json.dumps({"call": call, "number": config["number"], "pid": os.getpid()}) + "\n")

    @override
    def step(self) -> dict[str, Any]:
        time.sleep(self._seconds)
        self._steps += 1
        point = {"epoch": self._steps, "iteration": self._steps, "loss": self._x, "cost": -self._x}
        return {**point, "done": self._steps == 2}


class Reuses(Plain):
    """Runs trials one after the other in a worker."""

    @override
    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin("reset_config", new_config)
        return True


class Refuses(Plain):
    """Overrides `reset_config` to say that it cannot be reset."""

    @override
    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return False


class ResetFails(Plain):
    """Raises in `reset_config`."""

    @override
    def reset_config(self, new_config: dict[str, Any]) -> bool:
        raise NotImplementedError("not yet")


class SetupFails(Plain):
    """Raises in `setup`."""

    @override
    def setup(self, config: dict[str, Any]) -> None:
        super().setup(config)
        raise LookupError(BROKEN)


class SetupExits(Plain):
    """Calls `sys.exit` in `setup`, as a parser of arguments does."""

    @override
    def setup(self, config: dict[str, Any]) -> None:
        super().setup(config)
        raise SystemExit(BROKEN)


def read_calls(study_folder: Path) -> list[dict[str, Any]]:
    """Return what the workers of a study noted, in order."""
    return [json.loads(line) for line in (study_folder / NOTES).read_text().splitlines()]
