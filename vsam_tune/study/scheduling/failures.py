"""Why a Ray trial failed: the errors that a worker raises on purpose, and their way through the text that Ray keeps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from typing_extensions import override

REFUSED = "reset_config returned False"


class _WorkerError(Exception):
    """An error that a worker raises on purpose.

    Args:
        text: the traceback of the error behind it, or `REFUSED`.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    @override
    def __str__(self) -> str:
        return self.text


class SetupError(_WorkerError):
    """The trainable's `setup` failed."""


class NewWorkerError(_WorkerError):
    """The trainable's `reset_config` returned False or failed: the trial needs a new worker process."""


class Consequence(Enum):
    """The consequence of a failure for its trial."""

    RETRY = "it is tried again, as often as the study's retries allow"
    FAIL = "it has failed: it would fail in the same way again"
    NEW_WORKER = "it has not begun, and gets a new worker"


_CONSEQUENCES = {SetupError: Consequence.FAIL, NewWorkerError: Consequence.NEW_WORKER}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a Ray trial failed.

    Attributes:
        text: the error with its traceback; empty if the worker process is gone.
        consequence: for the trial.
    """

    text: str
    consequence: Consequence = Consequence.RETRY


def read_failure(lines: Sequence[str]) -> Failure:
    """Return the newest failure in the lines of Ray's error file of a trial."""
    _, _, newest = "\n".join(lines).rpartition("Failure # ")
    _, _, text = newest.partition("\n")  # the line that begins with "Failure #" holds a count and a date
    text = re.sub(r"\x1b\[\d+m", "", text).strip()  # Ray colours it
    if "died unexpectedly" in text.partition("\n")[0]:
        return Failure("")
    for error, consequence in _CONSEQUENCES.items():
        _, found, rest = text.partition(f"\n{error.__module__}.{error.__qualname__}:")
        if found:
            return Failure(rest.strip(), consequence)
    return Failure(text)
