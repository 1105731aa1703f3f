"""`vsam-tune doctor`: what it prints, and its exit code. tests/study/test_doctor.py has the rows."""

import json

import pytest

from vsam_tune.cli.main import main
from vsam_tune.study import doctor

ROW = {"what": "a", "found": "b", "fine": False, "fix": "c"}


@pytest.mark.parametrize(("needed", "code"), [(True, 1), (False, 0)])
def test_only_what_a_search_needs_decides_the_exit_code(
    needed: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**ROW, "needed": needed}]
    monkeypatch.setattr(doctor, "examine", lambda address, *, quick: rows if quick and address is None else [])
    assert main(["doctor", "--quick", "--format", "json"]) == code
    assert json.loads(capsys.readouterr().out) == rows
    assert main(["doctor", "--quick"]) == code
    assert "needed" not in capsys.readouterr().out
