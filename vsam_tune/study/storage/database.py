"""`optuna.db`: created whole or not at all, since a driver may be killed meanwhile, and others may read or create.

It holds the Optuna study of a search, and under a name of their own that of its baselines.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage
from optuna.study import Study as OptunaStudy

from vsam_tune.analysis.results import Objective
from vsam_tune.atomic_file import atomic_path
from vsam_tune.study.storage.creation_lock import creation_lock

_WAIT_SECONDS = 60  # for another process to write


def open_or_create(
    path: Path,
    name: str,
    *,
    objectives: Sequence[Objective],
    resolved: Mapping[str, Any],
    sampler: BaseSampler | None,
) -> OptunaStudy:
    """Return an Optuna study with `resolved` as its attribute `study`.

    Args:
        path: of the database, in a folder that exists.
        name: of the Optuna study.
        objectives: in order.
        resolved: the attribute.
        sampler: suggests parameters; None for a study that is only read or told into.
    """
    directions = [each.direction for each in objectives]
    with creation_lock(path.parent):
        if not path.exists():
            _create_database(path, name, objectives, resolved)
    study = optuna.create_study(
        study_name=name, storage=connected(path), sampler=sampler, directions=directions, load_if_exists=True
    )
    # None where it has just been created beside another, by this driver or by one that was killed right then
    if study.user_attrs.get("study") != resolved:
        study.set_user_attr("study", dict(resolved))
    return study


def connected(path: Path) -> RDBStorage:
    """Return the storage in a database that is there; it waits where another process writes."""
    return RDBStorage(_url(path), engine_kwargs={"connect_args": {"timeout": _WAIT_SECONDS}})


def _url(path: Path) -> str:
    return f"sqlite:///{path.absolute()}"


def _create_database(path: Path, name: str, objectives: Sequence[Objective], resolved: Mapping[str, Any]) -> None:
    directions = [each.direction for each in objectives]
    with atomic_path(path) as part:
        database = RDBStorage(_url(part))
        study = optuna.create_study(storage=database, study_name=name, directions=directions)
        study.set_user_attr("study", dict(resolved))
        database.remove_session()
        database.engine.dispose()
