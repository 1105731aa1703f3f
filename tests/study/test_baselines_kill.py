"""A driver that is killed in the middle of baselines loses no finished training, repeats none, leaves no process."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.study.execution.test_runner_kill import Search, kill, output_of_all, timeless, wait_for_trials, wait_until
from tests.support.toy_study import write_toy
from vsam_tune.analysis.results import StudyResult
from vsam_tune.study.storage.folder import DATABASE
from vsam_tune.study.storage.stored_study import load_baselines

SECTIONS = {
    "trainable": "tests.support.trainables.replicate:Replicate",
    "method": {"name": "toy", "seconds": 0.15},
    "baselines": {"seeds": 3, "methods": [{"name": "toy", "x": 0.0}, {"name": "toy", "x": 1.5}]},
}
WANTED = [{"label": label, "replicate": i} for i in range(3) for label in ("toy(x=0)", "toy(x=1.5)")]


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Search]:
    command = Search(write_toy(tmp_path, **SECTIONS), "baselines", load_baselines)
    yield command
    for process in command.processes():
        process.kill()


def finish(command: Search, killed: StudyResult | None) -> None:
    """Run the command to its end and hold the baselines against what they were when their driver was killed."""
    steps = command.steps()
    assert "next: vsam-tune compare toy" in output_of_all(command)
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
def test_kill_9_in_the_middle_of_baselines(command: Search) -> None:
    driver = command.start()
    wait_for_trials(command, driver, 2)
    kill(driver)
    killed = command.result()
    assert killed is not None
    assert 2 <= killed.counts()["complete"] < len(WANTED)
    finish(command, killed)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.5])
def test_kill_9_while_baselines_start(seconds: float, command: Search) -> None:
    """Around the first writing of the storage."""
    driver = command.start()
    wait_until((command.study_folder / DATABASE).exists)
    time.sleep(seconds)
    kill(driver)
    finish(command, command.result())
