"""Checkpoints: everything that a trial needs to continue bit for bit, in one file that is complete or absent."""

from pathlib import Path
from typing import Any

import torch

from vsam_tune.atomic_file import atomic_path
from vsam_tune.errors import InputError, problem


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write `state` to `path` atomically.

    Args:
        state: tensors, numbers, strings, lists and dicts of them, as `torch.load(weights_only=True)` requires.
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
    """Return the state that `save_checkpoint` wrote, its tensors on `device`.

    Raises:
        FileNotFoundError: if there is no such file.
        RuntimeError: if the file is no checkpoint, or was truncated.
    """
    with path.open("rb") as file:
        try:
            state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
        except Exception as error:  # bad bytes make torch raise anything: OSError, IndexError, UnpicklingError, ...
            raise RuntimeError(f"{path}: not a checkpoint, or a truncated one: {error}") from error
    return state


def initial_checkpoint(path: Path) -> dict[str, Any]:
    """Return the checkpoint of a trial that another trial starts from, its tensors on the CPU.

    Returns:
        At least `trainer`, with `model` in it, and `metrics`.

    Raises:
        InputError: if there is none, or no trial wrote it.
    """
    try:
        state = load_checkpoint(path)
        _ = state["trainer"]["model"], state["metrics"]
    except OSError as error:
        rule = f"cannot be read: {error.strerror}"
    except RuntimeError:
        rule = "is not a checkpoint, or a truncated one"
    except (KeyError, TypeError, IndexError):  # somebody else has saved it
        rule = "is not a checkpoint of a trial"
    else:
        return state
    fix = "set task.initial_checkpoint to a checkpoint.pt that vsam-tune train has written"
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
