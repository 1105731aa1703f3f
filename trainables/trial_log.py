"""The log of a trial: the library's records in a worker go to `log.txt` in the trial's folder."""

import logging
from pathlib import Path


class TrialLog:
    """Writes the records of the library's loggers to one file at a time."""

    def __init__(self) -> None:
        self._handler: logging.FileHandler | None = None

    def open(self, path: Path) -> None:
        """Append to `path` from now on."""
        self.close()
        self._handler = logging.FileHandler(path, encoding="utf-8", delay=True, errors="backslashreplace")
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        for name in ("vsam_tune", "trainables"):
            logger = logging.getLogger(name)
            logger.setLevel(logging.INFO)
            logger.addHandler(self._handler)

    def close(self) -> None:
        """Detach and close the current file."""
        if self._handler is None:
            return
        for name in ("vsam_tune", "trainables"):
            logging.getLogger(name).removeHandler(self._handler)
        self._handler.close()
        self._handler = None
