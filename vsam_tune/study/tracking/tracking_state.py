"""The state of tracking in a study's folder: where its trials are logged, under which id, and whether all are there.

The name of a study does not find it: on a shared server another folder's study, or a deleted one, may have the name.
"""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vsam_tune.atomic_file import write_text
from vsam_tune.study.file.tracking_uri import without_password
from vsam_tune.study.storage.creation_lock import creation_lock
from vsam_tune.study.storage.folder import BASELINES_FOLDER, CONFIRM_FOLDER
from vsam_tune.study.storage.sqlite_url import sqlite_url
from vsam_tune.study.tracking.sql_store import logged_studies

STORE = "mlflow.db"  # in the study's folder, unless the study names another store
_FILE = "mlflow.json"


@dataclass(frozen=True, slots=True)
class TrackingState:
    """The content of `mlflow.json`.

    Attributes:
        study_id: tag of the study's MLflow experiment, the same in every store.
        uri: the tracking URI without its password; None for a SQLite file in the folder.
        complete: whether that store holds all of the study.
        folder: that the id was given to, absolute; None in a file of a former version.
    """

    study_id: str
    uri: str | None
    complete: bool
    folder: str | None = field(default=None, compare=False)


def read_tracking_state(folder: Path) -> TrackingState | None:
    """Return the state; None if tracking never began, or the file is damaged."""
    try:
        content = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return _checked(content) if isinstance(content, dict) else None


def _checked(content: Mapping[str, Any]) -> TrackingState | None:
    """Return what a file holds as far as it can be right; without an id, nothing."""
    study_id, uri, folder = (content.get(key) for key in ("study_id", "uri", "folder"))
    if not isinstance(study_id, str) or not re.fullmatch(r"[\w-]{1,64}", study_id):
        return None
    uri, folder = (value if isinstance(value, str) and value else None for value in (uri, folder))
    return TrackingState(study_id, uri, complete=content.get("complete") is True, folder=folder)


def write_tracking_state(folder: Path, uri: str | None, *, complete: bool) -> TrackingState:
    """Write down where the study is logged, under a new `study_id` the first time; return the content."""
    with creation_lock(folder):
        return _write(folder, replace(begun_state(folder, uri), complete=complete))


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
    uri = uri and without_password(uri)
    study = read_tracking_state(home)
    if study is None or study.uri != uri or _placed(study, home, uri) != study:
        study = write_tracking_state(home, uri, complete=False)
    return _write(folder, TrackingState(study.study_id, uri, complete))


def begun_state(folder: Path, uri: str | None) -> TrackingState:
    """Return the state with which a start of a study begins; nothing is written."""
    uri = uri and without_password(uri)
    former = read_tracking_state(folder) or TrackingState(_known_id(folder) or _new_id(), uri, complete=False)
    return replace(_placed(former, folder, uri), uri=uri, complete=False)


def _new_id() -> str:
    return uuid.uuid4().hex


def _known_id(folder: Path) -> str | None:
    """Return the id that a study was logged under whose own file is lost."""
    for part in (BASELINES_FOLDER, CONFIRM_FOLDER):
        if state := read_tracking_state(folder / part):
            return state.study_id
    name = folder.absolute().name
    studies = [study for study in logged_studies(default_uri(folder)) if study.name.startswith(name)]
    return studies[0].study_id if len(studies) == 1 else None


def _placed(state: TrackingState, folder: Path, uri: str | None) -> TrackingState:
    """Return the state of a study that may have been moved, or copied since.

    A copy needs an id where it shares a store with its original: their trials have the same numbers. In the file of its
    own folder it keeps the id, under which its experiment is found there.
    """
    place = folder.absolute()
    if state.folder is None or Path(state.folder) == place:
        return replace(state, folder=str(place))
    former = Path(state.folder)
    original = read_tracking_state(former)
    if original is None or original.study_id != state.study_id or former.samefile(place):
        return replace(state, folder=str(place))  # moved
    return state if uri is None else replace(state, study_id=_new_id(), folder=str(place), complete=False)


def _write(folder: Path, tracked: TrackingState) -> TrackingState:
    write_text(folder / _FILE, json.dumps(asdict(tracked)) + "\n")
    return tracked


def lacks_a_part(folder: Path, uri: str | None) -> bool:
    """Return whether the store may lack a part: its server was away, the driver was killed, or it is another one."""
    tracked = read_tracking_state(folder)
    return tracked is None or not tracked.complete or tracked.uri != (uri and without_password(uri))


def is_new_copy(folder: Path, uri: str | None) -> bool:
    """Return whether a study was copied, and shares the store with its original under the same id until now."""
    tracked = read_tracking_state(folder)
    return tracked is not None and _placed(tracked, folder, uri).study_id != tracked.study_id


def default_uri(folder: Path) -> str:
    """Return the tracking URI of a study that names none: `mlflow.db` in its folder."""
    return sqlite_url(folder / STORE)
