import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ray import cloudpickle

from vsam_tune.errors import InputError
from vsam_tune.machine.hardware import Cores
from vsam_tune.study.execution import ray_cluster
from vsam_tune.study.execution.ray_cluster import _remember, connect, end_remains, num_fitting, num_offered
from vsam_tune.study.execution.ray_folder import make_ray_folder
from vsam_tune.study.file.sections import Resources
from vsam_tune.study.scheduling.not_pickled import NotPickled

NOTES = "ray_processes.json"


@pytest.fixture
def process() -> Iterator[psutil.Process]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as started:
        yield psutil.Process(started.pid)
        started.kill()


def note(folder: Path, *processes: tuple[int, float]) -> None:
    (folder / NOTES).write_text(json.dumps(processes))


def test_what_was_noted_is_ended(process: psutil.Process, tmp_path: Path) -> None:
    note(tmp_path, (process.pid, process.create_time()))
    assert end_remains(tmp_path) == 1
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert not (tmp_path / NOTES).exists()


def test_another_process_that_got_the_id_is_left_alone(process: psutil.Process, tmp_path: Path) -> None:
    note(tmp_path, (process.pid, process.create_time() - 60))
    assert end_remains(tmp_path) == 0
    assert process.status() != psutil.STATUS_ZOMBIE
    assert not (tmp_path / NOTES).exists()


DAMAGED = {
    "empty": b"",
    "cut": b"[[",
    "a number": b"5",
    "a mapping": b'{"a": 1}',
    "no pair": b"[[1]]",
    "no id": b'[["x", 1]]',
    "no time": b"[[1, null]]",
    "a negative id": b"[[-1, 2.0]]",
    "every process": b"[[0, 2.0]]",
    "a large id": b"[[9999999999, 1.0]]",
    "a huge id": b"[[99999999999999999999, 1.0]]",
    "no UTF-8": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "random": os.urandom(500),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_note_ends_no_process_and_is_removed(content: bytes, tmp_path: Path) -> None:
    (tmp_path / NOTES).write_bytes(content)
    assert end_remains(tmp_path) == 0
    assert not (tmp_path / NOTES).exists()


def test_a_note_that_was_cut_ends_the_processes_that_it_still_names(process: psutil.Process, tmp_path: Path) -> None:
    note(tmp_path, (process.pid, process.create_time()), (1, 5.0))
    (tmp_path / NOTES).write_bytes((tmp_path / NOTES).read_bytes()[:-4])
    assert end_remains(tmp_path) == 1


def test_a_folder_in_the_place_of_the_note_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / NOTES).mkdir()
    assert end_remains(tmp_path) == 0
    _remember(tmp_path, tmp_path / "vsam-abcdefgh")
    assert [entry.getMessage() for entry in caplog.records] == [
        f"{tmp_path / NOTES} cannot be written: Is a directory; it only helps after a crash"
    ]


def test_the_folder_of_a_cluster_whose_driver_was_killed_is_removed(tmp_path: Path) -> None:
    folder = make_ray_folder()
    (folder / "session_1" / "sockets").mkdir(parents=True)
    _remember(tmp_path, folder)
    assert end_remains(tmp_path) == 0
    assert not folder.exists()


