"""A study's folder that was moved or copied: its artifacts, its store and its experiment."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.support.fake_study import config, empty_store, record, report, result, study_folder
from tests.support.mlflow_folder import forget_places
from vsam_tune.study.storage.folder import trial_folder
from vsam_tune.study.tracking.mlflow_client import find_experiment
from vsam_tune.study.tracking.tracking_state import default_uri, read_tracking_state
from vsam_tune.study.tracking.writer import MlflowTracking


def log(folder: Path, number: int, uri: str | None = None) -> None:
    """Log a trial, and the summary of all trials up to it, as a driver in this folder does."""
    report(folder, number)
    (folder / trial_folder(number) / "log.txt").write_text(f"of trial {number} in {folder}", encoding="utf-8")
    forget_places()
    writer = MlflowTracking(uri, "made", folder, tags={}, config=config, run_tags={})
    assert writer.close(result([record(each) for each in range(number + 1)])) == ""


def runs(folder: Path, uri: str | None = None) -> tuple[MlflowClient, dict[str, Run]]:
    client, state = MlflowClient(tracking_uri=uri or default_uri(folder)), read_tracking_state(folder)
    assert state is not None
    experiment = find_experiment(client, state.study_id)
    found = client.search_runs([experiment]) if experiment else []
    assert len({run.info.run_name for run in found}) == len(found)
    return client, {run.info.run_name: run for run in found}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_artifacts_are_in(folder: Path, num_trials: int, uri: str | None = None) -> None:
    client, found = runs(folder, uri)
    assert sorted(found) == ["summary", *(f"trial {number}" for number in range(num_trials))]
    for name, run in found.items():
        assert run.info.artifact_uri.startswith((folder / "mlflow-artifacts").as_uri() + "/")
        artifact = "front.json" if name == "summary" else "log.txt"
        assert artifact in [each.path for each in client.list_artifacts(run.info.run_id)]
        assert (folder / "mlflow-artifacts" / run.info.run_id / "artifacts" / artifact).is_file()


@pytest.mark.parametrize("name", ["made", "a name with spaces, % and ü"])
def test_a_copy_leaves_the_original_alone(name: str, tmp_path: Path) -> None:
    original = study_folder(tmp_path / "runs" / name)
    log(original, 0)
    copy = tmp_path / "other runs" / name
    shutil.copytree(original, copy)
    before = files(original)
    log(copy, 1)
    assert files(original) == before
    assert_artifacts_are_in(copy, 2)
    again = tmp_path / "third"
    shutil.copytree(copy, again)
    log(again, 2)
    assert_artifacts_are_in(again, 3)
    log(original, 1)
    assert_artifacts_are_in(original, 2)


def test_a_moved_study_is_logged_where_its_old_place_cannot_be_made(tmp_path: Path) -> None:
    folder = study_folder(tmp_path / "runs" / "made")
    log(folder, 0)
    (tmp_path / "new").mkdir()
    moved = folder.rename(tmp_path / "new" / "made")
    (tmp_path / "runs").rmdir()
    (tmp_path / "runs").touch()  # a file: no folder can be made in it
    log(moved, 1)
    assert_artifacts_are_in(moved, 2)


def test_a_moved_study_keeps_its_artifacts_with_it_where_its_database_is_elsewhere(tmp_path: Path) -> None:
    shared = tmp_path / "shared.db"
    shared.write_bytes(empty_store())
    uri = f"sqlite:///{shared}"
    folders = {name: study_folder(tmp_path / name) for name in ("one", "two")}
    for folder in folders.values():
        log(folder, 0, uri)
    moved = folders["one"].rename(tmp_path / "moved")
    log(moved, 1, uri)
    assert_artifacts_are_in(moved, 2, uri)
    assert_artifacts_are_in(folders["two"], 1, uri)


def test_a_copy_that_shares_a_store_with_its_original_gets_an_experiment_of_its_own(tmp_path: Path) -> None:
    shared = tmp_path / "shared.db"
    shared.write_bytes(empty_store())
    uri = f"sqlite:///{shared}"
    original = study_folder(tmp_path / "made")
    log(original, 0, uri)
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    before = files(original)
    log(copy, 1, uri)
    log(copy, 1, uri)
    assert files(original) == before
    assert_artifacts_are_in(original, 1, uri)
    assert_artifacts_are_in(copy, 2, uri)


def test_a_copy_that_changes_to_a_shared_store_does_not_mix_with_its_original_there(tmp_path: Path) -> None:
    shared = tmp_path / "shared.db"
    shared.write_bytes(empty_store())
    uri = f"sqlite:///{shared}"
    original = study_folder(tmp_path / "made")
    log(original, 0)
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    log(copy, 1)
    assert_artifacts_are_in(copy, 2)
    for folder in (original, copy):
        log(folder, 1, uri)
    assert_artifacts_are_in(original, 2, uri)
    assert_artifacts_are_in(copy, 2, uri)
