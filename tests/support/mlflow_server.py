"""A real MLflow server on loopback, as `vsam-tune mlflow` starts it, that tests may kill and start again."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from vsam_tune.study.tracking.mlflow_server import server_command


class Server:
    """The server of one store; `url` stays the same from start to start."""

    def __init__(self, uri: str, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url, self._log = f"http://127.0.0.1:{port}", log
        self._command, self._environment = server_command(uri, host="127.0.0.1", port=port, allowed_hosts=None)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **self._environment},
                cwd=self._log.parent,  # where it puts artifacts of experiments that name no place
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until_it_answers(self.url, self._log)

    def kill(self) -> None:
        """End the server and its worker at once, as a crash does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def wait_until_it_answers(url: str, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310 - our own server on loopback
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise TimeoutError(f"{url} does not answer: {log.read_text(encoding='utf-8')[-2000:]}")
