"""Tracking URIs that can never work are refused, relative ones start from the file, and passwords are left out."""

from pathlib import Path

import pytest
import yaml

from tests.support.toy_study import toy_study, write_toy
from vsam_tune.cli.main import main
from vsam_tune.errors import InputError
from vsam_tune.study.file.tracking_uri import uri_problem, without_password


@pytest.mark.parametrize(
    ("uri", "rule"),
    [
        ("./mlruns", "is a folder"),
        ("mlruns", "is a folder"),
        ("file:///tmp/mlruns", "is a folder"),
        ("htp://x", "does not know: htp. Fix: write http://x"),
        ("htp://user:secret@x", "does not know: htp. Fix: write http://user@x"),
        ("postgres://h/db", "does not know: postgres. Fix: write postgresql://h/db"),
        ("http://", "no address of a server"),
        ("http://x:99999", "no address of a server"),
        ("http://x:port", "no address of a server"),
        ("http://a b", "no address of a server"),
        ("sqlite://x.db", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////tmp", "is a folder"),
        ("sqlite+nothing:///x.db", "is no URL of a database"),
        ("mysql+nothere://h/d", "is no URL of a database"),
    ],
)
def test_a_uri_that_can_never_work_is_one_line(uri: str, rule: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        toy_study(tmp_path, tracking={"uri": uri})
    (line,) = str(caught.value).splitlines()
    assert "tracking.uri = " in line
    assert rule in line
    assert "secret" not in line


@pytest.mark.parametrize(
    "uri", ["http://x", "https://user:secret@x:5000/path", "sqlite:////tmp/x.db", "databricks", "databricks://profile"]
)
def test_a_uri_that_may_work_is_taken(uri: str) -> None:
    assert uri_problem(uri) is None


def test_a_relative_file_starts_from_the_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    study = toy_study(tmp_path, tracking={"uri": "sqlite:///sub/x.db"})
    assert study.tracking.uri == f"sqlite:///{tmp_path}/sub/x.db"
    assert study.resolved()["tracking"]["uri"] == study.tracking.uri


def test_check_and_train_refuse_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_toy(tmp_path, tracking={"uri": "htp://u:secret@x"})
    assert main(["check", str(file)]) == 2
    assert "secret" not in capsys.readouterr().err
    export = tmp_path / "best.yaml"
    export.write_text("task: {data: digits}\nmethod: {name: sam, rho: 0.1}\n")
    assert main(["train", str(export), "--out", str(tmp_path / "out"), "--tracking-uri", "htp://u:secret@x"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("--tracking-uri: 'htp://u@x': has a scheme that MLflow does not know: htp. Fix: ")
    assert "secret" not in err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://user:secret@host:5000", "http://user@host:5000"),
        ("http://user:se@cret@host", "http://user@host"),
        ("postgresql://user:secret@host/db", "postgresql://user@host/db"),
        ("postgresql://host/db?user=a&password=secret&x=1", "postgresql://host/db?user=a&password=&x=1"),
        ("API request to https://user:secret@host/api failed", "API request to https://user@host/api failed"),
        ("http://host:5000/a:b@c", "http://host:5000/a:b@c"),
        ("sqlite:////tmp/a:b@c.db", "sqlite:////tmp/a:b@c.db"),
    ],
)
def test_passwords_are_left_out(text: str, expected: str) -> None:
    assert without_password(text) == expected


def test_the_resolved_study_has_no_password_and_the_study_has(tmp_path: Path) -> None:
    study = toy_study(tmp_path, tracking={"uri": "http://user:secret@host:5000"})
    assert study.tracking.uri == "http://user:secret@host:5000"
    assert study.resolved()["tracking"]["uri"] == "http://user@host:5000"
    assert "secret" not in yaml.safe_dump(study.resolved())
