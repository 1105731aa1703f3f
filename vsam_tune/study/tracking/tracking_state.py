"""The state of tracking in a study's folder: where its trials are logged, under which id, and whether all are there.

The name of a study does not find it: on a shared server another folder's study, or a deleted one, may have the name.
"""

import json
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vsam_tune.atomic_file import write_text
from vsam_tune.study.storage.creation_lock import creation_lock

_FILE = "mlflow.json"


@dataclass(frozen=True, slots=True)
class TrackingState:
    """The content of `mlflow.json`.

    Attributes:
        study_id: tag of the study's MLflow experiment, the same in every store.
        uri: the tracking URI; None for a SQLite file in the folder.
        complete: whether that store holds all of the study.
    """

    study_id: str
    uri: str | None
    complete: bool


def read_tracking_state(folder: Path) -> TrackingState | None:
    """Return the state; None if tracking never began."""
    path = folder / _FILE
    return TrackingState(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def write_tracking_state(folder: Path, uri: str | None, *, complete: bool) -> TrackingState:
    """Write down where the study is logged, under a new `study_id` the first time; return the content."""
    with creation_lock(folder):
        former = read_tracking_state(folder) or TrackingState(uuid.uuid4().hex, uri, complete=False)
        return _write(folder, replace(former, uri=uri, complete=complete))


def write_part_state(home: Path, folder: Path, uri: str | None, *, complete: bool) -> TrackingState:
    """Write down where a part of a study is logged, with the study, and whether all of the part is there.

    Args:
        home: the study's folder, which gets the same URI.
        folder: of the part, below it.
        uri: the tracking URI; None for the SQLite file in the study's folder.
        complete: whether that store holds all of the part.

    Returns:
        The state of the part; its `study_id` is the study's.
    """
    study = read_tracking_state(home)
    if study is None or study.uri != uri:
        study = write_tracking_state(home, uri, complete=False)
    return _write(folder, TrackingState(study.study_id, uri, complete))


def _write(folder: Path, tracked: TrackingState) -> TrackingState:
    write_text(folder / _FILE, json.dumps(asdict(tracked)) + "\n")
    return tracked


def lacks_a_part(folder: Path, uri: str | None) -> bool:
    """Return whether the store may lack a part: its server was away, the driver was killed, or it is another one."""
    tracked = read_tracking_state(folder)
    return tracked is None or not tracked.complete or tracked.uri != uri


def default_uri(folder: Path) -> str:
    """Return the tracking URI of a study that names none: `mlflow.db` in its folder."""
    return f"sqlite:///{folder.absolute() / 'mlflow.db'}"
