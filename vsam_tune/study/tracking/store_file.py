"""The SQLite file of an MLflow store: created whole or not at all, and made anew where it is broken."""

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from vsam_tune.atomic_file import atomic_path
from vsam_tune.study.storage.creation_lock import creation_lock
from vsam_tune.study.storage.patient_connection import primary_code
from vsam_tune.study.storage.sqlite_url import sqlite_url
from vsam_tune.study.tracking.mlflow_client import quiet_mlflow
from vsam_tune.study.tracking.sql_store import logged_studies, read_only

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_JOURNALS = ("", "-journal", "-wal", "-shm")  # SQLite's names for what belongs to a database


class BrokenStoreError(Exception):
    """The file is no MLflow store that can be used: it is damaged, or a driver of a former version was killed in it."""


def check_store(path: Path, artifacts: str) -> None:
    """Create the file of a store unless there is one, or check the one that is there.

    Args:
        path: in a folder that exists.
        artifacts: URI of the artifacts of experiments that name no place.

    Raises:
        BrokenStoreError: if the file is broken.
        OSError: if it cannot be written.
        sqlalchemy.exc.SQLAlchemyError: if it is locked, or the disk is full.
        mlflow.exceptions.MlflowException: if it comes from another version of MLflow.
    """
    if not _is_there(path):
        with creation_lock(path.parent):
            if not _is_there(path):
                with atomic_path(path) as part:
                    _open(part, artifacts)
        return
    if reason := damage(path):
        raise BrokenStoreError(reason)
    try:
        _open(path, artifacts)
    except Exception as error:
        if _is_half_made(error, path):
            raise BrokenStoreError("its tables are incomplete") from error
        raise


def _is_there(path: Path) -> bool:
    """Return whether a file has content: SQLite makes it before the first table."""
    return path.exists() and (not path.is_file() or path.stat().st_size > 0)


def _open(path: Path, artifacts: str) -> None:
    """Open a store, which creates the tables that are missing, and let go of the file."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415 - a second

    quiet_mlflow()
    SqlAlchemyStore(sqlite_url(path), artifacts).engine.dispose()  # type: ignore[no-untyped-call] # MLflow's has no types


def damage(path: Path) -> str:
    """Return why a file is no database; empty if it is one."""
    if not path.is_file():
        return "it is no file"
    try:
        with contextlib.closing(read_only(path)) as connection:
            found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            return "" if found == "ok" else found.splitlines()[0]
    except sqlite3.Error as error:
        return str(error) if primary_code(error) in _DAMAGED else ""


def comes_from_damage(error: BaseException) -> bool:
    """Return whether MLflow failed because the pages of its database are damaged, rather than locked or full."""
    return any(primary_code(each) in _DAMAGED for each in _causes(error))


def set_aside(path: Path) -> Path:
    """Rename a broken file and what belongs to it, so that a new one can be created; return its new path."""
    with creation_lock(path.parent):
        names = (path.with_name(f"{path.name}.damaged-{number}") for number in itertools.count(1))
        target = next(name for name in names if not name.exists())
        for suffix in _JOURNALS:
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
    _release(path)
    return target


def _release(path: Path) -> None:
    """Close MLflow's connections to a file: they would still lead to it when it was renamed."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415 - a second

    if engine := SqlAlchemyStore._engine_map.get(sqlite_url(path)):
        engine.dispose()


def _is_half_made(error: Exception, path: Path) -> bool:
    """Return whether a store could not be opened because its tables were not all created."""
    if any(primary_code(each) == sqlite3.SQLITE_ERROR for each in _causes(error)):  # a table exists already
        return True
    return "out-of-date" in str(error) and not logged_studies(sqlite_url(path))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield getattr(error, "orig", error)
        error = error.__cause__
