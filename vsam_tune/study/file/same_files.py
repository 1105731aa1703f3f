"""Whether two paths of a task lead to the same files: data, weights and studies are moved and copied."""

import filecmp
import functools
import logging
from pathlib import Path

logger = logging.getLogger(__name__)

# keys of a resolved file whose values name files; a word and a colon may come first, as in npz:PATH
PATH_KEYS = ("task.data", "task.data_root", "task.initial_checkpoint")


def names_the_same_files(key: str, now: object, then: object) -> bool:
    """Return whether two values of a key name the same files, at one place or at two.

    Files at two places are the same if their contents are; folders, if all their files have the same names and sizes
    (choice: the contents of a large data set take minutes to compare). If nothing is at the former place any more, a
    file or folder of the same name is taken for it, with a warning.

    Args:
        key: dotted.
        now: of this start.
        then: of an earlier start.
    """
    if key not in PATH_KEYS or not isinstance(now, str) or not isinstance(then, str):
        return False
    (scheme, new), (former_scheme, former) = _split(now), _split(then)
    if scheme != former_scheme or not (new.is_absolute() and former.is_absolute()):
        return False
    try:
        if former.exists():
            return _same_content(new, former)
        moved = new.name == former.name and new.exists()
    except OSError:
        return False
    if moved:
        _warn(key, now, then)
    return moved


def _split(value: str) -> tuple[str, Path]:
    scheme, colon, path = value.partition(":")
    return (scheme, Path(path)) if colon and path.startswith("/") else ("", Path(value))


@functools.cache  # several definitions are compared in one start
def _warn(key: str, now: str, then: str) -> None:
    logger.warning("%s: %s is no longer there. %s is used, and taken for the same data", key, then, now)


def _same_content(new: Path, former: Path) -> bool:
    if new.samefile(former):
        return True
    if new.is_file() and former.is_file():
        return filecmp.cmp(new, former, shallow=False)
    return new.is_dir() and former.is_dir() and _sizes(new) == _sizes(former)


def _sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of all files below a folder, by their paths in it."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
