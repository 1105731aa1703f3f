"""The folder of a local Ray cluster: its sockets need a short path, and it is removed when the cluster ends."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from vsam_tune.errors import InputError, problem

# A socket is FOLDER/vsam-XXXXXXXX/session_2026-11-27_20-23-37_123456_1234567/sockets/plasma_store, and a path of a
# socket has at most 107 bytes on Linux, 103 on macOS.
_LONGEST = 103 - len("/vsam-XXXXXXXX/session_2026-11-27_20-23-37_123456_1234567/sockets/plasma_store")
_PREFIX = "vsam-"


def socket_folders() -> list[Path]:
    """Return the folders to try, in order: those that the user names, then those of the system."""
    named = [os.environ.get(name) for name in ("RAY_TMPDIR", "TMPDIR", "XDG_RUNTIME_DIR")]
    return [Path(folder).absolute() for folder in (*named, "/tmp", "/var/tmp", "/dev/shm") if folder]  # noqa: S108 - only as a parent


def make_ray_folder(folders: Iterable[Path] | None = None) -> Path:
    """Return a new folder of this process in the first of the folders whose path is short and that can be written to.

    Args:
        folders: None for `socket_folders`.

    Raises:
        InputError: if there is none.
    """
    tried = socket_folders() if folders is None else list(folders)
    for folder in tried:
        if len(os.fsencode(folder)) > _LONGEST:
            continue
        try:
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
        except OSError:  # it is not there, or cannot be written to
            continue
    rule = f"none can hold Ray's sockets: {', '.join(map(str, tried))}"
    fix = f"set RAY_TMPDIR to a folder that can be written to, with a path of at most {_LONGEST} characters"
    raise InputError(problem("temporary folders", "", None, rule, fix))


def remove_ray_folder(folder: Path) -> None:
    """Remove a folder that `make_ray_folder` made; any other is left alone."""
    if re.fullmatch(rf"{_PREFIX}\w{{8}}", folder.name) and folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)
