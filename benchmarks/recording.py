"""The measurements of a benchmark, in a file that a later call continues."""

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.ratios import Ratios
from benchmarks.rounds import Timed
from vsam_tune.atomic_file import write_text
from vsam_tune.errors import InputError, problem

CLOCKS = ("wall", "cpu")


class Recording:
    """Rounds, the sessions that took them, and the settings that they share.

    Args:
        path: JSON file for the rounds; None for none.
        content: `settings`; `sessions`, a dict per call; `rounds`, each `{key: [wall, cpu, sampled, evaluations]}` in
            the order of execution; `peak_bytes` by key.
    """

    def __init__(self, path: Path | None, content: dict[str, Any]) -> None:
        self._path, self.content = path, content

    @classmethod
    def opened(cls, path: Path | None, settings: dict[str, Any]) -> Self:
        """Return the recording of a file, or a new one if there is no file yet.

        Raises:
            InputError: if the settings in the file differ.
        """
        if path is None or not path.exists():
            return cls(path, {"settings": settings, "sessions": [], "rounds": [], "peak_bytes": {}})
        content = json.loads(path.read_text(encoding="utf-8"))
        for key, value in settings.items():
            if (held := content["settings"].get(key)) != value:
                fix = "use the settings of the file, or another --out"
                raise InputError(problem(str(path), key, held, f"differs from this call's {value!r}", fix))
        return cls(path, content)

    @property
    def num_rounds(self) -> int:
        """Number of rounds so far."""
        return len(self.content["rounds"])

    def add(self, taken: dict[str, Timed]) -> None:
        """Add a round, and save."""
        self.content["rounds"].append({key: astuple(each) for key, each in taken.items()})
        self.save()

    def save(self) -> None:
        """Write the file atomically."""
        if self._path is not None:
            write_text(self._path, json.dumps(self.content))

    def ratios(self, clock: str) -> Ratios:
        """Return the ratios of the times of one of the CLOCKS."""
        column, rounds = CLOCKS.index(clock), self.content["rounds"]
        seconds = {key: np.array([each[key][column] for each in rounds]) for key in rounds[0]}
        return Ratios(seconds, {key: np.array([each[key][2] for each in rounds], dtype=bool) for key in rounds[0]})

    def evaluations(self, key: str) -> float:
        """Return the mean gradient evaluations of a contender per iteration."""
        return float(np.mean([each[key][3] for each in self.content["rounds"]]))
