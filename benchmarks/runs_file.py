"""The runs of a benchmark, in a JSON file that a later call continues."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vsam_tune.atomic_file import write_text


def earlier_runs(path: Path | None) -> list[Any]:
    """Return the runs in a file; none if there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else []


def keep_runs(path: Path | None, runs: Sequence[Any]) -> None:
    """Write all runs to a file, if one is wanted."""
    if path:
        write_text(path, json.dumps(runs))
