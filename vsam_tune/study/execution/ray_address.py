"""The address of a Ray cluster: what answers there is checked within a bound, since Ray itself tries for minutes."""

import os
import socket
import subprocess
import sys

from vsam_tune.errors import InputError, problem

_CONNECT_SECONDS = 5.0
_PROBE_SECONDS = 90.0  # a busy machine needs a minute to import Ray
_NO_CLUSTER = 3
# In a process of its own: Ray writes to stderr by itself. A cluster that asks for a token is one.
_PROBE = f"""
import sys
import ray
from ray._raylet import GcsClient
from ray.exceptions import AuthenticationError, RpcError
try:
    GcsClient(address=sys.argv[1])
except AuthenticationError:
    pass
except RpcError:
    sys.exit({_NO_CLUSTER})
"""
_PROBE_LIMITS = {"RAY_gcs_rpc_server_connect_timeout_s": "2", "RAY_py_gcs_connect_timeout_s": "10"}
FIX = "the address that `ray start` printed, and RAY_AUTH_MODE=token where it speaks of tokens"


def find_cluster(address: str) -> str:
    """Return the address of a cluster as `HOST:PORT`.

    Args:
        address: `HOST:PORT`, `[IPV6]:PORT`, or `auto` for the cluster that runs on this machine.

    Raises:
        InputError: if it has another form, or no Ray cluster answers there.
    """
    if "://" in address:
        rule = "is a URL, and Ray Client (ray://) cannot run trials"
        raise InputError(problem("--address", "", address, rule, "HOST:PORT, on a machine of the cluster"))
    if address == "local":
        raise InputError(problem("--address", "", address, "is no address", "leave --address out to start Ray here"))
    found = _running_here() if address == "auto" else address
    host, _, port = found.rpartition(":")
    if not host or not port.isdecimal() or (":" in host and not host.startswith("[")):
        raise InputError(no_cluster(address, "it is neither HOST:PORT nor [IPV6]:PORT"))
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(no_cluster(address, str(error))) from error
    _probe(address, found)
    return found


def no_cluster(address: str, reason: str) -> str:
    """Return the line about an address where no cluster answers."""
    return problem("--address", "", address, f"no Ray cluster answers ({reason})", FIX)


def _running_here() -> str:
    from ray._private.services import get_ray_address_from_environment  # noqa: PLC0415 - a second

    try:
        found: str = get_ray_address_from_environment("auto", None)
    except ConnectionError as error:
        rule = "no Ray cluster runs on this machine"
        raise InputError(problem("--address", "", "auto", rule, "`ray start --head`, or HOST:PORT")) from error
    return found


def _probe(address: str, found: str) -> None:
    """Ask for the cluster's id.

    Raises:
        InputError: if something else than a cluster answers, or nothing.
    """
    command = [sys.executable, "-c", _PROBE, found]
    environment = {**os.environ, **_PROBE_LIMITS}
    try:
        answer = subprocess.run(command, env=environment, capture_output=True, timeout=_PROBE_SECONDS, check=False)  # noqa: S603 - literal
    except subprocess.TimeoutExpired as error:
        raise InputError(no_cluster(address, f"nothing within {_PROBE_SECONDS:g} s")) from error
    if answer.returncode == _NO_CLUSTER:
        raise InputError(no_cluster(address, "something else does"))
