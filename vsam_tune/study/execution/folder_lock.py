"""One process at a time works in a folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from vsam_tune.errors import InputError, problem


def is_locked(folder: Path) -> bool:
    """Return whether a process works in a folder."""
    if not (folder / "lock").exists():
        return False
    try:
        with FileLock(folder / "lock", timeout=0):
            return False
    except (Timeout, OSError):
        return True


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder, which is created if need be; a folder that holds nothing is not kept.

    Raises:
        InputError: if another process works in the folder, or it cannot be written to.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    lock = FileLock(folder / "lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        fix = "wait until it has finished, or end it"
        raise InputError(problem(folder, "", None, "another process works on this study", fix)) from error
    except OSError as error:
        rule = f"cannot be used as a folder: {error.strerror}"
        raise InputError(problem(folder, "", None, rule, "another --root DIR or --out DIR")) from error
    try:
        yield
    except InputError:  # a job that was refused leaves no empty folder behind
        if missing and {each.name for each in folder.iterdir()} == {"lock"}:
            (folder / "lock").unlink()
            with contextlib.suppress(OSError):  # somebody else uses the folder by now
                for each in missing:
                    each.rmdir()
        raise
    finally:
        lock.release()
