"""`mlflow.json`: it helps only, so that a damaged one is made anew, under the id that the study had."""

import json
import os
from pathlib import Path

import pytest

from tests.support.fake_study import config, empty_store, record, report, result, study_folder
from tests.support.mlflow_folder import MlflowFolder
from vsam_tune.study.storage.folder import BASELINES_FOLDER
from vsam_tune.study.tracking.mlflow_store import MlflowStore
from vsam_tune.study.tracking.tracking_state import (
    TrackingState,
    lacks_a_part,
    read_tracking_state,
    write_part_state,
    write_tracking_state,
)
from vsam_tune.study.tracking.writer import MlflowTracking

DAMAGED = {
    "empty": b"",
    "cut": b'{"study_id": "0123',
    "random": os.urandom(200),
    "no UTF-8": b'{"study_id": "\xff"}',
    "deep": b"[" * 100_000,
    "a list": b"[1, 2]",
    "a number": b"5",
    "null": b"null",
    "an id that is none": b'{"study_id": 5, "uri": null, "complete": true}',
    "an id that breaks a filter": b'{"study_id": "a\' OR 1", "uri": null, "complete": true}',
    "no id": b'{"uri": null, "complete": true}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_made_anew(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mlflow.json").write_bytes(content)
    assert read_tracking_state(tmp_path) is None
    assert lacks_a_part(tmp_path, None)
    state = write_tracking_state(tmp_path, None, complete=False)
    assert read_tracking_state(tmp_path) == state
    part = tmp_path / "confirm"
    part.mkdir()
    (part / "mlflow.json").write_bytes(content)
    assert write_part_state(tmp_path, part, None, complete=True).study_id == state.study_id
    assert not lacks_a_part(part, None)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, TrackingState("0a", None, complete=False)),
        ({"uri": 5, "complete": "true", "folder": []}, TrackingState("0a", None, complete=False)),
        ({"uri": "", "complete": True, "more": 1}, TrackingState("0a", None, complete=True)),
        ({"uri": "http://a", "complete": True}, TrackingState("0a", "http://a", complete=True)),
    ],
)
def test_of_a_file_with_wrong_types_the_rest_is_kept(
    content: dict[str, object], expected: TrackingState, tmp_path: Path
) -> None:
    (tmp_path / "mlflow.json").write_text(json.dumps({"study_id": "0a", **content}), encoding="utf-8")
    assert read_tracking_state(tmp_path) == expected


def test_a_lost_id_is_found_again_in_a_part_of_the_study(tmp_path: Path) -> None:
    part = tmp_path / BASELINES_FOLDER
    part.mkdir()
    state = write_part_state(tmp_path, part, "http://elsewhere:5000", complete=True)
    (tmp_path / "mlflow.json").write_bytes(b"")
    assert write_tracking_state(tmp_path, None, complete=False).study_id == state.study_id


def test_a_lost_id_is_found_again_in_the_store(tmp_path: Path) -> None:
    place = MlflowFolder(tmp_path / "made")
    place.open(study_id="0a")
    (place.folder / "mlflow.json").write_bytes(b"{")
    report(place.folder, 0)
    writer = MlflowTracking(None, "made", place.folder, tags={}, config=config, run_tags={})
    assert writer.close(result([record(0)])) == ""
    assert sorted(place.runs("0a")) == ["summary", "trial 0"]


def test_an_id_of_another_study_in_the_store_is_not_taken(tmp_path: Path) -> None:
    place = MlflowFolder(tmp_path / "made")
    MlflowStore(f"sqlite:///{place.folder}/mlflow.db", "other", "0b", artifacts=tmp_path.as_uri(), tags={})
    assert write_tracking_state(place.folder, None, complete=False).study_id not in ("0", "0b")


def test_a_folder_in_the_place_of_the_file_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = study_folder(tmp_path / "made")
    (folder / "mlflow.db").write_bytes(empty_store())
    (folder / "mlflow.json").mkdir()
    report(folder, 0)
    for _ in range(2):
        writer = MlflowTracking(None, "made", folder, tags={}, config=config, run_tags={})
        assert writer.close(result([record(0)])) == ""
    assert {entry.getMessage() for entry in caplog.records} == {
        f"{folder / 'mlflow.json'} cannot be written: Is a directory; it only helps MLflow"
    }
