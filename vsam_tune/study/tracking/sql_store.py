"""An SQL store of MLflow as tables: what MLflow's own client cannot read without writing, or cannot change.

The names of tables and columns are those of MLflow 3.17.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import SQLAlchemyError

from vsam_tune.study.storage.sqlite_url import database_file

STUDY_TAG = "vsam_tune.study"
_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql")  # MLflow's


def _table(name: str, *columns: str) -> Table:
    return Table(name, sa.MetaData(), *(sa.Column(column) for column in columns))


_EXPERIMENTS = _table("experiments", "experiment_id", "name", "artifact_location", "lifecycle_stage")
_TAGS = _table("experiment_tags", "experiment_id", "key", "value")
_RUNS = _table("runs", "run_uuid", "experiment_id", "artifact_uri")
_METRICS = _table("metrics", "run_uuid")


def is_sql(uri: str) -> bool:
    """Return whether a tracking URI names an SQL database."""
    return uri.partition(":")[0].partition("+")[0] in _SCHEMES


def artifact_root(home: Path) -> str:
    """Return the place of the artifacts of a study whose store keeps none itself, as a URI."""
    return (home / "mlflow-artifacts").absolute().as_uri()


class LoggedStudy(NamedTuple):
    """The experiment of a study.

    Attributes:
        study_id: the study's tag.
        experiment_id: MLflow's.
        name: of the experiment.
        artifacts: URI of its artifacts.
    """

    study_id: str
    experiment_id: int
    name: str
    artifacts: str


def logged_studies(uri: str) -> list[LoggedStudy]:
    """Return the experiments of studies, without those that were deleted; nothing is written.

    Args:
        uri: of an SQL store; it may be missing, empty or damaged, and then holds none.
    """
    found = _EXPERIMENTS.c
    select = (
        sa
        .select(_TAGS.c.value, found.experiment_id, found.name, found.artifact_location)
        .join(_EXPERIMENTS, _TAGS.c.experiment_id == found.experiment_id)
        .where(_TAGS.c.key == STUDY_TAG, found.lifecycle_stage == "active")
    )
    try:
        with _connected(_reading(uri)) as connection:
            return [LoggedStudy(*row) for row in connection.execute(select)]
    except SQLAlchemyError:
        return []


def count_points(uri: str, experiment_id: int) -> dict[str, int]:
    """Return how many points of metrics the runs of an experiment have, by MLflow's ids of the runs.

    Args:
        uri: of an SQL store.
        experiment_id: MLflow's.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: if the store cannot be read.
    """
    run_id = _METRICS.c.run_uuid
    select = (
        sa
        .select(run_id, sa.func.count())
        .join(_RUNS, _RUNS.c.run_uuid == run_id)
        .where(_RUNS.c.experiment_id == experiment_id)
        .group_by(run_id)
    )
    with _connected(_reading(uri)) as connection:
        return {str(run): int(count) for run, count in connection.execute(select)}


def correct_locations(uri: str, experiment_id: str, root: str) -> None:
    """Give the artifacts of a study that was moved or copied the place where they are now.

    Args:
        uri: of an SQL store.
        experiment_id: MLflow's, of the study's experiment.
        root: the artifact location of the experiment now; all locations below the former one change with it.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: if the store cannot be written to.
    """
    with _connected(sa.create_engine(uri)) as connection, connection.begin():
        columns = _EXPERIMENTS.c
        former = connection.scalar(
            sa.select(columns.artifact_location).where(columns.experiment_id == int(experiment_id))
        )
        if former in (None, root):
            return
        for key, location in (
            (columns.experiment_id, columns.artifact_location),
            (_RUNS.c.run_uuid, _RUNS.c.artifact_uri),
        ):
            moved = [
                {"moved": each, "to": root + place.removeprefix(former)}
                for each, place in connection.execute(sa.select(key, location))
                if place and (place == former or place.startswith(f"{former}/"))
            ]
            if moved:
                change = sa.update(key.table).where(key == sa.bindparam("moved"))
                connection.execute(change.values({location.name: sa.bindparam("to")}), moved)


def _reading(uri: str) -> Engine:
    """Return an engine that creates no file."""
    path = database_file(uri)
    return sa.create_engine(uri) if path is None else sa.create_engine("sqlite://", creator=lambda: read_only(path))


def read_only(path: Path) -> sqlite3.Connection:
    """Return a connection to a SQLite file that neither creates nor changes it."""
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)


@contextlib.contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
