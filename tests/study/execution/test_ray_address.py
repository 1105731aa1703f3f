"""Addresses where no Ray cluster answers end with one line, within a bound, whatever does answer there."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vsam_tune.errors import InputError
from vsam_tune.study.execution import ray_address
from vsam_tune.study.execution.ray_address import find_cluster


def line_of(address: str) -> str:
    with pytest.raises(InputError) as caught:
        find_cluster(address)
    (line,) = caught.value.lines
    assert "\n" not in line
    return line


@pytest.fixture
def http_server() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("address", ["127.0.0.1", "nonsense", "host:", ":6379", "::1:6379", "host:port", ""])
def test_what_is_no_address_is_said_to_be(address: str) -> None:
    assert "no Ray cluster answers (it is neither HOST:PORT nor [IPV6]:PORT)" in line_of(address)


def test_urls_and_local_are_no_addresses_of_a_cluster() -> None:
    assert "is a URL, and Ray Client (ray://) cannot run trials. Fix: HOST:PORT" in line_of("ray://head:10001")
    assert "Fix: leave --address out" in line_of("local")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_closed_port_is_noticed_with_ipv4_and_ipv6(host: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        line = line_of(f"{host}:{closed.getsockname()[1]}")
    assert "no Ray cluster answers (" in line
    assert "not known" not in line


def test_a_web_server_is_no_cluster(http_server: int) -> None:
    line = line_of(f"127.0.0.1:{http_server}")
    assert "no Ray cluster answers (something else does). Fix: the address that `ray start` printed" in line


def test_a_port_that_never_answers_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_address, "_PROBE_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        line = line_of(f"127.0.0.1:{silent.getsockname()[1]}")
    assert "no Ray cluster answers (nothing within 2 s)" in line


def test_auto_names_a_cluster_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed.getsockname()[1]}")
        assert "--address: 'auto': no Ray cluster answers (" in line_of("auto")


def test_auto_without_a_cluster_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private import services

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(services, "find_gcs_addresses", lambda: set())
    monkeypatch.setattr(services, "find_bootstrap_address", lambda _: None)
    assert "no Ray cluster runs on this machine. Fix: `ray start --head`" in line_of("auto")
