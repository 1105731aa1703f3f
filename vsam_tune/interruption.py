"""Ctrl-C, SIGTERM and SIGHUP ask a command to stop; the second one ends it at once.

A command that runs trials asks `requested` between their reports. Every other command is interrupted as by Ctrl-C.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# The exit code that a shell shows for each; a terminal that is closed counts as Ctrl-C.
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 130}
_MESSAGE = "vsam-tune: stopping; finished trials are kept (again to leave now)\n"
_state = {"signal": 0, "gentle": 0}  # the first signal that came; how many blocks are `stopping_gently`


class Interrupted(KeyboardInterrupt):
    """Ends a command that runs no trials."""


def install() -> None:
    """Handle the signals from now on; only the main thread of a process can."""
    if threading.current_thread() is threading.main_thread():
        _state["signal"] = 0
        for number in EXIT_CODES:
            if signal.getsignal(number) is not signal.SIG_IGN:  # `nohup` ignores SIGHUP
                signal.signal(number, _handle)


def requested() -> bool:
    """Return whether a signal asked this process to stop."""
    return bool(_state["signal"])


def exit_code() -> int:
    """Return the exit code of the signal that came; 0 for none."""
    return EXIT_CODES[signal.Signals(_state["signal"])] if _state["signal"] else 0


@contextmanager
def stopping_gently() -> Iterator[None]:
    """Let the block ask `requested` instead of interrupting it, and handle signals in place of Ray."""
    former = {number: signal.getsignal(number) for number in EXIT_CODES}
    ours = any(handler is _handle for handler in former.values())
    if ours:
        for number, handler in former.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, _handle)
    _state["gentle"] += ours
    try:
        yield
    finally:
        _state["gentle"] -= ours


def _handle(number: int, _: FrameType | None) -> None:
    if _state["signal"]:
        _leave()
    _state["signal"] = number
    _say(_MESSAGE)
    if not _state["gentle"]:
        raise Interrupted


def _leave() -> None:
    """End this process and its children at once."""
    import psutil  # noqa: PLC0415 - few commands need it

    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.Error:  # it has ended
            continue
    os._exit(exit_code())


def _say(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (RuntimeError, OSError, ValueError):  # the signal came in the middle of another write, or nobody reads
        pass
