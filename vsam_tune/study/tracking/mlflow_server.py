"""The MLflow UI on a study: where its store is, how it is served, and which page shows the study's trials."""

import socket
import sys
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from vsam_tune.errors import InputError, problem
from vsam_tune.study.file.tracking_uri import without_password
from vsam_tune.study.storage.folder import SEARCH_COMMAND, study_folder
from vsam_tune.study.storage.sqlite_url import database_file
from vsam_tune.study.tracking.mlflow_client import find_experiment, open_client, store_error
from vsam_tune.study.tracking.sql_store import artifact_root, correct_locations, is_sql, logged_studies
from vsam_tune.study.tracking.store_file import BrokenStoreError, check_store
from vsam_tune.study.tracking.tracking_state import default_uri, read_tracking_state


class NoAnswerError(Exception):
    """A tracking server does not answer; its text is a line for the user."""


def tracked_study(study: str, root: Path) -> tuple[str, str | None]:
    """Return where a study is logged, and the id of its MLflow experiment.

    Args:
        study: a study file, or a study's name.
        root: the folder that holds the studies' folders.

    Returns:
        (tracking URI, study id); the id is None where tracking never began.

    Raises:
        InputError: if there is no such study.
    """
    folder = study_folder(study, root)
    tracked = read_tracking_state(folder)
    if tracked is None:
        return default_uri(folder), None
    return tracked.uri or default_uri(folder), tracked.study_id


def experiment_id(uri: str, study_id: str | None) -> str | None:
    """Return MLflow's id of the study's experiment; None where nothing was logged yet. Nothing is written.

    Raises:
        NoAnswerError: if the store is a server, and does not answer.
    """
    if study_id is None:
        return None
    if is_sql(uri):
        return next((str(study.experiment_id) for study in logged_studies(uri) if study.study_id == study_id), None)
    try:
        return find_experiment(open_client(uri), study_id)
    except Exception as error:
        fix = "start the server, or name another store as tracking.uri and start the search again"
        rule = f"MLflow does not answer: {store_error(error)}"
        raise NoAnswerError(problem(without_password(uri), "", None, rule, fix)) from error


def prepare_store(study: str, root: Path, uri: str) -> None:
    """Create the store of a study if nothing was logged yet, and correct its artifact locations, for a UI to serve.

    Args:
        study: a study file, or a study's name.
        root: the folder that holds the studies' folders.
        uri: of the store, an SQL database.

    Raises:
        InputError: if the store is broken, or cannot be opened.
    """
    folder = study_folder(study, root)
    artifacts, path, state = artifact_root(folder), database_file(uri), read_tracking_state(folder)
    try:
        if path:
            check_store(path, artifacts)
        for logged in logged_studies(uri):
            if state and logged.study_id == state.study_id:
                correct_locations(uri, str(logged.experiment_id), artifacts)
    except BrokenStoreError as error:
        fix = f"{SEARCH_COMMAND} makes it anew" if uri == default_uri(folder) else "restore it from a copy"
        raise InputError(problem(path, "", None, f"is broken: {error}", fix)) from error
    except (OSError, SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error)
        raise InputError(problem(path or uri, "", None, f"cannot be opened: {reason}", "make it writable")) from error


def check_port(host: str, port: int) -> None:
    """Refuse an address that no server can listen at.

    Raises:
        InputError: if the port is taken, or the host is none of this machine.
    """
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does that starts again
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error).removesuffix(".")
        rule = f"nothing can listen there: {reason}"
        fix = "another --port or --host; --url prints the addresses of a server that runs"
        raise InputError(problem("--port", "", f"{host}:{port}", rule, fix)) from error


def _allowed(names: str, host: str, port: int) -> str:
    """Return the names with the port, as MLflow compares them, and this machine's own, which they would leave out."""
    every = [*(name.strip() for name in names.split(",")), "localhost", "127.0.0.1", host]
    return ",".join(name if ":" in name or "*" in name else f"{name}:{port}" for name in dict.fromkeys(every))


def server_command(uri: str, *, host: str, port: int, allowed_hosts: str | None) -> tuple[list[str], dict[str, str]]:
    """Return the command that serves the UI, and its environment variables.

    Args:
        uri: of the store, a local one.
        host: the address to listen at.
        port: the port to listen at.
        allowed_hosts: host names that the server answers in addition to this machine's, with commas; None for
            MLflow's default.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", host]
    command += ["--port", str(port), "--workers", "1"]
    if allowed_hosts:
        command += ["--allowed-hosts", _allowed(allowed_hosts, host, port)]
    environment = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 2 processes instead of 10
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    return command, environment
