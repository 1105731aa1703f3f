"""What a search and its baselines share in a study's folder is created by one of them, whoever comes first."""

from pathlib import Path

from filelock import FileLock


def creation_lock(folder: Path) -> FileLock:
    """Return the lock to hold, for moments, while something is created that both may want at once."""
    return FileLock(folder / "creation.lock")
