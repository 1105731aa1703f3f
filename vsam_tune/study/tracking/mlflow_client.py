"""MLflow's client: it gives up soon, is quiet, and creates nothing twice."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from vsam_tune.study.file.tracking_uri import without_password
from vsam_tune.study.tracking.sql_store import STUDY_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_NO_ANSWER = "INTERNAL_ERROR"  # MLflow's code of a request that failed on its way
_NO_LOGIN = "error code 401"  # in MLflow's text
_CREATIONS = 3  # how often a request that creates something is sent

Created = TypeVar("Created")


def open_client(uri: str) -> "MlflowClient":
    """Return a client of a store that gives up soon: a server that is away would hold it for minutes."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault(_RETRIES, "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient  # noqa: PLC0415 - a second, and it reads the environment

    quiet_mlflow()
    return MlflowClient(tracking_uri=uri)


def quiet_mlflow() -> None:
    """Silence what MLflow logs about its databases, once it is imported, which sets the level of its loggers."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it logs an error that it raises


def store_error(error: Exception) -> str:
    """Return an error of a store as one line without passwords."""
    text = without_password((str(error).strip() or repr(error)).splitlines()[0])
    login = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    return f"the login is missing or wrong: {text} Fix: set {login}" if _NO_LOGIN in str(error) else text


def find_experiment(client: "MlflowClient", study_id: str) -> str | None:
    """Return MLflow's id of a study's experiment; None where nothing was logged yet."""
    found = client.search_experiments(filter_string=f"tags.`{STUDY_TAG}` = '{study_id}'")
    return str(found[0].experiment_id) if found else None


def create_once(create: Callable[[], Created], find: Callable[[], Created | None]) -> Created:
    """Return what was created.

    A request whose answer was lost may have arrived. MLflow would send it once more, and create a second one.

    Args:
        create: sends the request.
        find: looks for what it would have created.

    Raises:
        mlflow.exceptions.MlflowException: if the store refuses, or does not answer.
    """
    attempts = 0
    while True:
        attempts += 1
        try:
            with _sent_once():
                return create()
        except Exception as error:
            if found := find():
                return found
            if attempts == _CREATIONS or getattr(error, "error_code", "") != _NO_ANSWER:
                raise


@contextlib.contextmanager
def _sent_once() -> Iterator[None]:
    """Let MLflow send each request once; only the writer's thread uses MLflow, so that it may set the environment."""
    former = os.environ.get(_RETRIES)
    os.environ[_RETRIES] = "0"
    try:
        yield
    finally:
        if former is None:
            del os.environ[_RETRIES]
        else:
            os.environ[_RETRIES] = former
