"""Checkpoints: everything to continue a trial bit for bit, in one file that is whole or absent."""

import os
from pathlib import Path
from typing import Any

import torch


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write `state` to `path` atomically: write, fsync, rename, fsync of the folder.

    Args:
        state: tensors, numbers, words, lists and dicts of them: what `torch.load(weights_only=True)` takes.
        path: replaced only when the new file is complete on the disk.

    Raises:
        OSError: if the disk is full or not writable; the former file is untouched.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except RuntimeError as error:  # torch's zip writer turns a full disk into a RuntimeError
        raise OSError(f"{path}: could not be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load_checkpoint(path: Path, *, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Return what `save_checkpoint` wrote, its tensors on `device`.

    Raises:
        FileNotFoundError: if there is none.
        RuntimeError: if the file is no checkpoint, or was cut.
    """
    with path.open("rb") as file:
        try:
            state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
        except Exception as error:  # bad bytes make torch raise anything: OSError, IndexError, UnpicklingError, ...
            raise RuntimeError(f"{path}: no checkpoint, or one that was cut: {error}") from error
    return state
