"""Checkpoints: everything to continue a trial bit for bit, in one file that is whole or absent."""

from pathlib import Path
from typing import Any

import torch

from vsam_tune.atomic_file import atomic_path
from vsam_tune.errors import InputError, problem


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write `state` to `path` atomically.

    Args:
        state: tensors, numbers, words, lists and dicts of them: what `torch.load(weights_only=True)` takes.
        path: replaced only when the new file is complete on the disk.

    Raises:
        OSError: if the disk is full or not writable; the former file is untouched.
    """
    try:
        with atomic_path(path) as part, part.open("wb") as file:
            torch.save(state, file)
    except RuntimeError as error:  # torch's zip writer turns a full disk into a RuntimeError
        raise OSError(f"{path}: could not be written: {error}") from error


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


def initial_checkpoint(path: Path) -> dict[str, Any]:
    """Return the checkpoint of a trial that another one is to start from, its tensors on the CPU.

    Returns:
        At least `trainer`, with `model` in it, and `metrics`.

    Raises:
        InputError: if there is none, or it is not a trial's.
    """
    try:
        state = load_checkpoint(path)
        _ = state["trainer"]["model"], state["metrics"]
    except OSError as error:
        rule = f"cannot be read: {error.strerror}"
    except RuntimeError:
        rule = "is no checkpoint, or one that was cut"
    except (KeyError, TypeError, IndexError):  # of what somebody else has saved
        rule = "is no checkpoint of a trial"
    else:
        return state
    fix = "name under task.initial_checkpoint a checkpoint.pt that vsam-tune train has written"
    raise InputError(problem(path, "", None, rule, fix))


def state_of_wrapper(state: dict[str, Any], *, iterations: int) -> dict[str, Any]:
    """Return the state of an optimizer as a `Wrapper` loads it.

    Args:
        state: as it was saved; checkpoints before `PlainOptimizer` hold torch's state of the base optimizer alone.
        iterations: of the trial; each took one gradient evaluation where there was no wrapper.
    """
    if "base" in state:
        return state
    return {
        "base": state,
        "iterations": iterations,
        "gradient_evaluations": float(iterations),
        "forward_passes": 0.0,
    }
