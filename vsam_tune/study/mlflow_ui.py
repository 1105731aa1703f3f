"""The MLflow UI on a study: where its store is, how it is served, and which page shows the study's trials."""

import socket
import sys
from pathlib import Path

from vsam_tune.errors import InputError, finding
from vsam_tune.study.storage import DATABASE, load_result
from vsam_tune.study.tracking import default_uri


def tracking_uri(study: str | None, root: Path) -> tuple[str, str]:
    """Return (tracking URI, study name).

    Args:
        study: a study file or name; None for the only study under the root.
        root: the folder that holds the studies' folders.

    Raises:
        InputError: if there is no such study, or several to choose from.
    """
    if study is None:
        names = sorted(path.parent.name for path in root.glob(f"*/{DATABASE}"))
        if len(names) != 1:
            rule = f"holds {len(names)} studies{': ' + ', '.join(names) if names else ''}"
            cure = f"vsam-tune mlflow {names[0]}" if names else "vsam-tune search STUDY.yaml"
            raise InputError(finding(root, "", None, rule, cure))
        study = names[0]
    result = load_result(study, root)
    uri = (result.study.get("tracking") or {}).get("uri")
    return uri or default_uri(root / result.name), result.name


def experiment_id(uri: str, name: str) -> str | None:
    """Return MLflow's id of the study's experiment; None where nothing was logged yet."""
    from mlflow import MlflowClient  # noqa: PLC0415 - a second

    experiment = MlflowClient(tracking_uri=uri).get_experiment_by_name(name)
    return None if experiment is None else str(experiment.experiment_id)


def check_port(host: str, port: int) -> None:
    """Refuse an address that no server can listen at.

    Raises:
        InputError: if the port is taken, or the host is none of this machine.
    """
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except (OSError, OverflowError) as error:
        rule = f"cannot listen there: {getattr(error, 'strerror', None) or error}"
        raise InputError(finding("--port", "", f"{host}:{port}", rule, "another --port, or --host")) from error


def server_command(uri: str, *, host: str, port: int, allowed_hosts: str | None) -> tuple[list[str], dict[str, str]]:
    """Return the command that serves the UI, and what it needs in its environment.

    Args:
        uri: of the store, a local one.
        host: the address to listen at.
        port: the port to listen at.
        allowed_hosts: host names that the server answers, with commas; None for MLflow's default.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", host]
    command += ["--port", str(port), "--workers", "1"]
    if allowed_hosts:
        command += ["--allowed-hosts", allowed_hosts]
    environment = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 2 processes instead of 10
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    return command, environment
