"""A driver that is killed in the middle of a search loses no finished trial, repeats none, and leaves no process."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.support.toy_study import write_toy
from tests.support.trainables.quadratic import read_steps
from vsam_tune.analysis.results import StudyResult, TrialRecord
from vsam_tune.errors import InputError
from vsam_tune.study.storage.stored_study import load_result

TRIALS = 8
NOTHING = StudyResult(name="toy", objectives=(), trials=(), reference_point=None, study={})
SECTIONS = {
    "method": {"name": "toy", "seconds": 0.15},
    "initial": [{"x": 1.0}, {"x": -1.0}],
    "budget": {"trials": TRIALS},
    "sampler": {"kind": "tpe", "startup_trials": 3},
}


class Search:
    """The search, or another command, on a study named toy, in processes that a mark identifies."""

    def __init__(
        self, file: Path, command: str = "search", load: Callable[[str, Path], StudyResult] = load_result
    ) -> None:
        self.root, self.mark, self._load = file.parent / "runs", uuid.uuid4().hex, load
        self.study_folder = self.root / "toy"
        self._trials = self.study_folder / ("trials" if command == "search" else f"{command}/trials")
        self._command = [sys.executable, "-m", "vsam_tune.cli.main", command, str(file), "--root", str(self.root)]
        self._command += ["--workers", "2"]

    def start(self, *options: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "VSAM_TUNE_TEST": self.mark, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [*self._command, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def result(self) -> StudyResult | None:
        """Return the study as it stands; None before it is stored."""
        try:
            return self._load("toy", self.root)
        except InputError:
            return None

    def steps(self) -> dict[int, list[int]]:
        folders = sorted(self._trials.glob("*"))
        return {int(folder.name): [step["epoch"] for step in read_steps(folder)] for folder in folders}

    def processes(self) -> list[psutil.Process]:
        """Return all processes that live and descend from a start of the command."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and process.environ().get("VSAM_TUNE_TEST") == self.mark
        except psutil.Error:  # of another user, or gone
            return False


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Search]:
    """Trains on digits with our own trainable."""
    file = tmp_path / "toy.yaml"
    file.write_text("name: toy\ntask: {data: digits, model: {name: cnn, width: 8}, epochs: 12}\nbudget: {trials: 4}\n")
    search = Search(file)
    yield search
    for process in search.processes():
        process.kill()


@pytest.fixture
def search(tmp_path: Path) -> Iterator[Search]:
    search = Search(write_toy(tmp_path, **SECTIONS))
    yield search
    for process in search.processes():
        process.kill()


def wait_until(holds: Callable[[], bool], seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)


def wait_for_trials(search: Search, driver: subprocess.Popen[str], complete: int) -> None:
    """Wait until so many trials are complete, and another one runs."""

    def there() -> bool:
        counts = result.counts() if (result := search.result()) else {"complete": 0, "running": 0}
        return counts["complete"] >= complete and counts["running"] > 0

    wait_until(lambda: driver.poll() is not None or there())
    assert driver.poll() is None, driver.communicate()


def kill(driver: subprocess.Popen[str]) -> None:
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()


def timeless(record: TrialRecord) -> TrialRecord:
    """Return a record without what goes on while it runs."""
    return replace(record, seconds=None)


def output_of_all(search: Search) -> str:
    """Start the command, and return what it has printed when it has ended well."""
    driver = search.start()
    try:
        stdout, stderr = driver.communicate(timeout=200)
    except subprocess.TimeoutExpired:
        kill(driver)
        raise
    assert driver.returncode == 0, stderr
    return stdout


def run_to_its_end(search: Search) -> StudyResult:
    assert "on the front of toy" in output_of_all(search)
    return load_result("toy", search.root)


def finish(search: Search, killed: StudyResult | None) -> None:
    """Run the command to its end, and compare the study with its state when the driver was killed."""
    steps = search.steps()
    result = run_to_its_end(search)
    assert result.counts() == {"complete": TRIALS, "pruned": 0, "fail": 0, "running": 0, "waiting": 0}
    assert [record.number for record in result.trials] == list(range(TRIALS))
    assert result.reference_point is not None
    for before in killed.trials if killed else ():
        after = result.trials[before.number]
        if before.state == "complete":
            assert timeless(after) == timeless(before)
            assert search.steps()[before.number] == steps[before.number] == [1, 2, 3, 4]
        elif before.state == "running":
            assert after.resumed == before.resumed + 1
            assert before.params.items() <= after.params.items()
    for number, epochs in search.steps().items():
        resumed = result.trials[number].resumed
        assert sorted(set(epochs)) == [1, 2, 3, 4]
        assert len(epochs) <= 4 + resumed, "a resumed trial repeats one step at most"
    wait_until(lambda: not search.processes(), seconds=15)


