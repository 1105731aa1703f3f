"""The experiment, its runs and the summary, read back with MLflow's own client from a real SQLite store."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.fake_study import (
    BEGIN,
    BEGIN_MS,
    PARAMS,
    record,
    report,
    result,
    seconds_later,
    write_fake_trial,
    write_trajectory,
)
from tests.support.mlflow_folder import MlflowFolder
from vsam_tune.analysis.front_json import front_json
from vsam_tune.analysis.hypervolume_over import hypervolume_over
from vsam_tune.study.storage.folder import trial_folder
from vsam_tune.study.tracking import mlflow_store
from vsam_tune.study.tracking.mlflow_client import find_experiment, open_client


@pytest.fixture
def place(tmp_path: Path) -> MlflowFolder:
    return MlflowFolder(tmp_path / "made")


# ---- experiment and runs


def test_a_study_is_one_experiment_and_a_trial_one_run_at_top_level(place: MlflowFolder) -> None:
    store = place.open()
    for number in (0, 1):
        write_fake_trial(place.folder, number)
        place.log(store, number)
    store.log_summary(result([record(0), record(1)]))
    assert sorted(place.runs()) == ["summary", "trial 0", "trial 1"]
    assert all("mlflow.parentRunId" not in run.data.tags for run in place.runs().values())
    experiments = [each for each in place.client.search_experiments() if each.name == "made"]
    assert [each.tags["a"] for each in experiments] == ["b"]


def test_after_a_restart_the_same_runs_are_found_and_no_point_comes_twice(place: MlflowFolder) -> None:
    report(place.folder, 0, epochs=[1, 2])
    place.log(place.open(), 0, None)
    before = place.runs()["trial 0"].info.run_id
    report(place.folder, 0, epochs=[3, 4])
    write_trajectory(place.folder / trial_folder(0) / "trajectory.parquet")
    for _ in range(3):  # starts, each of which logs everything again
        place.log(place.open(), 0)
    run = place.runs()["trial 0"]
    assert run.info.run_id == before
    assert place.history(run, "val_accuracy") == [(10, 81.0), (20, 82.0), (30, 83.0), (40, 84.0)]
    assert len(place.history(run, "l2_psf")) == 10
    assert len(place.history(run, "cumulative_samples")) == 40


def test_a_run_that_was_cut_while_it_was_opened_is_taken_up(place: MlflowFolder) -> None:
    store = place.open()
    experiment = find_experiment(place.client, "id-of-made")
    assert experiment is not None
    tags = {"vsam_tune.trial": "0", "vsam_tune.kind": "trial"}
    cut = place.client.create_run(experiment, run_name="trial 0", tags=tags)  # and then the driver died
    report(place.folder, 0)
    for opened in (store, place.open()):
        place.log(opened, 0)
        assert place.runs()["trial 0"].info.run_id == cut.info.run_id
        assert place.runs()["trial 0"].data.params["beta"] == "0.13"


def test_studies_of_one_name_have_an_experiment_each(place: MlflowFolder) -> None:
    for study_id in ("1" * 32, "2" * 32, "2" * 32):
        report(place.folder, 0)
        place.log(place.open(study_id=study_id), 0)
    assert len(place.runs("1" * 32)) == len(place.runs("2" * 32)) == 1
    assert {each.name for each in place.client.search_experiments()} >= {"made", "made 22222222"}


def test_an_experiment_that_the_studys_other_driver_has_just_made_is_taken(
    place: MlflowFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.open()
    monkeypatch.setattr(mlflow_store, "find_experiment", lambda *_: None)  # as a moment ago
    place.log(place.open(), 0, None)
    assert [each.name for each in place.client.search_experiments() if each.name.startswith("made")] == ["made"]


def test_an_experiment_that_was_deleted_by_hand_is_made_anew(place: MlflowFolder) -> None:
    place.open()
    experiment = find_experiment(place.client, "id-of-made")
    assert experiment is not None
    place.client.delete_experiment(experiment)
    report(place.folder, 0)
    place.log(place.open(), 0)
    assert sorted(place.runs()) == ["trial 0"]


def test_more_trials_than_a_page_of_mlflow_are_all_found_again(
    place: MlflowFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = MlflowClient.search_runs
    monkeypatch.setattr(MlflowClient, "search_runs", lambda *a, **k: search(*a, **{**k, "max_results": 2}))
    store = place.open()
    for number in range(5):
        report(place.folder, number, epochs=[1])
        place.log(store, number)
    assert all(place.holds(place.open(), record(number)) for number in range(5))


# ---- what a run shows


def test_params_are_what_was_set_by_bare_names(place: MlflowFolder) -> None:
    report(place.folder, 0)
    place.log(place.open(), 0)
    assert place.runs()["trial 0"].data.params == {
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


def test_the_last_values_of_the_curve_are_the_columns_of_the_table(place: MlflowFolder) -> None:
    report(place.folder, 0, ais=5000.0)
    place.log(place.open(), 0)
    assert place.runs()["trial 0"].data.metrics == {"val_accuracy": 84.0, "ais": 5000.0}


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
    place: MlflowFolder, state: str, status: str, fields: dict[str, str], tags: dict[str, str]
) -> None:
    report(place.folder, 2)
    store = place.open()
    place.log(store, 2, None)
    assert place.runs()["trial 2"].info.status == "RUNNING"
    assert not place.holds(store, record(2, state, **fields))
    place.log(store, 2, state, **fields)
    run = place.runs()["trial 2"]
    assert run.info.status == status
    assert tags.items() <= run.data.tags.items()
    assert {"vsam_tune.stopped", "vsam_tune.error"} & set(run.data.tags) == set(tags) - {"vsam_tune.state"}
    assert place.holds(store, record(2, state, **fields))
    assert place.holds(place.open(), record(2, state, **fields))


def test_an_error_longer_than_mlflows_tags_keeps_its_end(place: MlflowFolder) -> None:
    report(place.folder, 0)
    place.log(place.open(), 0, "fail", error="x" * 20000 + "OSError: no disk")
    assert place.runs()["trial 0"].data.tags["vsam_tune.error"].endswith("xOSError: no disk")


def test_a_run_carries_its_tags_and_its_colour(place: MlflowFolder) -> None:
    report(place.folder, 0)
    place.log(place.open(), 0)
    tags = place.runs()["trial 0"].data.tags
    assert (tags["vsam_tune.kind"], tags["vsam_tune.trial"], tags["vsam_tune.device"]) == ("trial", "0", "a desk")
    assert tags["mlflow.runColor"].startswith("#")


def test_a_trial_logged_after_the_fact_has_the_times_of_the_trial(place: MlflowFolder) -> None:
    report(place.folder, 0)
    place.log(place.open(), 0, started=BEGIN, seconds=90.5)
    info = place.runs()["trial 0"].info
    assert (info.start_time, info.end_time) == (BEGIN_MS, seconds_later(90.5))


def test_a_trial_that_the_writer_gets_to_late_has_its_own_times(place: MlflowFolder) -> None:
    report(place.folder, 0)
    store, where = place.open(), place.folder / trial_folder(0)
    store.log_trial(0, where, params={"seed": "1"}, tags={}, record=None, started=BEGIN)
    assert place.runs()["trial 0"].info.start_time == BEGIN_MS
    place.log(store, 0, started=BEGIN, seconds=90.5)
    info = place.runs()["trial 0"].info
    assert (info.start_time, info.end_time) == (BEGIN_MS, seconds_later(90.5))


def test_the_summary_lasts_from_the_first_start_to_the_last_end(place: MlflowFolder) -> None:
    store = place.open()
    later = BEGIN + timedelta(seconds=30)
    store.log_summary(result([record(0, seconds=10.0), record(1, started=later, seconds=90.0)]))
    info = place.runs()["summary"].info
    assert (info.start_time, info.end_time) == (BEGIN_MS, seconds_later(120))


def test_files_of_the_trial_are_artifacts_of_its_run(place: MlflowFolder) -> None:
    write_fake_trial(place.folder, 0)
    where = place.folder / trial_folder(0)
    (where / "error.txt").write_text("OSError", encoding="utf-8")
    (where / "log.txt").write_text("a warning", encoding="utf-8")
    (where / "checkpoint.pt").write_bytes(b"large")
    place.log(place.open(), 0, "fail")
    run = place.runs()["trial 0"]
    assert place.artifacts(run) == ["error.txt", "log.txt", "trajectory.parquet"]
    fetched = place.client.download_artifacts(run.info.run_id, "trajectory.parquet")
    assert Path(fetched).read_bytes() == (where / "trajectory.parquet").read_bytes()


def test_a_trial_without_any_file_is_logged(place: MlflowFolder) -> None:
    place.log(place.open(), 0, "fail", error="the worker died without a word")
    run = place.runs()["trial 0"]
    assert (run.info.status, run.data.metrics, place.artifacts(run)) == ("FAILED", {}, [])


# ---- the summary


def test_the_summary_holds_the_front_and_the_resolved_file(place: MlflowFolder) -> None:
    trials = [record(0), record(1), record(2, "pruned"), record(3, "fail")]
    store = place.open()
    store.log_summary(result(trials))
    store.log_summary(result(trials))
    run = place.runs()["summary"]
    assert run.data.tags["vsam_tune.kind"] == "summary"
    assert run.data.tags["vsam_tune.front"] == "1 0"  # the most accurate first
    assert place.artifacts(run) == ["front.json", "study.resolved.yaml"]
    front = json.loads(Path(place.client.download_artifacts(run.info.run_id, "front.json")).read_text(encoding="utf-8"))
    assert front == json.loads(json.dumps(front_json(result(trials))))


def test_hypervolume_is_logged_once_its_reference_point_is_fixed_and_nothing_runs(place: MlflowFolder) -> None:
    store, corner = place.open(), {"val_accuracy": 80.0, "ais": 1000.0}
    store.log_summary(result([record(0)]))
    store.log_summary(result([record(0), record(1, "running")], corner))
    assert place.runs()["summary"].data.metrics == {}
    done = result([record(0), record(1)], corner)
    store.log_summary(done)
    more = result([record(0), record(1), record(2)], corner)
    store.log_summary(more)
    points = [(each["trials"], each["hypervolume"]) for each in hypervolume_over(more)]
    assert place.history(place.runs()["summary"], "hypervolume") == points
    assert hypervolume_over(more)[:2] == hypervolume_over(done)


def test_a_client_gives_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    began = datetime.now(UTC)
    client = open_client("http://127.0.0.1:9")  # the discard port: nothing listens
    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        find_experiment(client, "0")
    assert (datetime.now(UTC) - began).total_seconds() < 20
