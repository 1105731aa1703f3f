"""The experiment, its runs and the summary, read back with MLflow's own client from a real SQLite store."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.fake_study import (
    BEGIN,
    BEGIN_MS,
    PARAMS,
    fabricate_trial,
    record,
    report,
    result,
    seconds_later,
    write_trajectory,
)
from tests.support.mlflow_folder import Shelf
from vsam_tune.study.storage.study_storage import trial_folder
from vsam_tune.study.tracking import mlflow_store
from vsam_tune.study.tracking.mlflow_store import find_experiment, open_client


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "made")


# ---- experiment and runs


def test_a_study_is_one_experiment_and_a_trial_one_run_at_top_level(shelf: Shelf) -> None:
    store = shelf.open()
    for number in (0, 1):
        fabricate_trial(shelf.folder, number)
        shelf.log(store, number)
    store.log_summary(result([record(0), record(1)]))
    assert sorted(shelf.runs()) == ["summary", "trial 0", "trial 1"]
    assert all("mlflow.parentRunId" not in run.data.tags for run in shelf.runs().values())
    experiments = [each for each in shelf.client.search_experiments() if each.name == "made"]
    assert [each.tags["a"] for each in experiments] == ["b"]


def test_after_a_restart_the_same_runs_are_found_and_no_point_comes_twice(shelf: Shelf) -> None:
    report(shelf.folder, 0, epochs=[1, 2])
    shelf.log(shelf.open(), 0, None)
    before = shelf.runs()["trial 0"].info.run_id
    report(shelf.folder, 0, epochs=[3, 4])
    write_trajectory(shelf.folder / trial_folder(0) / "trajectory.parquet")
    for _ in range(3):  # starts, each of which logs everything again
        shelf.log(shelf.open(), 0)
    run = shelf.runs()["trial 0"]
    assert run.info.run_id == before
    assert shelf.history(run, "val_accuracy") == [(10, 81.0), (20, 82.0), (30, 83.0), (40, 84.0)]
    assert len(shelf.history(run, "l2_psf")) == 10
    assert len(shelf.history(run, "cumulative_samples")) == 40


def test_a_run_that_was_cut_while_it_was_opened_is_taken_up(shelf: Shelf) -> None:
    store = shelf.open()
    experiment = find_experiment(shelf.client, "id-of-made")
    assert experiment is not None
    tags = {"vsam_tune.trial": "0", "vsam_tune.kind": "trial"}
    cut = shelf.client.create_run(experiment, run_name="trial 0", tags=tags)  # and then the driver died
    report(shelf.folder, 0)
    for opened in (store, shelf.open()):
        shelf.log(opened, 0)
        assert shelf.runs()["trial 0"].info.run_id == cut.info.run_id
        assert shelf.runs()["trial 0"].data.params["beta"] == "0.13"


def test_studies_of_one_name_have_an_experiment_each(shelf: Shelf) -> None:
    for study_id in ("1" * 32, "2" * 32, "2" * 32):
        report(shelf.folder, 0)
        shelf.log(shelf.open(study_id=study_id), 0)
    assert len(shelf.runs("1" * 32)) == len(shelf.runs("2" * 32)) == 1
    assert {each.name for each in shelf.client.search_experiments()} >= {"made", "made 22222222"}


def test_an_experiment_that_the_studys_other_driver_has_just_made_is_taken(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.open()
    monkeypatch.setattr(mlflow_store, "find_experiment", lambda *_: None)  # as a moment ago
    shelf.log(shelf.open(), 0, None)
    assert [each.name for each in shelf.client.search_experiments() if each.name.startswith("made")] == ["made"]


def test_an_experiment_that_was_deleted_by_hand_is_made_anew(shelf: Shelf) -> None:
    shelf.open()
    experiment = find_experiment(shelf.client, "id-of-made")
    assert experiment is not None
    shelf.client.delete_experiment(experiment)
    report(shelf.folder, 0)
    shelf.log(shelf.open(), 0)
    assert sorted(shelf.runs()) == ["trial 0"]


def test_more_trials_than_a_page_of_mlflow_are_all_found_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    search = MlflowClient.search_runs
    monkeypatch.setattr(MlflowClient, "search_runs", lambda *a, **k: search(*a, **{**k, "max_results": 2}))
    store = shelf.open()
    for number in range(5):
        report(shelf.folder, number, epochs=[1])
        shelf.log(store, number)
    assert all(shelf.open().holds(record(number)) for number in range(5))


# ---- what a run shows


def test_params_are_what_was_set_by_bare_names(shelf: Shelf) -> None:
    report(shelf.folder, 0)
    shelf.log(shelf.open(), 0)
    assert shelf.runs()["trial 0"].data.params == {
        "data": "digits",
        "model": "cnn 32",
        "epochs": "4",
        "task_seed": "7",
        "method": "vsam",
        "base_optimizer": "torch.optim:SGD",
        "lr": "0.1",
        "momentum": "0.9",
        "rho": "0.4",
        **{key: str(value) for key, value in PARAMS.items()},
        "seed": "1000",
    }


def test_the_last_values_of_the_curve_are_the_columns_of_the_table(shelf: Shelf) -> None:
    report(shelf.folder, 0, ais=5000.0)
    shelf.log(shelf.open(), 0)
    assert shelf.runs()["trial 0"].data.metrics == {"val_accuracy": 84.0, "ais": 5000.0}


@pytest.mark.parametrize(
    ("state", "status", "fields", "tags"),
    [
        ("complete", "FINISHED", {}, {"vsam_tune.state": "complete"}),
        (
            "pruned",
            "KILLED",
            {"stopped": "diverged at iteration 120"},
            {"vsam_tune.state": "pruned", "vsam_tune.stopped": "diverged at iteration 120"},
        ),
        (
            "fail",
            "FAILED",
            {"error": "OSError: no disk"},
            {"vsam_tune.state": "fail", "vsam_tune.error": "OSError: no disk"},
        ),
    ],
)
def test_how_a_trial_ended_is_its_status_and_tags(
    shelf: Shelf, state: str, status: str, fields: dict[str, str], tags: dict[str, str]
) -> None:
    report(shelf.folder, 2)
    store = shelf.open()
    shelf.log(store, 2, None)
    assert shelf.runs()["trial 2"].info.status == "RUNNING"
    assert not store.holds(record(2, state, **fields))
    shelf.log(store, 2, state, **fields)
    run = shelf.runs()["trial 2"]
    assert run.info.status == status
    assert tags.items() <= run.data.tags.items()
    assert {"vsam_tune.stopped", "vsam_tune.error"} & set(run.data.tags) == set(tags) - {"vsam_tune.state"}
    assert store.holds(record(2, state, **fields))
    assert shelf.open().holds(record(2, state, **fields))


def test_an_error_longer_than_mlflows_tags_keeps_its_end(shelf: Shelf) -> None:
    report(shelf.folder, 0)
    shelf.log(shelf.open(), 0, "fail", error="x" * 20000 + "OSError: no disk")
    assert shelf.runs()["trial 0"].data.tags["vsam_tune.error"].endswith("xOSError: no disk")


def test_a_run_carries_its_tags_and_its_colour(shelf: Shelf) -> None:
    report(shelf.folder, 0)
    shelf.log(shelf.open(), 0)
    tags = shelf.runs()["trial 0"].data.tags
    assert (tags["vsam_tune.kind"], tags["vsam_tune.trial"], tags["vsam_tune.device"]) == ("trial", "0", "a desk")
    assert tags["mlflow.runColor"].startswith("#")


def test_a_trial_logged_after_the_fact_has_the_times_of_the_trial(shelf: Shelf) -> None:
    report(shelf.folder, 0)
    shelf.log(shelf.open(), 0, started=BEGIN, seconds=90.5)
    info = shelf.runs()["trial 0"].info
    assert (info.start_time, info.end_time) == (BEGIN_MS, seconds_later(90.5))


def test_files_of_the_trial_are_artifacts_of_its_run(shelf: Shelf) -> None:
    fabricate_trial(shelf.folder, 0)
    where = shelf.folder / trial_folder(0)
    (where / "error.txt").write_text("OSError", encoding="utf-8")
    (where / "log.txt").write_text("a warning", encoding="utf-8")
    (where / "checkpoint.pt").write_bytes(b"large")
    shelf.log(shelf.open(), 0, "fail")
    run = shelf.runs()["trial 0"]
    assert shelf.artifacts(run) == ["error.txt", "log.txt", "trajectory.parquet"]
    fetched = shelf.client.download_artifacts(run.info.run_id, "trajectory.parquet")
    assert Path(fetched).read_bytes() == (where / "trajectory.parquet").read_bytes()


def test_a_trial_without_any_file_is_logged(shelf: Shelf) -> None:
    shelf.log(shelf.open(), 0, "fail", error="the worker died without a word")
    run = shelf.runs()["trial 0"]
    assert (run.info.status, run.data.metrics, shelf.artifacts(run)) == ("FAILED", {}, [])


# ---- the summary


def test_the_summary_holds_the_front_and_the_resolved_file(shelf: Shelf) -> None:
    trials = [record(0), record(1), record(2, "pruned"), record(3, "fail")]
    store = shelf.open()
    store.log_summary(result(trials))
    store.log_summary(result(trials))
    run = shelf.runs()["summary"]
    assert run.data.tags["vsam_tune.kind"] == "summary"
    assert run.data.tags["vsam_tune.front"] == "1 0"  # the most accurate first
    assert shelf.artifacts(run) == ["front.json", "study.resolved.yaml"]
    front = json.loads(Path(shelf.client.download_artifacts(run.info.run_id, "front.json")).read_text(encoding="utf-8"))
    assert front == json.loads(json.dumps(result(trials).as_json()))


def test_hypervolume_is_logged_once_its_reference_point_is_fixed_and_nothing_runs(shelf: Shelf) -> None:
    store, corner = shelf.open(), {"val_accuracy": 80.0, "ais": 1000.0}
    store.log_summary(result([record(0)]))
    store.log_summary(result([record(0), record(1, "running")], corner))
    assert shelf.runs()["summary"].data.metrics == {}
    done = result([record(0), record(1)], corner)
    store.log_summary(done)
    more = result([record(0), record(1), record(2)], corner)
    store.log_summary(more)
    assert shelf.history(shelf.runs()["summary"], "hypervolume") == more.hypervolume_over_trials()
    assert more.hypervolume_over_trials()[:2] == done.hypervolume_over_trials()


def test_a_client_gives_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    began = datetime.now(UTC)
    client = open_client("http://127.0.0.1:9")  # the discard port: nothing listens
    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        find_experiment(client, "0")
    assert (datetime.now(UTC) - began).total_seconds() < 20
