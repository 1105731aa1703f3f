"""`vsam-tune search` where no trial runs; tests/study/test_search.py and test_runner_kill.py have the others."""

import shutil
from pathlib import Path

import pytest

from tests.support.ended_study import STUDY, Searched
from vsam_tune.cli.main import main
from vsam_tune.study.execution.folder_lock import locked


@pytest.fixture
def copied(searched: Searched, tmp_path: Path) -> Searched:
    """The study in a place of its own, to be changed."""
    shutil.copytree(searched.root, tmp_path / "runs")
    shutil.copy(searched.file, tmp_path / "mine.yaml")
    return Searched(tmp_path / "mine.yaml", tmp_path / "runs", tmp_path / "runs" / "mine")


def test_a_finished_study_prints_its_front_and_says_how_to_go_on(
    copied: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", str(copied.file), "--root", str(copied.root)]) == 0
    out, err = capsys.readouterr()
    assert "2 trials are on the front of mine (3 complete, 1 pruned, 1 fail)" in out
    assert f"vsam-tune front mine --pick knee --export --root {copied.root}" in out
    assert "vsam-tune train" not in out  # its file does not exist yet
    finished, failed = err.splitlines()
    assert finished == "mine is finished: 3 complete, 1 pruned. A larger budget continues it: --trials N"
    assert failed == f"mine: trials that failed: 3. Fix: vsam-tune show mine 3 --root {copied.root} shows the reason"


def test_a_study_that_differs_is_refused_with_its_keys(copied: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    copied.file.write_text(STUDY.replace("epochs: 3", "epochs: 4").replace("max_rate: 1.0", "rho: 0.2"))
    assert main(["search", str(copied.file), "--root", str(copied.root)]) == 2
    out, err = capsys.readouterr()
    fix = "restore the value, or take another name:"
    rule = f"differs from the study that was started in {copied.folder}"
    keys = {"method.max_rate": (1.0, 0.8), "method.rho": (0.05, 0.2), "task.epochs": (3, 4)}
    assert (out, err.splitlines()) == (
        "",
        [f"{copied.file}: {key}: {rule} ({then} there, {now} here). Fix: {fix}." for key, (then, now) in keys.items()],
    )


def test_a_study_that_another_process_searches_is_refused(copied: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    with locked(copied.folder):
        assert main(["search", str(copied.file), "--root", str(copied.root)]) == 2
    line = f"{copied.folder}: another process works on this study. Fix: wait until it has finished, or end it.\n"
    assert capsys.readouterr() == ("", line)


def test_no_resume_refuses_a_study_that_exists_and_touches_nothing(
    copied: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    before = copied.result
    assert main(["search", str(copied.file), "--root", str(copied.root), "--no-resume"]) == 2
    line = f"{copied.file}: name = 'mine': {copied.folder} exists. Fix: another name:, or --root DIR; nothing is ever"
    assert capsys.readouterr() == ("", f"{line} deleted.\n")
    assert copied.result == before
