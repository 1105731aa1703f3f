"""`vsam-tune mlflow`: the addresses that it prints, and what it refuses. test_mlflow_ui.py looks at the UI itself."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fake_study import config, empty_store, record, report, result, study_folder
from vsam_tune.cli.main import main
from vsam_tune.study.storage.folder import DATABASE
from vsam_tune.study.tracking import store_file
from vsam_tune.study.tracking.mlflow_server import prepare_store
from vsam_tune.study.tracking.mlflow_store import MlflowStore
from vsam_tune.study.tracking.sql_store import logged_studies
from vsam_tune.study.tracking.tracking_state import default_uri, write_tracking_state
from vsam_tune.study.tracking.writer import MlflowTracking


def make_study(root: Path, name: str = "made") -> Path:
    folder = study_folder(root / name)
    (folder / DATABASE).touch()
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_addresses_are_the_only_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_study(tmp_path)
    report(folder, 0)
    writer = MlflowTracking(None, "made", folder, tags={}, config=config, run_tags={})
    assert writer.close(result([record(0)])) == ""
    only = f"study: made, the only one in {tmp_path}\n"
    for study, err in ((["made"], ""), ([], only)):
        assert main(["mlflow", *study, "--root", str(tmp_path), "--port", "5055", "--url"]) == 0
        page = "http://127.0.0.1:5055/#/experiments/2/runs?viewStateShareKey=study"
        assert capsys.readouterr() == (
            f"trials: {page}&workflowType=machine_learning\n"
            f"charts: {page}&compareRunsMode=CHART&workflowType=machine_learning\n",
            err,
        )


def test_a_study_that_was_never_logged_gets_the_address_of_the_ui(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(tmp_path)
    assert main(["mlflow", "made", "--root", str(tmp_path), "--url"]) == 0
    assert capsys.readouterr().out == "trials: http://127.0.0.1:5000\n"


def test_the_store_is_the_one_that_the_last_start_wrote_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_study(tmp_path)
    elsewhere = f"sqlite:///{study_folder(tmp_path / 'elsewhere') / 'mlflow.db'}"
    study_id = write_tracking_state(folder, None, complete=True).study_id
    write_tracking_state(folder, elsewhere, complete=False)
    MlflowStore(elsewhere, "made", study_id, artifacts=folder.as_uri(), tags={})
    assert main(["mlflow", "made", "--root", str(tmp_path), "--url"]) == 0
    assert "/#/experiments/2/runs" in capsys.readouterr().out


def test_a_tracking_server_that_is_away_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tracking_state(
        make_study(tmp_path), "http://127.0.0.1:9", complete=False
    )  # the discard port: nothing listens
    assert main(["mlflow", "made", "--root", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("http://127.0.0.1:9: MLflow does not answer: ")
    assert "Fix: start the server" in err
    assert len(err.splitlines()) == 1


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lose_store(folder: Path) -> None:
    (folder / "mlflow.db").unlink()


def cut_store(folder: Path) -> None:
    os.truncate(folder / "mlflow.db", 300_000)


def empty_the_store(folder: Path) -> None:
    os.truncate(folder / "mlflow.db", 0)


@pytest.mark.parametrize("damage", [None, lose_store, cut_store, empty_the_store])
def test_addresses_are_printed_and_nothing_is_written(
    damage: Callable[[Path], None] | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_study(tmp_path)
    write_tracking_state(folder, None, complete=True)
    if damage is not None:
        damage(folder)
    before = contents(tmp_path)
    assert main(["mlflow", "made", "--root", str(tmp_path), "--url"]) == 0
    assert capsys.readouterr() == ("trials: http://127.0.0.1:5000\n", "")
    assert contents(tmp_path) == before


def test_the_ui_of_a_broken_store_does_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_study(tmp_path)
    cut_store(folder)
    before = contents(tmp_path)
    assert main(["mlflow", "made", "--root", str(tmp_path), "--port", str(free_port())]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{folder / 'mlflow.db'}: is broken: ")
    assert err.endswith("Fix: vsam-tune search STUDY.yaml makes it anew.\n")
    assert len(err.splitlines()) == 1
    assert contents(tmp_path) == before


def test_the_ui_of_a_moved_study_shows_its_artifacts(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "old")
    report(folder, 0)
    writer = MlflowTracking(None, "made", folder, tags={}, config=config, run_tags={})
    assert writer.close(result([record(0)])) == ""
    moved = folder.rename(tmp_path / "made")
    prepare_store("made", tmp_path, default_uri(moved))
    places = [study.artifacts for study in logged_studies(default_uri(moved)) if study.name == "made"]
    assert places == [(moved / "mlflow-artifacts").as_uri()]


def test_the_ui_of_a_study_that_was_never_logged_has_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, created = make_study(tmp_path), []
    lose_store(folder)
    monkeypatch.setattr(store_file, "_open", lambda path, _: created.append(path.write_bytes(empty_store())))
    prepare_store("made", tmp_path, default_uri(folder))
    assert len(created) == 1
    assert logged_studies(default_uri(folder))


def test_one_of_several_studies_has_to_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        make_study(tmp_path, name)
    assert main(["mlflow", "--root", str(tmp_path), "--url"]) == 2
    assert (
        capsys.readouterr().err
        == f"{tmp_path}: contains 2 studies: one, two. Fix: write the name of one, such as one.\n"
    )


def test_no_study_and_an_unknown_study_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mlflow", "--root", str(tmp_path), "--url"]) == 2
    assert "contains no study" in capsys.readouterr().err
    assert main(["mlflow", "made", "--root", str(tmp_path), "--url"]) == 2
    assert "holds no study of this name" in capsys.readouterr().err
