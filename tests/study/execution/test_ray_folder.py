import os
from pathlib import Path

import pytest

from vsam_tune.errors import InputError
from vsam_tune.study.execution.ray_folder import make_ray_folder, socket_folders

SHORT = Path("/", "tmp")


def test_the_first_short_folder_that_can_be_written_to_is_taken(tmp_path: Path) -> None:
    long, missing = tmp_path / ("x" * 60), Path("/nowhere")
    long.mkdir()
    made = make_ray_folder([long, missing, SHORT])
    assert (made.parent, made.stat().st_mode & 0o777) == (SHORT, 0o700)
    made.rmdir()


def test_a_socket_in_it_has_a_path_that_unix_allows() -> None:
    made = make_ray_folder()
    session = "session_2026-11-27_20-23-37_123456_1234567"
    assert len(os.fsencode(made / session / "sockets" / "plasma_store")) <= 103
    made.rmdir()


def test_folders_that_the_user_names_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/a")
    monkeypatch.setenv("TMPDIR", "/b")
    assert socket_folders()[:2] == [Path("/a"), Path("/b")]


def test_without_such_a_folder_the_error_names_them_and_the_fix(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none can hold Ray's sockets: .*x{60}.*Fix: set RAY_TMPDIR to a folder"):
        make_ray_folder([tmp_path / ("x" * 60)])
