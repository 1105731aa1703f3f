"""Child processes that end with this one, however it ends: a worker that loads torch holds a gigabyte."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait


@contextmanager
def child_process() -> Iterator[ProcessPoolExecutor]:
    """Start a process for the time of the block; it is ended if the block raises, and if this process is killed."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent) as pool:
        before = set(multiprocessing.active_children())
        try:
            yield pool
        except BaseException:
            for child in set(multiprocessing.active_children()) - before:
                child.kill()
            raise


def end_with_parent() -> None:
    """End this child process when its parent ends. Ctrl-C is left to the parent, which ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
