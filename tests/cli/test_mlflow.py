"""`vsam-tune mlflow`: the addresses that it prints, and what it refuses. test_mlflow_ui.py looks at the UI itself."""

from pathlib import Path

import pytest

from tests.support.fake_study import config, record, report, result, study_folder
from vsam_tune.cli.main import main
from vsam_tune.study.storage.folder import DATABASE
from vsam_tune.study.tracking.mlflow_store import MlflowStore
from vsam_tune.study.tracking.tracking_state import write_tracking_state
from vsam_tune.study.tracking.writer import MlflowTracking


def make_study(root: Path, name: str = "made") -> Path:
    folder = study_folder(root / name)
    (folder / DATABASE).touch()
    return folder


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
    assert "http://127.0.0.1:9" in err
    assert len(err.splitlines()) == 1


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
