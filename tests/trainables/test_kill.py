"""A trial that is killed with `kill -9` at any moment and started again ends with the bits of one that was not."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.support.digits_trial import saved_in, train, trial_config
from tests.support.tiny_trial import equal_state
from vsam_tune.registry.methods import METHODS

READ_INTERVAL = 3  # a checkpoint each: most are within an epoch of 23
CONTEXT = multiprocessing.get_context("forkserver")  # each process is fresh, but for what is imported


@pytest.fixture(scope="module")
def start():
    """Return a function that starts training in a process of its own."""
    slow_imports = ["trainables.classification", "trainables.build", "sklearn.datasets", "torch._dynamo"]
    CONTEXT.set_forkserver_preload(slow_imports)

    def start(folder, name, target=train):
        config = trial_config(folder / "trial", name, final=True, subset=None, batch_size=64, epochs=6)
        process = CONTEXT.Process(target=target, args=(config, folder), kwargs={"read_interval": READ_INTERVAL})
        process.start()
        return process

    return start


def wait_for_checkpoint(process, path):
    """Wait until a process has written a checkpoint, or has ended; one of an earlier process may be there."""

    def written():
        return path.stat().st_mtime_ns if path.exists() else None

    before = written()
    while process.is_alive() and written() == before:
        time.sleep(0.002)


@pytest.fixture(scope="module")
def straight(start, tmp_path_factory):
    """Return a function from a method to the folder of a trial that nothing interrupted, and its seconds."""
    known = {}

    def train_once(name):
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            process = start(folder, name)
            wait_for_checkpoint(process, folder / "trial/checkpoint.pt")
            first = time.perf_counter()
            process.join()
            assert process.exitcode == 0
            known[name] = folder / "trial", time.perf_counter() - first
        return known[name]

    return train_once


def assert_same_end(folder, other):
    assert equal_state(saved_in(folder), saved_in(other))
    assert (folder / "trajectory.parquet").read_bytes() == (other / "trajectory.parquet").read_bytes()
    assert {path.name for path in folder.iterdir()} <= {"checkpoint.pt", "trajectory.parquet", "log.txt"}


def resumed_at(folder):
    lines = (folder / "log.txt").read_text().splitlines()
    return [int(line.split()[-1]) for line in lines if "resumed at iteration" in line]


def check(name, seed, kills, start, straight, folder):
    """Kill a trial a number of times, let it end, and compare."""
    draws = random.Random(f"{name} {seed}")  # noqa: S311 - moments, not secrets
    straight_folder, seconds = straight(name)
    killed = 0
    for _ in range(kills):
        process = start(folder, name)
        wait_for_checkpoint(process, folder / "trial/checkpoint.pt")
        time.sleep(draws.uniform(0, 0.8 / kills) * seconds)
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
    last = start(folder, name)
    last.join()
    assert last.exitcode == 0
    assert killed > 0
    assert len(resumed_at(folder / "trial")) == kills
    assert_same_end(folder / "trial", straight_folder)


def test_killed_at_random_moments(start, straight, tmp_path):
    check("vsam", 0, 2, start, straight, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", METHODS)
def test_every_method_killed_at_random_moments(name, seed, start, straight, tmp_path):
    check(name, seed, 3, start, straight, tmp_path)


def train_until_a_checkpoint_is_written_to(config, folder, *, read_interval):
    """Train, and be killed when the tenth checkpoint is on the disk as to half, under its temporary name."""
    fsync, left = os.fsync, [10]

    def killing(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").readlink().match("checkpoint.pt.*.part"):
            left[0] -= 1
            if not left[0]:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)

    os.fsync = killing
    train(config, folder, read_interval=read_interval)


def test_killed_while_a_checkpoint_is_written(start, straight, tmp_path):
    process = start(tmp_path, "vsam", target=train_until_a_checkpoint_is_written_to)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(list((tmp_path / "trial").glob("checkpoint.pt.*.part"))) == 1
    process = start(tmp_path, "vsam")
    process.join()
    assert process.exitcode == 0
    (iteration,) = resumed_at(tmp_path / "trial")
    assert iteration == 24  # the ninth of 3, 6, ..., 21, 23 (an epoch's end), 24, 27: one into the second epoch
    assert_same_end(tmp_path / "trial", straight("vsam")[0])
