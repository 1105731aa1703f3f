"""`optuna.db`: created whole or not at all, since the driver may be killed, and others may read or create it.

It holds the Optuna study of a search, and under another name that of its baselines.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage
from optuna.study import Study as OptunaStudy

from vsam_tune.analysis.results import Objective
from vsam_tune.atomic_file import atomic_path
from vsam_tune.study.storage.creation_lock import creation_lock
from vsam_tune.study.storage.patient_connection import CONNECT_ARGS
from vsam_tune.study.storage.sqlite_url import sqlite_url


def open_or_create(
    path: Path,
    name: str,
    *,
    objectives: Sequence[Objective],
    resolved: Mapping[str, Any],
) -> OptunaStudy:
    """Return an Optuna study with `resolved` as its attribute `study`, and the names of its objectives.

    Args:
        path: of the database, in a folder that exists.
        name: of the Optuna study.
        objectives: in order.
        resolved: the attribute.
    """
    directions = [each.direction for each in objectives]
    with creation_lock(path.parent):
        if not path.exists():
            _create_database(path, name, objectives, resolved)
    study = optuna.create_study(study_name=name, storage=connected(path), directions=directions, load_if_exists=True)
    # None if it was just created in an existing database, by this driver or by one that was killed at that moment
    if study.user_attrs.get("study") != resolved:
        study.set_user_attr("study", dict(resolved))
    _name_objectives(study, [each.name for each in objectives])  # also those of a database that has none yet
    return study


def _name_objectives(study: OptunaStudy, names: list[str]) -> None:
    """Store the names that Optuna's own tools show instead of `values_0`; nothing here reads them."""
    if study.metric_names != names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # of this method, which is wanted
            study.set_metric_names(names)


def connected(path: Path) -> RDBStorage:
    """Return the storage in an existing database; it waits, with a word, while another process writes.

    Raises:
        InputError: here and at each use, if the file is locked for long, damaged, or cannot be read or written.
    """
    return RDBStorage(sqlite_url(path), engine_kwargs={"connect_args": CONNECT_ARGS})


def _create_database(path: Path, name: str, objectives: Sequence[Objective], resolved: Mapping[str, Any]) -> None:
    directions = [each.direction for each in objectives]
    with atomic_path(path) as part:
        database = RDBStorage(sqlite_url(part), engine_kwargs={"connect_args": CONNECT_ARGS})
        study = optuna.create_study(storage=database, study_name=name, directions=directions)
        study.set_user_attr("study", dict(resolved))
        database.remove_session()
        database.engine.dispose()
