"""Tracking through a real server, which is away at times."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.support.fake_study import config, record, report, result, settings, study_folder, write_trajectory
from tests.support.lossy_proxy import LossyProxy
from tests.support.mlflow_server import Server
from vsam_tune.study.storage.folder import trial_folder
from vsam_tune.study.tracking import writer
from vsam_tune.study.tracking.completeness import store_lacks_a_part
from vsam_tune.study.tracking.mlflow_client import find_experiment
from vsam_tune.study.tracking.run_kind import TRIAL
from vsam_tune.study.tracking.tracking_state import default_uri, lacks_a_part, read_tracking_state
from vsam_tune.study.tracking.writer import MlflowTracking

pytestmark = pytest.mark.mlflow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store = study_folder(tmp_path_factory.mktemp("server"))
    server = Server(default_uri(store), store / "server.log")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return study_folder(tmp_path / "made")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_GATHER_SECONDS", 0.1)
    monkeypatch.setattr(writer, "_RETRY_SECONDS", 0.5)


def track(uri: str, folder: Path) -> MlflowTracking:
    return MlflowTracking(uri, "made", folder, tags={}, config=config, run_tags={})


def live(writer: MlflowTracking, folder: Path, number: int, *, ends: bool = True) -> None:
    writer.started(number, settings(number))
    report(folder, number)
    write_trajectory(folder / trial_folder(number) / "trajectory.parquet")
    writer.reported(number, {})
    if ends:
        writer.ended(record(number))


def logged(server: Server, folder: Path) -> dict[str, Run]:
    client, tracked = MlflowClient(tracking_uri=server.url), read_tracking_state(folder)
    assert tracked is not None
    experiment = find_experiment(client, tracked.study_id)
    runs = client.search_runs([experiment]) if experiment else []
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}


def wait_for(server: Server, folder: Path, name: str) -> None:
    deadline = time.monotonic() + 30
    while name not in logged(server, folder):
        assert time.monotonic() < deadline, f"{name} was not logged"
        time.sleep(0.1)


def assert_all_of_it_is_there_once(server: Server, folder: Path, num_trials: int) -> None:
    runs, client = logged(server, folder), MlflowClient(tracking_uri=server.url)
    assert sorted(runs) == ["summary", *(f"trial {number}" for number in range(num_trials))]
    for number in range(num_trials):
        run = runs[f"trial {number}"]
        assert run.info.status == "FINISHED"
        assert run.data.params["seed"] == str(1000 + number)
        for key, count in (("val_accuracy", 4), ("l2_psf", 10), ("cumulative_samples", 40)):
            steps = [each.step for each in client.get_metric_history(run.info.run_id, key)]
            assert len(steps) == len(set(steps)) == count
        assert [each.path for each in client.list_artifacts(run.info.run_id)] == ["trajectory.parquet"]


def test_a_server_killed_in_the_middle_and_started_again_misses_nothing(
    server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = track(server.url, folder)
    live(writer, folder, 0)
    live(writer, folder, 1, ends=False)
    wait_for(server, folder, "trial 1")
    server.kill()
    writer.ended(record(1))
    live(writer, folder, 2)
    deadline = time.monotonic() + 60
    while not caplog.records and time.monotonic() < deadline:
        time.sleep(0.1)
    live(writer, folder, 3)  # the search goes on
    server.start()
    assert writer.close(result([record(number) for number in range(4)])) == ""
    assert len([entry for entry in caplog.records if "trials go on" in entry.getMessage()]) == 1
    assert_all_of_it_is_there_once(server, folder, 4)
    assert not lacks_a_part(folder, server.url)


def test_what_a_server_missed_until_the_end_is_logged_at_the_next_start(server: Server, folder: Path) -> None:
    nowhere = "http://127.0.0.1:9"  # the discard port: nothing listens
    writer = track(nowhere, folder)
    for number in (0, 1):
        live(writer, folder, number)
    began = time.monotonic()
    failure = writer.close(result([record(0), record(1)]), timeout_seconds=60)
    assert time.monotonic() - began < 60
    assert "127.0.0.1" in failure
    assert "\n" not in failure
    assert lacks_a_part(folder, nowhere)
    assert track(server.url, folder).close(result([record(0), record(1)])) == ""
    assert_all_of_it_is_there_once(server, folder, 2)


@pytest.mark.parametrize("every", [3, 4])
def test_answers_that_are_lost_double_and_lose_nothing(every: int, server: Server, folder: Path) -> None:
    proxy = LossyProxy(server.url, every=every)
    try:
        writer = track(proxy.url, folder)
        for number in range(4):
            live(writer, folder, number)
        failure = writer.close(result([record(number) for number in range(4)]))
        for _ in range(3):  # the next starts
            if failure:
                failure = track(proxy.url, folder).close(result([record(number) for number in range(4)]))
        assert failure == ""
    finally:
        proxy.close()
    assert proxy.lost > 10
    assert_all_of_it_is_there_once(server, folder, 4)
    assert not lacks_a_part(folder, proxy.url)


def test_runs_that_a_former_version_created_twice_become_one(server: Server, folder: Path) -> None:
    trials = [record(0), record(1)]
    writer = track(server.url, folder)
    live(writer, folder, 0)
    live(writer, folder, 1)
    assert writer.close(result(trials)) == ""
    client, state = MlflowClient(tracking_uri=server.url), read_tracking_state(folder)
    assert state is not None
    experiment = find_experiment(client, state.study_id)
    client.create_run(experiment, tags={"vsam_tune.trial": "1", "vsam_tune.kind": "trial"})
    assert not lacks_a_part(folder, server.url)  # so the mark says
    assert store_lacks_a_part(folder, folder, server.url, result(trials), TRIAL)
    assert track(server.url, folder).close(result(trials)) == ""
    assert_all_of_it_is_there_once(server, folder, 2)
    assert not store_lacks_a_part(folder, folder, server.url, result(trials), TRIAL)
