"""A connection to SQLite that waits for a lock, with a word, and says in one line what stops it."""

import logging
import sqlite3
import time
from collections.abc import Callable
from typing import Any, TypeVar

from typing_extensions import override

from vsam_tune.errors import InputError, problem

logger = logging.getLogger(__name__)

_TRY_SECONDS = 1.0  # of one attempt, during which SQLite does not answer to Ctrl-C
_SILENT_SECONDS = 5.0  # before the wait is announced
_WAIT_SECONDS = 600.0
_PAUSE_SECONDS = 0.05  # SQLite may give up at once
_RESTORE = "restore it from a copy, or move its folder away"
_REPEAT = "then repeat the command; nothing is lost"
_WRITABLE = f"make it and its folder writable, {_REPEAT}"
_RULES = {  # by SQLite's primary code: (rule, fix)
    sqlite3.SQLITE_BUSY: ("is locked by another process", f"end that process, which fuser shows, {_REPEAT}"),
    sqlite3.SQLITE_FULL: ("cannot be written", f"free disk space, {_REPEAT}"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", f"free disk space or check the disk, {_REPEAT}"),
    sqlite3.SQLITE_READONLY: ("cannot be written", _WRITABLE),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", _WRITABLE),
    sqlite3.SQLITE_CORRUPT: ("cannot be read", _RESTORE),
    sqlite3.SQLITE_NOTADB: ("cannot be read", _RESTORE),
}
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

Answer = TypeVar("Answer")


def primary_code(error: BaseException) -> int:
    """Return SQLite's primary code of an error; 0 if it has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


class PatientConnection(sqlite3.Connection):
    """A connection whose statements wait for locks.

    Args:
        database: path of the file.
        arguments: those of `sqlite3.connect`; the timeout is ours.

    Raises:
        InputError: from every statement: if the file is locked for ten minutes, damaged, or cannot be read or written.
    """

    def __init__(self, database: str, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - of sqlite3.connect
        self._path = database
        super().__init__(database, *arguments, **options)

    @override
    def cursor(self, factory: Any = None) -> Any:
        """Return a cursor that waits."""
        return super().cursor(_PatientCursor)

    @override
    def commit(self) -> None:
        """Commit; a commit that finds a lock may be repeated."""
        self.patiently(super().commit)

    def patiently(self, attempt: Callable[[], Answer]) -> Answer:
        """Return what an attempt returns, repeated while the file is locked.

        Raises:
            InputError: as the class says.
            sqlite3.Error: if the statement itself is wrong.
        """
        began, said = time.monotonic(), False
        while True:
            try:
                return attempt()
            except sqlite3.Error as error:
                code, waited = primary_code(error), time.monotonic() - began
                if code in _LOCKED and waited < _WAIT_SECONDS:
                    if waited >= _SILENT_SECONDS and not said:
                        said = True
                        logger.warning("%s is locked by another process; waiting until it is free", self._path)
                    time.sleep(_PAUSE_SECONDS)
                    continue
                if code in _RULES:
                    rule, fix = _RULES[code]
                    raise InputError(problem(self._path, "", None, f"{rule}: {error}", fix)) from error
                raise


class _PatientCursor(sqlite3.Cursor):
    """A cursor of a `PatientConnection`."""

    connection: PatientConnection

    @override
    def execute(self, sql: str, parameters: Any = (), /) -> "_PatientCursor":
        self.connection.patiently(lambda: super(_PatientCursor, self).execute(sql, parameters))
        return self

    @override
    def executemany(self, sql: str, parameters: Any, /) -> "_PatientCursor":
        rows = list(parameters)
        self.connection.patiently(lambda: super(_PatientCursor, self).executemany(sql, rows))
        return self

    @override
    def fetchone(self) -> Any:
        return self.connection.patiently(super().fetchone)

    @override
    def fetchall(self) -> list[Any]:
        return self.connection.patiently(super().fetchall)


CONNECT_ARGS: dict[str, Any] = {"timeout": _TRY_SECONDS, "factory": PatientConnection}  # for SQLAlchemy's engine
