"""The writer's thread on a real SQLite store: what it logs, what it survives, and what it says when it closes."""

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import fake_study
from tests.support.fake_study import record, report, result, settings, write_fake_trial
from tests.support.mlflow_folder import MlflowFolder
from tests.support.toy_study import on_disk, toy_plan, toy_study
from vsam_tune.study.execution import runner
from vsam_tune.study.execution.runner import Runner
from vsam_tune.study.search import SearchJob
from vsam_tune.study.storage.folder import trial_folder
from vsam_tune.study.tracking import store_file
from vsam_tune.study.tracking import writer as writer_module
from vsam_tune.study.tracking.mlflow_store import MlflowStore
from vsam_tune.study.tracking.tracking_state import (
    TrackingState,
    lacks_a_part,
    read_tracking_state,
    write_part_state,
    write_tracking_state,
)
from vsam_tune.study.tracking.writer import MlflowTracking


@pytest.fixture
def place(tmp_path: Path) -> MlflowFolder:
    return MlflowFolder(tmp_path / "made")


def track(place: MlflowFolder, **arguments: Any) -> MlflowTracking:
    plain = {"tags": {}, "config": fake_study.config, "run_tags": {"vsam_tune.device": "a desk"}}
    return MlflowTracking(None, "made", place.folder, **{**plain, **arguments})


def study_id(place: MlflowFolder) -> str:
    tracked = read_tracking_state(place.folder)
    assert tracked is not None
    return tracked.study_id


def live(writer: MlflowTracking, place: MlflowFolder, number: int, state: str | None = "complete") -> None:
    """Have a trial start, report four epochs, and end."""
    writer.started(number, settings(number))
    for epoch in (1, 2, 3, 4):
        report(place.folder, number, epochs=[epoch])
        writer.reported(number, {})
    if state:
        writer.ended(record(number, state))


def test_what_happens_to_trials_is_in_mlflow_when_the_writer_closes(place: MlflowFolder) -> None:
    writer = track(place, tags={"mlflow.note.content": "hello"})
    for number, state in enumerate(("complete", "pruned", "fail", None)):
        live(writer, place, number, state)
    trials = [record(0), record(1, "pruned"), record(2, "fail"), record(3, "running")]
    assert writer.close(result(trials)) == ""
    runs = place.runs(study_id(place))
    assert {name: run.info.status for name, run in runs.items()} == {
        "trial 0": "FINISHED",
        "trial 1": "KILLED",
        "trial 2": "FAILED",
        "trial 3": "RUNNING",
        "summary": "FINISHED",
    }
    assert len(place.history(runs["trial 3"], "val_accuracy")) == 4
    assert runs["trial 0"].data.params["beta"] == "0.13"
    assert runs["trial 0"].data.tags["vsam_tune.device"] == "a desk"
    assert (place.folder / "mlflow-artifacts").is_dir()


