"""A driver that is killed in the middle of baselines loses no finished training, repeats none, leaves no process."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.study.test_runner_kill import Search, kill, timeless, wait_until
from tests.study.toy import write_toy
from tests.study.trainables.quadratic import read_steps
from vsam_tune.errors import InputError
from vsam_tune.results import StudyResult
from vsam_tune.study.storage import DATABASE, load_baselines

SECTIONS = {
    "trainable": "tests.study.trainables.replicate:Replicate",
    "method": {"name": "toy", "seconds": 0.15},
    "baselines": {"seeds": 3, "methods": [{"name": "toy", "x": 0.0}, {"name": "toy", "x": 1.5}]},
}
WANTED = [{"label": label, "replicate": i} for i in range(3) for label in ("toy(x=0)", "toy(x=1.5)")]


class Baselines(Search):
    """The command `baselines` on a study named toy."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, "baselines")

    def result(self) -> StudyResult | None:
        try:
            return load_baselines("toy", self.root)
        except InputError:
            return None

    def steps(self) -> dict[int, list[int]]:
        folders = sorted((self.study_folder / "baselines").glob("trials/*"))
        return {int(folder.name): [step["epoch"] for step in read_steps(folder)] for folder in folders}


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Baselines]:
    command = Baselines(write_toy(tmp_path, **SECTIONS))
    yield command
    for process in command.processes():
        process.kill()


def finish(command: Baselines, killed: StudyResult | None) -> None:
    """Run the command to its end and hold the baselines against what they were when their driver was killed."""
    steps, driver = command.steps(), command.start()
    try:
        stdout, stderr = driver.communicate(timeout=200)
    except subprocess.TimeoutExpired:
        kill(driver)
        raise
    assert driver.returncode == 0, stderr
    assert "next: vsam-tune compare toy" in stdout
    result = command.result()
    assert result is not None
    assert [record.params for record in result.trials] == WANTED
    assert {record.state for record in result.trials} == {"complete"}
    for before in killed.trials if killed else ():
        after = result.trials[before.number]
        if before.state == "complete":
            assert timeless(after) == timeless(before)
            assert command.steps()[before.number] == steps[before.number] == [1, 2, 3, 4]
        elif before.state == "running":
            assert (after.resumed, after.seed) == (before.resumed + 1, before.seed or after.seed)
    for number, epochs in command.steps().items():
        assert sorted(set(epochs)) == [1, 2, 3, 4]
        assert len(epochs) <= 4 + result.trials[number].resumed, "a resumed training repeats one step at most"
    wait_until(lambda: not command.processes(), seconds=15)


@pytest.mark.slow
@pytest.mark.ray
def test_kill_9_in_the_middle_of_baselines(command: Baselines) -> None:
    driver = command.start()

    def there() -> bool:
        counts = result.counts() if (result := command.result()) else {"complete": 0, "running": 0}
        return counts["complete"] >= 2 and counts["running"] > 0

    wait_until(lambda: driver.poll() is not None or there())
    assert driver.poll() is None, driver.communicate()
    kill(driver)
    killed = command.result()
    assert killed is not None
    assert 2 <= killed.counts()["complete"] < len(WANTED)
    finish(command, killed)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.5])
def test_kill_9_while_baselines_start(seconds: float, command: Baselines) -> None:
    """Around the first writing of the storage."""
    driver = command.start()
    wait_until((command.study_folder / DATABASE).exists)
    time.sleep(seconds)
    kill(driver)
    finish(command, command.result())