@pytest.mark.parametrize("name", ["mine", "vsam-mine", "vsam-abcdefghi", "vsam-abcdefg.", "vsam-link0000"])
def test_no_other_folder_is_removed(name: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (kept / "inside").mkdir(parents=True)
    if name == "vsam-link0000":
        (tmp_path / name).symlink_to(kept)
    else:
        (tmp_path / name).mkdir()
    (tmp_path / NOTES).write_text(json.dumps([[1, 5.0], str(tmp_path / name), "/"]))
    end_remains(tmp_path)
    assert (tmp_path / name).exists()
    assert (kept / "inside").exists()


def test_processes_that_are_gone_are_no_remains(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    note(tmp_path, (gone.pid, 0.0))
    assert end_remains(tmp_path) == 0


def test_without_notes_nothing_remains(tmp_path: Path) -> None:
    assert end_remains(tmp_path) == 0


@pytest.mark.parametrize("address", ["127.0.0.1:PORT", "nowhere.invalid:6379", "127.0.0.1:99999", "nonsense"])
def test_an_address_without_a_cluster_is_an_error_of_one_line(address: str) -> None:
    with socket.socket() as closed:  # bound, and listening to nobody
        closed.bind(("127.0.0.1", 0))
        address = address.replace("PORT", str(closed.getsockname()[1]))
        with pytest.raises(InputError) as caught, connect(address):
            pytest.fail("connected")
    (line,) = caught.value.lines
    assert line.startswith(f"--address: {address!r}: no Ray cluster answers (")
    assert "Fix: the address that `ray start` printed" in line
    assert "\n" not in line


@pytest.mark.parametrize(("wanted", "usable", "offered"), [(1, 4, 4), (1, 1.5, 1), (1, 0.5, 1), (6, 4, 6), (2.5, 1, 3)])
def test_a_local_cluster_offers_what_this_process_may_use_or_what_is_asked_for(
    wanted: float, usable: float, offered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Cores(logical=128, physical=64, allowed=128, limit=usable)
    monkeypatch.setattr(ray_cluster, "cores", lambda: there)
    assert num_offered(wanted) == offered


@pytest.mark.parametrize("wanted", [1e6, 1e9])
def test_trials_that_want_far_more_than_there_is_are_refused(wanted: float) -> None:
    with pytest.raises(InputError, match=r"this machine: CPUs = .*: no such trials fit: there are \d+ CPUs"):
        num_offered(wanted)


def test_what_is_unsaved_takes_nothing_along_when_ray_saves_it() -> None:
    class Holder(NotPickled):
        def __init__(self) -> None:
            self.socket = socket.socket()  # can not be pickled

    holder = Holder()
    assert vars(cloudpickle.loads(cloudpickle.dumps(holder))) == {}
    holder.socket.close()


@pytest.mark.parametrize(
    ("wanted", "there", "fitting"),
    [
        ({"cpus": 1}, {"CPU": 2.0}, 2),
        ({"cpus": 1.5}, {"CPU": 4.0}, 2),
        ({"cpus": 0.5}, {"CPU": 2.0}, 4),
        ({"cpus": 1, "gpus": 0.25}, {"CPU": 8.0, "GPU": 1.0}, 4),
        ({"cpus": 4, "gpus": 1}, {"CPU": 6.0, "GPU": 2.0}, 1),
    ],
)
def test_as_many_trials_run_as_fit(wanted: dict[str, float], there: dict[str, float], fitting: int) -> None:
    assert num_fitting("toy", Resources(**wanted), there) == fitting


def test_a_trial_that_fits_nowhere_is_an_error() -> None:
    with pytest.raises(InputError) as caught:
        num_fitting("toy", Resources(cpus=1, gpus=1), {"CPU": 2.0})
    rule = "no trial fits: there are 2 CPUs, 0 GPUs. Fix: take less, or --address of a cluster."
    assert caught.value.lines == (f"toy: resources = {{'CPU': 1.0, 'GPU': 1.0}}: {rule}",)


DROPS_CYCLES = """
import sys, threading, time
from pathlib import Path
from vsam_tune.study.execution.ray_cluster import start_local

class Cycle:
    def __init__(self, content):
        self.itself, self.content = self, content

def drop():
    while references:
        Cycle(references.pop())
        [Cycle(None) for _ in range(1000)]  # Python collects garbage after some hundreds of new objects

with start_local(Path(sys.argv[1]), cpus=1):
    import ray
    references = [ray.put(None) for _ in range(5000)]
    threading.Thread(target=drop, daemon=True).start()
assert references, "all were dropped before Ray shut down"
print("goes on")
"""


@pytest.mark.ray
def test_a_thread_that_drops_objects_of_ray_while_it_shuts_down_does_not_end_the_process(tmp_path: Path) -> None:
    """Ray ends a process where one is collected in the middle; the thread of MLflow came by that by chance."""
    arguments = [sys.executable, "-c", DROPS_CYCLES, str(tmp_path)]
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stdout) == (0, "goes on\n"), run.stderr