@pytest.mark.ray
def test_kill_9_in_the_middle_of_a_search(search: Search) -> None:
    """Not marked slow, for it is the promise of the project: 20 to 40 s."""
    driver = search.start()
    wait_for_trials(search, driver, 3)
    kill(driver)
    killed = search.result()
    assert killed is not None
    assert 3 <= killed.counts()["complete"] < TRIALS
    finish(search, killed)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.0, 2.0, 3.0])
def test_kill_9_while_the_search_starts(seconds: float, search: Search) -> None:
    """Around the first writing of the storage, and while Ray starts."""
    driver = search.start()
    wait_until((search.study_folder / "creation.lock").exists)
    time.sleep(seconds)
    kill(driver)
    finish(search, search.result())


@pytest.mark.slow
@pytest.mark.ray
def test_kill_9_again_and_again(search: Search) -> None:
    for complete in (1, 3, 5):
        driver = search.start()
        wait_for_trials(search, driver, complete)
        kill(driver)
    finish(search, search.result())


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 130)])
def test_a_signal_to_stop_loses_nothing_either(number: signal.Signals, code: int, search: Search) -> None:
    driver = search.start()
    wait_for_trials(search, driver, 1)
    driver.send_signal(number)
    _, stderr = driver.communicate()
    assert driver.returncode == code, stderr
    assert "Traceback" not in stderr
    assert "vsam-tune: stopping; finished trials are kept (again to leave now)" in stderr
    assert "Fix: repeat the command to resume" in stderr
    command = [sys.executable, "-m", "vsam_tune.cli.main", "trials", "toy", "--root", str(search.root)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "interrupted" in listed
    assert "running" not in listed
    wait_until(lambda: not search.processes(), seconds=15)
    finish(search, search.result())


@pytest.mark.slow
@pytest.mark.ray
def test_a_second_signal_leaves_at_once_and_no_process(search: Search) -> None:
    driver = search.start()
    wait_for_trials(search, driver, 1)
    driver.send_signal(signal.SIGTERM)
    driver.send_signal(signal.SIGINT)
    driver.communicate()
    assert driver.returncode == 143
    wait_until(lambda: not search.processes(), seconds=15)
    finish(search, search.result())


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("seconds", [0.0, 1.0, 3.0])
def test_sigterm_while_the_search_starts(seconds: float, search: Search) -> None:
    driver = search.start()
    wait_until((search.study_folder / "lock").exists)
    time.sleep(seconds)
    driver.send_signal(signal.SIGTERM)
    _, stderr = driver.communicate()
    assert driver.returncode == 143, stderr
    assert "Traceback" not in stderr
    wait_until(lambda: not search.processes(), seconds=15)


@pytest.mark.slow
@pytest.mark.ray
def test_kill_9_with_a_trial_scheduler(search: Search, tmp_path: Path) -> None:
    """Rungs of both drivers count together, and what was stopped stays so."""
    asha = {
        "trial_scheduler": {"kind": "asha", "metric": "loss", "guard": "off"},
        "task": {"epochs": 10},
        "initial": [],
    }
    write_toy(tmp_path, **{**SECTIONS, **asha, "budget": {"trials": 12}})
    driver = search.start()
    wait_until(lambda: sum((search.result() or NOTHING).counts()[state] for state in ("complete", "pruned")) >= 5)
    kill(driver)
    killed = search.result()
    assert killed is not None
    result = run_to_its_end(search)
    counts = result.counts()
    assert counts["complete"] + counts["pruned"] == 12
    assert counts["pruned"] >= 3
    for before in killed.trials:
        if before.state in ("complete", "pruned"):
            assert timeless(result.trials[before.number]) == timeless(before)
    for record in result.trials:
        if record.state == "pruned":  # killed between a rung and its decision, it is stopped at the next report
            at = range(record.epochs - record.resumed, record.epochs + 1)
            assert record.stopped in {f"trial scheduler at epoch {epoch}" for epoch in at}


@pytest.mark.slow
@pytest.mark.ray
def test_kill_9_in_the_middle_of_real_trainings(real: Search) -> None:
    driver = real.start()
    wait_for_trials(real, driver, 1)
    kill(driver)
    killed = real.result()
    assert killed is not None
    result = run_to_its_end(real)
    assert result.counts() == {"complete": 4, "pruned": 0, "fail": 0, "running": 0, "waiting": 0}
    for before in killed.trials:
        after = result.trials[before.number]
        assert (after.seed, after.params) == (before.seed, before.params)
        if before.state == "complete":
            assert timeless(after) == timeless(before)
    assert all(record.epochs == 12 for record in result.trials)
    wait_until(lambda: not real.processes(), seconds=15)
