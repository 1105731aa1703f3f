import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

CODE = """
import os, time
from vsam_tune.machine.child_process import child_process
if __name__ == "__main__":
    with child_process() as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 100).result()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_child_ends_with_its_parent(number: signal.Signals, tmp_path) -> None:
    (tmp_path / "parent.py").write_text(CODE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(number)
    deadline = time.monotonic() + 60
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.1)
