"""A database that is locked, full or damaged: the wait, its word, and the line that ends it."""

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from vsam_tune.analysis.results import Objective
from vsam_tune.errors import InputError
from vsam_tune.study.storage import patient_connection
from vsam_tune.study.storage.database import connected, open_or_create


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "optuna.db"


@pytest.fixture
def study(path: Path) -> optuna.Study:
    study = open_or_create(path, "a", objectives=[Objective("loss", "minimize")], resolved={"a": 1})
    study.tell(study.ask(), 1.0)
    return study


@pytest.fixture
def lock(study: optuna.Study) -> Iterator[sqlite3.Connection]:
    """Another process's lock on the file, while the test runs or until it is rolled back."""
    path = study._storage._backend.engine.url.database  # type: ignore[attr-defined] # of Optuna's cached storage
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN EXCLUSIVE")
    yield connection
    connection.close()


def test_a_lock_is_waited_for_with_one_warning(
    lock: sqlite3.Connection,
    study: optuna.Study,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(patient_connection, "_SILENT_SECONDS", 0.0)
    release = threading.Timer(1.5, lambda: lock.execute("ROLLBACK"))
    release.start()
    with caplog.at_level(logging.WARNING):
        trial = study.ask()
    study.tell(trial, 2.0)
    release.join()
    assert len(study.trials) == 2
    assert [entry.getMessage() for entry in caplog.records] == [
        f"{path} is locked by another process; waiting until it is free"
    ]


def test_a_lock_that_stays_is_one_line_for_writers_and_readers(
    lock: sqlite3.Connection, study: optuna.Study, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_connection, "_WAIT_SECONDS", 0.0)
    line = (
        f"{path}: is locked by another process: database is locked. Fix: end that process, which fuser shows, then"
        " repeat the command; nothing is lost."
    )
    for use in (study.ask, lambda: optuna.load_study(study_name="a", storage=connected(path))):
        with pytest.raises(InputError) as caught:
            use()
        assert str(caught.value) == line
    lock.execute("ROLLBACK")
    study.tell(study.ask(), 2.0)
    assert len(study.trials) == 2


def test_a_full_disk_is_one_line_and_loses_nothing(study: optuna.Study, path: Path) -> None:
    engine = study._storage._backend.engine  # type: ignore[attr-defined] # of Optuna's cached storage
    with engine.connect() as connection:
        limit = connection.exec_driver_sql("PRAGMA max_page_count = 1").scalar()  # SQLite takes the pages that it has
        with pytest.raises(InputError) as caught:
            connection.exec_driver_sql(f"CREATE TABLE large AS SELECT zeroblob({limit * 8192}) AS zeros")
    assert str(caught.value) == (
        f"{path}: cannot be written: database or disk is full. Fix: free disk space, then repeat the command; nothing"
        " is lost."
    )
    engine.dispose()
    assert len(optuna.load_study(study_name="a", storage=connected(path)).trials) == 1


def test_damaged_pages_are_one_line(study: optuna.Study, path: Path) -> None:
    study._storage._backend.engine.dispose()  # type: ignore[attr-defined] # as above
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(4096 * page)
            file.write(os.urandom(4096))
    with pytest.raises(InputError) as caught:
        optuna.load_study(study_name="a", storage=connected(path)).get_trials()
    assert str(caught.value) == (
        f"{path}: cannot be read: database disk image is malformed. Fix: restore it from a copy, or move its folder"
        " away."
    )


def test_errors_of_statements_stay_what_they_are(study: optuna.Study) -> None:
    with pytest.raises(optuna.exceptions.DuplicatedStudyError):
        optuna.create_study(study_name="a", storage=study._storage)
