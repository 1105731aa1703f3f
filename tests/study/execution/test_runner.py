import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.toy_study import on_disk, toy_plan, toy_study
from vsam_tune.errors import InputError
from vsam_tune.study.execution import runner
from vsam_tune.study.execution.folder_lock import locked
from vsam_tune.study.execution.runner import Runner
from vsam_tune.study.search import SearchJob
from vsam_tune.study.storage.stored_study import stored_definition


def test_a_folder_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path / "toy"):
        with pytest.raises(InputError) as caught, locked(tmp_path / "toy"):
            pytest.fail("entered")
        rule = "another process works on this study. Fix: wait until it has finished, or end it."
        assert caught.value.lines == (f"{tmp_path / 'toy'}: {rule}",)
    with locked(tmp_path / "toy"):
        pass


def test_a_process_that_was_killed_holds_no_folder(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from vsam_tune.study.execution.folder_lock import locked\n"
        "with locked(Path(sys.argv[1]) / 'toy'): print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        try:
            with pytest.raises(InputError, match="another process"), locked(tmp_path / "toy"):
                pytest.fail("entered")
        finally:
            os.kill(holder.pid, signal.SIGKILL)
    with locked(tmp_path / "toy"):
        pass


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("a file")
    with pytest.raises(InputError, match="cannot be used as a folder"), locked(tmp_path / "toy"):
        pytest.fail("entered")


def refuse_in(folder: Path, *leaving: Path) -> None:
    with locked(folder):
        for path in leaving:
            path.touch()
        raise InputError("no")


def test_a_refused_job_leaves_no_folder_and_takes_none_away(tmp_path: Path) -> None:
    there, kept = tmp_path / "there", tmp_path / "kept"
    there.mkdir()
    with pytest.raises(InputError):
        refuse_in(tmp_path / "runs" / "toy")
    with pytest.raises(InputError):
        refuse_in(there)
    with pytest.raises(InputError):
        refuse_in(kept, kept / "optuna.db")
    assert {path.name for path in tmp_path.iterdir()} == {"there", "kept"}
    assert (kept / "optuna.db").exists()


def test_the_trainable_is_asked_before_a_first_start_stores_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        assert [path.name for path in (tmp_path / "toy").iterdir()] == ["lock"]
        raise InputError("no such data")

    monkeypatch.setattr(runner, "preflight", refuse)
    with pytest.raises(InputError, match="no such data"):
        Runner(tmp_path / "toy").run(SearchJob(study=toy_study(tmp_path), home=tmp_path / "toy"))
    assert not (tmp_path / "toy").exists()


def test_a_first_start_stores_the_definition_and_the_starting_points(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, initial=[{"x": 0.5}])
    assert [record.params for record in on_disk(plan, tmp_path / "toy").records()] == [{"x": 0.5}]
    assert stored_definition(tmp_path / "toy") == plan.resolved
    larger = toy_plan(tmp_path, initial=[{"x": 0.5}], budget={"trials": 9})
    assert on_disk(larger, tmp_path / "toy").num_trials("waiting") == 1
    assert stored_definition(tmp_path / "toy") == {**plan.resolved, "budget": larger.resolved["budget"]}
