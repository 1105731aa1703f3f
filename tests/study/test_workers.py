"""Whole searches on a real Ray, with trainables that differ in how a worker gets its next trial."""

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.support.toy_study import toy_study
from tests.support.trainables.workers import BROKEN, read_calls
from vsam_tune.analysis.results import StudyResult
from vsam_tune.study.search import search

TRIALS = 3


def searched(
    folder: Path, address: str, trainable: str, *, workers: int = 2, **sections: Any
) -> tuple[StudyResult, list[dict[str, Any]]]:
    """Search with a trainable of `tests.support.trainables.workers`; return the study, and what its workers noted."""
    content = {"task": {"epochs": 2}, "budget": {"trials": TRIALS}, "resources": {"retries": 0}, **sections}
    study = toy_study(folder, trainable=f"tests.support.trainables.workers:{trainable}", **content)
    result, _ = search(study, root=folder / "runs", workers=workers, address=address)
    return result, read_calls(folder / "runs" / "toy")


@pytest.mark.ray
@pytest.mark.parametrize("trainable", ["Plain", "Refuses", "ResetFails"])
def test_each_trial_gets_a_new_worker_where_none_can_be_reused(
    trainable: str, ray_address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        result, calls = searched(tmp_path, ray_address, trainable)
    assert result.counts() == {"complete": TRIALS, "pruned": 0, "fail": 0, "running": 0, "waiting": 0}
    assert sorted(call["number"] for call in calls) == list(range(TRIALS))
    assert len({call["pid"] for call in calls}) == TRIALS
    said = [entry.getMessage() for entry in caplog.records if "reset_config" in entry.getMessage()]
    reason = "NotImplementedError: not yet"
    line = f"reset_config failed: {reason}; the trial gets a new worker process instead"
    assert said == ([line] if trainable == "ResetFails" else [])


@pytest.mark.ray
def test_each_trial_is_set_up_once_and_no_worker_that_starts_is_ended_for_another(
    ray_address: str, tmp_path: Path
) -> None:
    result, calls = searched(tmp_path, ray_address, "Reuses", budget={"trials": 12})
    assert result.counts()["complete"] == 12
    assert sorted(call["number"] for call in calls) == list(range(12))
    first_call = {call["pid"]: call["call"] for call in reversed(calls)}
    assert set(first_call.values()) == {"setup"}
    assert [call["call"] for call in calls].count("setup") == len(first_call) <= 2


@pytest.mark.ray
@pytest.mark.parametrize(
    ("trainable", "error"), [("SetupFails", f"LookupError: {BROKEN}"), ("SetupExits", f"SystemExit: {BROKEN}")]
)
def test_an_error_of_setup_is_not_tried_again(
    trainable: str, error: str, ray_address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        result, calls = searched(tmp_path, ray_address, trainable, workers=1, resources={"retries": 2})
    assert result.counts() == {"complete": 0, "pruned": 0, "fail": 3, "running": 0, "waiting": 0}
    assert [call["number"] for call in calls] == [0, 1, 2]
    for record in result.trials:
        lines = (record.error or "").splitlines()
        assert (lines[0], lines[-1]) == ("Traceback (most recent call last):", error)
    assert [entry.getMessage() for entry in caplog.records if " failed: " in entry.getMessage()] == [
        f"trial {number} failed: {error}" for number in range(3)
    ]
