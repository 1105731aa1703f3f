"""Atomic writes: a file is replaced as a whole and on the disk, or it stays as it was.

The new content goes to a temporary file `NAME.XXXXXXXX.part` in the same folder, X a hexadecimal digit. A killed writer
leaves this file behind; the next write to the same target removes it. Writers lock their temporary file, so that none
removes that of another; writers on one target never share a temporary file, and the last one to finish wins.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".part"


def write_text(path: Path, text: str) -> None:
    """Replace the content of `path` by `text` as UTF-8, whatever the locale; line ends stay as they are in `text`.

    Raises:
        OSError: as `atomic_path`.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the content of `path`.

    Raises:
        OSError: as `atomic_path`.
    """
    with atomic_path(path) as part:
        part.write_bytes(content)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Let a block write a file that replaces `path` once the block has succeeded.

    The file is flushed to the disk, renamed, and the folder is flushed. A symbolic link is followed and kept. The new
    file has the permission bits of the former one. A device or a pipe is written to directly.

    Args:
        path: is not touched before the block has succeeded.

    Yields:
        The path of an empty file. The block writes into this file; it neither removes nor replaces it.

    Raises:
        OSError: if the disk is full or the place is not writable; the former file is untouched.
    """
    former = _status(path)
    if former is not None and not stat.S_ISREG(former.st_mode):
        yield path  # a rename would put a file in the place of /dev/stdout
        return
    if former is not None and not os.access(path, os.W_OK):  # a rename would not ask
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    target = path.resolve()
    _remove_leftovers(target)
    part, descriptor = _create(target)
    try:
        if former is not None:
            os.fchmod(descriptor, stat.S_IMODE(former.st_mode))
        yield part
        os.fsync(descriptor)
        part.replace(target)
    except BaseException:
        _remove(part)
        raise
    finally:
        os.close(descriptor)  # and unlock
    _fsync_folder(target.parent)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _create(target: Path) -> tuple[Path, int]:
    """Return the path of a new, empty, locked file, and its descriptor."""
    while True:
        part = target.with_name(f"{target.name}.{secrets.token_hex(4)}{SUFFIX}")
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)  # less the umask, as for every new file
        with contextlib.suppress(BlockingIOError):
            _lock(descriptor)
            if part.exists():
                return part, descriptor
        os.close(descriptor)  # before it was locked, another writer took it for a leftover


def _lock(descriptor: int) -> bool:
    """Lock an open file.

    Returns:
        Whether it is locked now: a file system may have no locks.

    Raises:
        BlockingIOError: if another writer holds the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _remove_leftovers(target: Path) -> None:
    """Remove the temporary files of writers that no longer live: nobody locks them."""
    name = re.compile(re.escape(target.name) + r"\.[0-9a-f]{8}" + re.escape(SUFFIX))
    for part in [each for each in target.parent.iterdir() if name.fullmatch(each.name)]:
        with contextlib.suppress(OSError):  # locked, gone by now, or of another user
            descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW)
            try:
                if _lock(descriptor):
                    _remove(part)
            finally:
                os.close(descriptor)


def _remove(part: Path) -> None:
    """Remove a temporary file, and files whose names continue its name: SQLite keeps a journal that way."""
    for each in [each for each in part.parent.iterdir() if each.name.startswith(part.name)]:
        each.unlink(missing_ok=True)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