def test_points_are_logged_while_a_trial_runs(place: MlflowFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_GATHER_SECONDS", 0.05)
    writer = track(place)
    live(writer, place, 0, None)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        runs = place.runs(study_id(place)) if place.client.search_experiments(filter_string="name = 'made'") else {}
        if "trial 0" in runs and runs["trial 0"].data.metrics:
            break
        time.sleep(0.05)
    else:
        pytest.fail("nothing was logged before the writer closed")
    assert runs["trial 0"].info.status == "RUNNING"
    assert writer.close(result([record(0, "running")])) == ""


def test_a_driver_that_was_killed_is_gone_on_from_in_the_same_runs(place: MlflowFolder) -> None:
    writer = track(place)
    live(writer, place, 0)
    live(writer, place, 1, None)
    writer.close(result([record(0), record(1, "running")]))
    before = {name: run.info.run_id for name, run in place.runs(study_id(place)).items()}
    writer = track(place)
    writer.started(1, settings(1))
    writer.ended(record(1))
    assert writer.close(result([record(0), record(1)])) == ""
    runs = place.runs(study_id(place))
    assert {name: run.info.run_id for name, run in runs.items()} == before
    assert [step for step, _ in place.history(runs["trial 1"], "val_accuracy")] == [10, 20, 30, 40]


def test_trials_that_ended_unseen_are_logged_in_full_at_the_next_close(place: MlflowFolder) -> None:
    for number in (0, 1):
        write_fake_trial(place.folder, number)
    trials = [record(0), record(1, "pruned"), record(2, "running"), record(3, "waiting")]
    assert track(place).close(result(trials)) == ""
    runs = place.runs(study_id(place))
    assert sorted(runs) == ["summary", "trial 0", "trial 1"]
    seen = MlflowFolder(place.folder.parent / "seen")
    writer = track(seen)
    live(writer, seen, 0)
    assert writer.close(result([record(0)])) == ""
    assert runs["trial 0"].data.params == seen.runs(study_id(seen))["trial 0"].data.params
    assert "vsam_tune.device" not in runs["trial 0"].data.tags  # of the process that ran it, which nobody noted
    assert len(place.history(runs["trial 0"], "l2_psf")) == 10


def test_one_trial_that_cannot_be_logged_keeps_out_no_other(
    place: MlflowFolder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_RETRY_SECONDS", 0.05)
    broken = place.folder / trial_folder(0) / "trajectory.parquet"
    writer = track(place)
    with caplog.at_level(logging.WARNING):
        report(place.folder, 0)
        broken.write_bytes(b"no table")
        writer.started(0, settings(0))
        writer.ended(record(0))
        for number in (1, 2):
            live(writer, place, number)
        failure = writer.close(result([record(0), record(1), record(2)]))
    assert "Parquet" in failure
    warnings = [entry.getMessage() for entry in caplog.records if entry.name == "vsam_tune.study.tracking.writer"]
    assert len(warnings) == 1
    assert "trials go on and are logged later" in warnings[0]
    runs = place.runs(study_id(place))
    assert [runs[f"trial {number}"].info.status for number in range(3)] == ["RUNNING", "FINISHED", "FINISHED"]
    assert "summary" in runs
    assert lacks_a_part(place.folder, None)
    fake_study.write_trajectory(broken)
    assert track(place).close(result([record(0), record(1), record(2)])) == ""
    assert place.runs(study_id(place))["trial 0"].info.status == "FINISHED"
    assert not lacks_a_part(place.folder, None)


def test_a_store_that_hangs_holds_neither_the_search_nor_close(
    place: MlflowFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(MlflowStore, "log_trial", lambda *_, **__: released.wait(60))
    writer = track(place)
    try:
        began = time.monotonic()
        for _ in range(1000):
            writer.started(0, settings(0))
            writer.reported(0, {})
        writer.ended(record(0))
        assert time.monotonic() - began < 1
        assert writer.close(result([record(0)]), timeout_seconds=0.5).endswith("mlflow.db is too slow")
        assert time.monotonic() - began < 5
        assert lacks_a_part(place.folder, None)
    finally:
        released.set()
        writer._thread.join(30)


def test_closing_cuts_the_wait_for_the_next_try_short(place: MlflowFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_RETRY_SECONDS", 60.0)
    monkeypatch.setattr(writer_module, "_GATHER_SECONDS", 0.0)
    failed, log_trial = threading.Event(), MlflowStore.log_trial

    def fail_once(*arguments: Any, **options: Any) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError("no disk")
        log_trial(*arguments, **options)

    monkeypatch.setattr(MlflowStore, "log_trial", fail_once)
    writer = track(place)
    live(writer, place, 0)
    assert failed.wait(30)
    began = time.monotonic()
    assert writer.close(result([record(0)])) == ""
    assert time.monotonic() - began < 20


def test_a_trial_that_ends_while_the_writer_is_busy_keeps_its_marks(
    place: MlflowFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_GATHER_SECONDS", 0.0)
    opening, released = threading.Event(), threading.Event()

    def open_slowly(*arguments: Any, **options: Any) -> MlflowStore:
        opening.set()
        released.wait(30)
        return MlflowStore(*arguments, **options)

    monkeypatch.setattr(writer_module, "MlflowStore", open_slowly)
    writer = track(place)
    live(writer, place, 0)
    assert opening.wait(30)
    live(writer, place, 1)
    answers: list[str] = []
    closing = threading.Thread(target=lambda: answers.append(writer.close(result([record(0), record(1)]))))
    closing.start()
    assert writer._closing.wait(30)
    released.set()
    closing.join(60)
    assert answers == [""]
    assert place.runs(study_id(place))["trial 1"].data.tags["vsam_tune.device"] == "a desk"


# ---- what the study's folder knows


def test_a_folder_keeps_its_mark_and_says_whether_its_store_lacks_a_part(tmp_path: Path) -> None:
    assert read_tracking_state(tmp_path) is None
    assert lacks_a_part(tmp_path, None)
    first = write_tracking_state(tmp_path, None, complete=False)
    assert lacks_a_part(tmp_path, None)
    assert write_tracking_state(tmp_path, None, complete=True).study_id == first.study_id
    assert not lacks_a_part(tmp_path, None)
    assert lacks_a_part(tmp_path, "http://elsewhere:5000")
    assert write_tracking_state(tmp_path, "http://elsewhere:5000", complete=True).study_id == first.study_id
    assert read_tracking_state(tmp_path) == write_tracking_state(tmp_path, "http://elsewhere:5000", complete=True)


def test_a_part_of_a_study_is_marked_as_the_study_is_and_complete_by_itself(tmp_path: Path) -> None:
    part = tmp_path / "baselines"
    part.mkdir()
    first = write_part_state(tmp_path, part, None, complete=False)
    assert (first.complete, lacks_a_part(part, None), lacks_a_part(tmp_path, None)) == (False, True, True)
    assert write_tracking_state(tmp_path, None, complete=True).study_id == first.study_id
    assert write_part_state(tmp_path, part, None, complete=True).study_id == first.study_id
    assert (lacks_a_part(part, None), lacks_a_part(tmp_path, None)) == (False, False)
    elsewhere = "http://elsewhere:5000"
    assert write_part_state(tmp_path, part, elsewhere, complete=True).study_id == first.study_id
    assert read_tracking_state(tmp_path) == TrackingState(
        first.study_id, elsewhere, complete=False
    )  # where the UI looks


def test_two_folders_have_two_marks(tmp_path: Path) -> None:
    ids = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        ids.add(write_tracking_state(tmp_path / name, None, complete=False).study_id)
    assert len(ids) == 2


def test_a_finished_study_is_logged_at_the_next_start_where_mlflow_lacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = MlflowFolder(tmp_path / "toy")
    plan = toy_plan(tmp_path)
    storage, job = on_disk(plan, place.folder), SearchJob(study=toy_study(tmp_path), home=place.folder)
    for _ in range(4):
        trial = storage.ask()
        trial.suggest_float("x", -1.5, 1.5)
        storage.complete(trial, [1.0, 2.0], {"epoch": 4.0, "loss": 1.0, "cost": 2.0})
    assert Runner(place.folder).run(job) == (storage.result(), "finished before")
    assert sorted(place.runs(study_id(place))) == ["summary", *(f"trial {number}" for number in range(4))]
    with monkeypatch.context() as complete:
        complete.setattr(runner, "MlflowTracking", lambda *_, **__: pytest.fail("MLflow lacks nothing"))
        assert Runner(place.folder).run(job) == (storage.result(), "finished before")
    store_file._release(place.folder / "mlflow.db")
    (place.folder / "mlflow.db").write_bytes(fake_study.empty_store())  # and all of it is lost
    assert Runner(place.folder).run(job) == (storage.result(), "finished before")
    assert sorted(place.runs(study_id(place))) == ["summary", *(f"trial {number}" for number in range(4))]
