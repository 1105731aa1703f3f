"""A driver that is killed in the middle of a confirmation loses no finished training, repeats none."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from tests.study.execution.test_runner_kill import Search, kill, output_of_all, timeless, wait_for_trials, wait_until
from tests.study.test_confirm import SECTIONS, Confirmed
from tests.support.toy_study import write_toy
from vsam_tune.study.storage.stored_study import load_confirm

SLOW = {"method": {"name": "toy", "seconds": 0.15}}
XS = [-1.0, 1.0]
WANTED = [{"label": f"toy trial {trial}", "replicate": i} for i in range(5) for trial in (1, 0)]


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Search]:
    Confirmed(tmp_path).searched(XS, **SLOW)
    sections = {**SECTIONS, **SLOW, "initial": [{"x": x} for x in XS], "budget": {"trials": 2}}
    command = Search(write_toy(tmp_path, **sections), "confirm", load_confirm)
    yield command
    for process in command.processes():
        process.kill()


@pytest.mark.slow
@pytest.mark.ray
def test_kill_9_in_the_middle_of_a_confirmation(command: Search) -> None:
    driver = command.start()
    wait_for_trials(command, driver, 3)
    kill(driver)
    killed, steps = command.result(), command.steps()
    assert killed is not None
    assert 3 <= killed.counts()["complete"] < len(WANTED)

    assert "2 of 2 points remain on the front of toy" in output_of_all(command)
    result = command.result()
    assert result is not None
    assert [record.params for record in result.trials] == WANTED
    assert {record.state for record in result.trials} == {"complete"}
    for before in killed.trials:
        after = result.trials[before.number]
        if before.state == "complete":
            assert timeless(after) == timeless(before)
            assert command.steps()[before.number] == steps[before.number] == [1, 2, 3]
        elif before.state == "running":
            assert (after.resumed, after.seed) == (before.resumed + 1, before.seed or after.seed)
    wait_until(lambda: not command.processes(), seconds=15)


def printed(command: Search, *options: str) -> dict[str, Any]:
    driver = command.start(*options, "--format", "json", "--timing-seconds", "6", "--seeds", "2")
    stdout, stderr = driver.communicate(timeout=280)
    assert driver.returncode == 0, stderr
    found: dict[str, Any] = json.loads(stdout)
    return found


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_kill_9_while_real_rows_are_timed(tmp_path: Path) -> None:
    """Our own trainable on digits: trainings end, a timing is cut off, and only timings are left to do."""
    file = tmp_path / "toy.yaml"
    file.write_text(
        "name: toy\nmethod: sam_5\ntask: {data: digits, model: {name: cnn, width: 4}, epochs: 4}\nbudget: {trials: 2}\n"
    )
    output_of_all(Search(file))  # and its pipes are closed
    command = Search(file, "confirm", load_confirm)
    driver = command.start("--seeds", "2", "--timing-seconds", "60")

    def timing_runs() -> bool:
        trials = result.trials if (result := command.result()) else ()
        return any("timing" in trial.params and trial.state == "running" for trial in trials)

    wait_until(lambda: driver.poll() is not None or timing_runs(), seconds=250)
    assert driver.poll() is None, driver.communicate()
    kill(driver)
    trained = command.result()
    assert trained is not None

    found = printed(command)
    rows = found["rows"]
    assert {row["label"] for row in rows} >= {"sgd", "sam"}
    assert {row["seeds"] for row in rows} == {2}
    assert all(row["test_accuracy"]["mean"] > 20 for row in rows)
    assert found["timing"]["rows"] == len(rows)
    assert all(row["timing"]["sampled_fraction"] == {"sgd": 0.0, "sam": 1.0}.get(row["label"], ANY) for row in rows)
    result = command.result()
    assert result is not None
    before = [trial for trial in trained.trials if "replicate" in trial.params]
    assert [timeless(trial) for trial in result.trials[: len(before)]] == [timeless(trial) for trial in before]
    assert len(result.trials) == 3 * len(rows)
    assert printed(command) == found

    again, result = printed(command, "--timing-only"), command.result()
    assert result is not None
    assert (again["timing"]["timing"], len(result.trials)) == (2, 4 * len(rows))
    wait_until(lambda: not command.processes(), seconds=15)
