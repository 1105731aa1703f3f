"""The traceback of a trial that fails, in `error.txt` of its folder: `vsam-tune show` prints it."""

import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from vsam_tune.atomic_file import write_bytes

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def with_error_file(method: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Return the method; if a call fails, its traceback is written to the `folder` of the trainable."""

    @wraps(method)
    def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            return method(*args, **kwargs)
        except Exception:
            folder: Path = args[0].folder  # type: ignore[attr-defined] # the first argument is the trainable
            folder.mkdir(parents=True, exist_ok=True)
            write_bytes(folder / "error.txt", traceback.format_exc().encode("utf-8", "backslashreplace"))
            raise

    return call
