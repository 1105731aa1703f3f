"""The file of an MLflow store: created whole or not at all, made anew where it is broken, and where it is lost."""

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.fake_study import config, empty_store, record, report, result, study_folder, write_fake_trial
from tests.support.mlflow_folder import MlflowFolder, forget_places
from vsam_tune.study.storage.sqlite_url import sqlite_url
from vsam_tune.study.tracking import store_file
from vsam_tune.study.tracking.completeness import store_lacks_a_part
from vsam_tune.study.tracking.mlflow_store import MlflowStore
from vsam_tune.study.tracking.run_kind import TRIAL
from vsam_tune.study.tracking.sql_store import artifact_root, correct_locations, logged_studies
from vsam_tune.study.tracking.store_file import BrokenStoreError, check_store
from vsam_tune.study.tracking.tracking_state import default_uri, lacks_a_part, read_tracking_state
from vsam_tune.study.tracking.writer import MlflowTracking

TRIALS = [record(0), record(1, "pruned"), record(2, "fail")]


@pytest.fixture(autouse=True)
def quick_creation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Create stores from a template: MLflow's migrations take seconds."""
    real = store_file._open
    monkeypatch.setattr(
        store_file, "_open", lambda path, at: real(path, at) if path.stat().st_size else path.write_bytes(empty_store())
    )


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of three trials that ended, all of them logged."""
    place = MlflowFolder(tmp_path_factory.mktemp("logged") / "made")
    for number in range(3):
        write_fake_trial(place.folder, number)
        (place.folder / f"trials/{number:05d}" / "log.txt").write_text("a line", encoding="utf-8")
    start(place)
    assert_all_is_there(place)
    return place.folder


@pytest.fixture
def place(logged: Path, tmp_path: Path) -> MlflowFolder:
    """A copy of that study, to which its store was moved."""
    folder = Path(shutil.copytree(logged, tmp_path / "made"))
    (study,) = [each for each in logged_studies(default_uri(folder)) if each.name == "made"]
    correct_locations(default_uri(folder), str(study.experiment_id), artifact_root(folder))
    place = MlflowFolder.of(folder)
    assert not lacks(place)
    return place


def test_a_copy_whose_artifacts_are_still_those_of_its_original_lacks_them(logged: Path, tmp_path: Path) -> None:
    assert lacks(MlflowFolder.of(Path(shutil.copytree(logged, tmp_path / "made"))))


def start(place: MlflowFolder) -> str:
    """Have a start of the finished study log what its store lacks."""
    forget_places()
    writer = MlflowTracking(None, "made", place.folder, tags={}, config=config, run_tags={})
    return writer.close(result(TRIALS))


def lacks(place: MlflowFolder) -> bool:
    return store_lacks_a_part(place.folder, place.folder, None, result(TRIALS), TRIAL)


def assert_all_is_there(place: MlflowFolder) -> None:
    state = read_tracking_state(place.folder)
    assert state is not None
    runs = place.runs(state.study_id)
    assert {name: run.info.status for name, run in runs.items()} == {
        "trial 0": "FINISHED",
        "trial 1": "KILLED",
        "trial 2": "FAILED",
        "summary": "FINISHED",
    }
    for number in range(3):
        run = runs[f"trial {number}"]
        assert place.history(run, "val_accuracy") == [(10 * epoch, 80.0 + epoch) for epoch in (1, 2, 3, 4)]
        assert len(place.history(run, "l2_psf")) == 10
        assert place.artifacts(run) == ["log.txt", "trajectory.parquet"]
    assert place.artifacts(runs["summary"]) == ["front.json", "study.resolved.yaml"]
    assert not lacks(place)


# ---- broken files


def cut(path: Path) -> None:
    os.truncate(path, 300_000)


def damage_pages(path: Path) -> None:
    """Overwrite pages in the middle: the file still opens, and some queries fail."""
    with path.open("r+b") as file:
        for page in range(20, path.stat().st_size // 4096 - 1, 7):
            file.seek(4096 * page)
            file.write(os.urandom(4096))


def make_a_folder_of_it(path: Path) -> None:
    path.unlink()
    path.mkdir()


def leave_half_made(path: Path) -> None:
    """Leave what a driver leaves that is killed while MLflow creates its tables."""
    path.write_bytes(empty_store())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '3500859a5d39'")
        connection.execute("DROP TABLE trace_info")
    connection.close()


def leave_before_the_last_revision(path: Path) -> None:
    path.write_bytes(empty_store())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '534353b11cbc'")
        connection.execute("DELETE FROM experiment_tags")
    connection.close()


BREAKS: dict[str, Callable[[Path], object]] = {
    "cut": cut,
    "random": lambda path: path.write_bytes(os.urandom(5000)),
    "text": lambda path: path.write_text("a text\n" * 999, encoding="utf-8"),
    "damaged pages": damage_pages,
    "a folder": make_a_folder_of_it,
    "half made": leave_half_made,
    "before the last revision": leave_before_the_last_revision,
}


@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_store_is_kept_aside_and_made_anew_from_the_study(
    broken: str, place: MlflowFolder, caplog: pytest.LogCaptureFixture
) -> None:
    path = place.folder / "mlflow.db"
    store_file._release(path)
    BREAKS[broken](path)
    content = None if path.is_dir() else path.read_bytes()
    assert lacks(place)
    with caplog.at_level(logging.WARNING):
        assert start(place) == ""
    assert [entry.getMessage() for entry in caplog.records] == [
        f"{path} is broken. It is now mlflow.db.damaged-1, and everything is logged into a new file"
    ]
    kept = path.with_name("mlflow.db.damaged-1")
    assert kept.is_dir() if content is None else kept.read_bytes() == content
    assert_all_is_there(place)
    assert start(place) == ""
    assert not path.with_name("mlflow.db.damaged-2").exists()


@pytest.mark.parametrize("lost", ["missing", "empty"])
def test_a_lost_store_is_written_again_without_a_word(
    lost: str, place: MlflowFolder, caplog: pytest.LogCaptureFixture
) -> None:
    path = place.folder / "mlflow.db"
    store_file._release(path)
    path.unlink() if lost == "missing" else os.truncate(path, 0)
    assert lacks(place)
    assert path.exists() == (lost == "empty")  # a look creates nothing
    assert start(place) == ""
    assert not caplog.records
    assert_all_is_there(place)


def test_a_store_that_breaks_under_a_running_driver_is_made_anew_at_once(place: MlflowFolder) -> None:
    path = place.folder / "mlflow.db"
    writer = MlflowTracking(None, "made", place.folder, tags={}, config=config, run_tags={})
    report(place.folder, 3)
    writer.ended(record(3))
    deadline = time.monotonic() + 60
    while len(place.runs(writer._study_id)) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    damage_pages(path)
    store_file._release(path)
    report(place.folder, 4)
    writer.ended(record(4))
    assert writer.close(result([*TRIALS, record(3), record(4)])) == ""
    assert sorted(place.runs(writer._study_id)) == ["summary", *(f"trial {number}" for number in range(5))]


def test_a_store_that_is_locked_or_of_another_version_is_not_broken(place: MlflowFolder) -> None:
    path = place.folder / "mlflow.db"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of a later version'")
    connection.close()
    assert "of a later version" in start(place)
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert not store_file.damage(path)
    connection.close()
    assert not list(place.folder.glob("*.damaged*"))


def test_a_broken_store_that_the_user_named_is_left_alone(tmp_path: Path) -> None:
    folder, named = study_folder(tmp_path / "made"), tmp_path / "named.db"
    named.write_text("a text\n" * 999, encoding="utf-8")
    report(folder, 0)
    writer = MlflowTracking(sqlite_url(named), "made", folder, tags={}, config=config, run_tags={})
    failure = writer.close(result([record(0)]))
    assert failure == f"{named} is broken: file is not a database. Fix: restore it from a copy, or move it away"
    assert [path.name for path in tmp_path.glob("named*")] == ["named.db"]
    named.unlink()
    writer = MlflowTracking(sqlite_url(named), "made", folder, tags={}, config=config, run_tags={})
    assert writer.close(result([record(0)])) == ""


# ---- a mark is believed only after a look


def change(place: MlflowFolder, statement: str) -> None:
    with sqlite3.connect(place.folder / "mlflow.db") as connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM metrics WHERE key = 'val_accuracy' AND step = 20",
        "UPDATE runs SET status = 'RUNNING' WHERE name = 'trial 1'",
        "UPDATE runs SET lifecycle_stage = 'deleted' WHERE name = 'trial 2'",
        "UPDATE runs SET lifecycle_stage = 'deleted' WHERE name = 'summary'",
        "UPDATE experiments SET lifecycle_stage = 'deleted', name = 'gone' WHERE name = 'made'",
        "DELETE FROM tags WHERE key = 'vsam_tune.points'",  # as a former version leaves it
    ],
)
def test_what_a_complete_store_lost_is_logged_again(statement: str, place: MlflowFolder) -> None:
    assert not lacks_a_part(place.folder, None)  # so the mark says
    change(place, statement)
    assert lacks(place)
    assert start(place) == ""
    assert_all_is_there(place)


@pytest.mark.parametrize("pattern", ["*", "*/artifacts/front.json", "*/artifacts/trajectory.parquet"])
def test_lost_artifacts_are_logged_again(pattern: str, place: MlflowFolder) -> None:
    for path in list((place.folder / "mlflow-artifacts").glob(pattern)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert lacks(place)
    assert start(place) == ""
    assert_all_is_there(place)


def test_a_cut_artifact_is_logged_again(place: MlflowFolder) -> None:
    for path in (place.folder / "mlflow-artifacts").glob("*/artifacts/trajectory.parquet"):
        os.truncate(path, 100)
    assert lacks(place)
    assert start(place) == ""
    assert_all_is_there(place)


def test_runs_that_were_created_twice_become_one(place: MlflowFolder) -> None:
    state = read_tracking_state(place.folder)
    assert state is not None
    (experiment,) = [each for each in place.client.search_experiments() if each.name == "made"]
    for tag, value, kind in (("vsam_tune.trial", "1", "trial"), ("mlflow.note.content", "", "summary")):
        place.client.create_run(experiment.experiment_id, tags={tag: value, "vsam_tune.kind": kind})
    assert lacks(place)
    assert start(place) == ""
    assert_all_is_there(place)


def test_points_that_a_store_did_not_keep_are_logged_once_more(
    place: MlflowFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_batch, lost = MlflowClient.log_batch, []

    def lose_once(client: MlflowClient, run_id: str, metrics: list[object] = (), **others: object) -> None:  # type: ignore[assignment] # as MLflow's
        if metrics and not lost:
            lost.append(run_id)
            return
        log_batch(client, run_id, metrics=metrics, **others)

    monkeypatch.setattr(MlflowClient, "log_batch", lose_once)
    report(place.folder, 3)
    store = place.open(study_id="another")
    place.log(store, 3)
    assert lost
    assert len(place.history(place.runs("another")["trial 3"], "val_accuracy")) == 4


def test_a_store_that_keeps_nothing_is_not_complete(place: MlflowFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    change(place, "DELETE FROM metrics WHERE key = 'val_accuracy'")
    monkeypatch.setattr(MlflowStore, "_log", lambda *_: None)
    assert "points of trial 0 are missing" in start(place)
    assert lacks(place)


# ---- creation


def test_two_drivers_create_one_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    created, quick = [], store_file._open

    def slowly(path: Path, artifacts: str) -> None:
        if path.stat().st_size == 0:
            created.append(path)
            time.sleep(0.3)
        quick(path, artifacts)

    monkeypatch.setattr(store_file, "_open", slowly)
    path = tmp_path / "mlflow.db"
    drivers = [threading.Thread(target=check_store, args=(path, tmp_path.as_uri())) for _ in range(3)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    assert len(created) == 1
    assert path.read_bytes()[:15] == b"SQLite format 3"
    assert not list(tmp_path.glob("*.part*"))


def test_a_store_whose_creation_fails_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, _: str) -> None:
        path.write_bytes(empty_store()[:50_000])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_file, "_open", fail)
    with pytest.raises(OSError, match="No space left"):
        check_store(tmp_path / "mlflow.db", tmp_path.as_uri())
    assert [path.name for path in tmp_path.iterdir()] == ["creation.lock"]


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 50_000, 150_000, 700_000])
def test_a_driver_that_is_killed_while_it_creates_the_store_leaves_none(size: int, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    code = (
        "import sys; from pathlib import Path; from vsam_tune.study.tracking.store_file import check_store\n"
        "check_store(Path(sys.argv[1]), 'file:///nowhere')"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)]) as driver:
        while driver.poll() is None and not any(part.stat().st_size >= size for part in tmp_path.glob("*.part")):
            time.sleep(0.001)
        driver.kill()
    assert not path.exists()
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM experiments").fetchone() == (1,)
    connection.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["creation.lock", "mlflow.db"]


def test_a_store_of_other_tables_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(empty_store())
    leave_half_made(path)
    with pytest.raises(BrokenStoreError, match="its tables are incomplete"):
        check_store(path, tmp_path.as_uri())
