"""The MLflow UI on a study: where its store is, how it is served, and which page shows the study's trials."""

import socket
import sys
from pathlib import Path

from vsam_tune.errors import InputError, problem
from vsam_tune.study.storage.folder import study_folder
from vsam_tune.study.tracking.mlflow_store import find_experiment, open_client
from vsam_tune.study.tracking.tracking_state import default_uri, read_tracking_state


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
    """Return MLflow's id of the study's experiment; None where nothing was logged yet."""
    return find_experiment(open_client(uri), study_id) if study_id else None


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
