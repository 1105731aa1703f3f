"""A lock for the files that a search and its baselines share: whoever starts first creates them."""

from pathlib import Path

from filelock import FileLock


def creation_lock(folder: Path) -> FileLock:
    """Return the lock to hold for the moment in which a shared file is created."""
    return FileLock(folder / "creation.lock")
