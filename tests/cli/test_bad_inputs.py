"""Bad input of every kind ends in exit code 2 and the lines of the two tables on stderr, and in nothing else."""

import os
import shutil
import socket
import subprocess
import sys
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from filelock import FileLock
from PIL import Image

from vsam_tune.cli.main import main
from vsam_tune.study.execution import preflight
from vsam_tune.study.file.study_file import load_study
from vsam_tune.study.storage.folder import RESOLVED
from vsam_tune.study.storage.study_storage import StudyStorage

HERE = Path(__file__).parent
SECTIONS = yaml.safe_load((HERE / "bad_inputs.yaml").read_text(encoding="utf-8"))
CASES = [case for section in SECTIONS for case in section["cases"]]
FILES = yaml.safe_load((HERE.parent / "study" / "file" / "bad_inputs.yaml").read_text(encoding="utf-8"))
STUDY, EXPORT = "name: ok\nmethod: sgd\ntask: {epochs: 2}\n", "method: sgd\n"


def ids(cases: list[dict[str, Any]]) -> list[str]:
    return [case["what"] for case in cases]


class InThisProcess:
    """Stands for the pool of one spawned process that asks a trainable's `check`: seconds for each case."""

    def __init__(self, *_: object, **__: object) -> None:
        self.future: Future[object] = Future()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, call, *arguments):
        self.future.set_result(call(*arguments))
        return self.future


@pytest.fixture(scope="session")
def started(tmp_path_factory) -> Path:
    """Return the folder of a study with one complete trial."""
    folder = tmp_path_factory.mktemp("started") / "mine"
    folder.mkdir()
    file = folder / "mine.yaml"
    file.write_text("name: mine\nmethod: sam\n")
    study = load_study(file)
    (folder / RESOLVED).write_text(yaml.safe_dump(study.resolved()))
    storage = StudyStorage.open(folder, "mine", objectives=study.objectives, resolved=study.resolved())
    trial = storage.ask()
    trial.suggest_float("rho", 0.01, 0.5, log=True)
    storage.complete(trial, [90.0, 1000.0], {"epoch": 40})
    return folder


@pytest.fixture
def folder(started, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preflight, "child_process", InThisProcess)
    monkeypatch.setattr(sys, "path", list(sys.path))  # a trainable's folder is added to it
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # a module of that folder, another one in each case
    shutil.copytree(started, tmp_path / "runs" / "mine")
    (tmp_path / "ok.yaml").write_text(STUDY)
    (tmp_path / "sgd.yaml").write_text(EXPORT)
    return tmp_path


def lay_out(case: dict[str, Any], folder: Path) -> None:
    """Make the files of a case."""
    for name, text in case.get("files", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if text is None else path.write_text(text, encoding="utf-8")
    for name, text in case.get("latin1", {}).items():
        (folder / name).write_text(text, encoding="latin-1")
    if "arrays" in case:
        np.savez(folder / "bad.npz", **arrays(case["arrays"]))
    for name, size in case.get("images", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("no picture") if size is None else Image.new("RGB", tuple(size)).save(path)
    for name, kept in case.get("cut", {}).items():
        (folder / name).write_bytes((folder / name).read_bytes()[:kept])
    if "rights" in case:
        (folder / case["rights"]).chmod(0)


def arrays(changes: dict[str, dict[str, Any] | None]) -> dict[str, np.ndarray]:
    """Return an archive's arrays: good ones, but for the changes."""
    made = {}
    for part, size in (("train", 40), ("test", 10)):
        for name, shape, dtype in ((f"x_{part}", (size, 8, 8), "uint8"), (f"y_{part}", (size,), "int64")):
            change = changes.get(name, {})
            if change is None:
                continue
            shape = tuple(change.get("shape", shape))
            values = np.arange(np.prod(shape)) % (2 if name.startswith("y") else 251)
            made[name] = values.reshape(shape).astype(change.get("dtype", dtype))
            if "first" in change:
                made[name][0] = change["first"]
    return made


def port_of(case: dict[str, Any], stack: ExitStack) -> str:
    """Return a port that somebody listens at until the stack ends, or that nobody does."""
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    port = str(server.getsockname()[1])
    if not case.get("listening"):
        server.close()
    return port


def skip_what_root_may(case: dict[str, Any]) -> None:
    if "rights" in case and os.geteuid() == 0:
        pytest.skip("root may read every file")


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_bad_input_gets_its_lines(case, folder, capsys):
    skip_what_root_may(case)
    lay_out(case, folder)
    with ExitStack() as stack:
        port = port_of(case, stack)
        if "locked" in case:
            (folder / case["locked"]).mkdir(parents=True)
            stack.enter_context(FileLock(folder / case["locked"] / "lock"))
        code = main([argument.replace("PORT", port) for argument in case["argv"]])
    captured = capsys.readouterr()
    lines = captured.err.replace(str(folder), "DIR").replace(port, "PORT").splitlines()
    assert (lines, captured.out, code) == (case["stderr"], "", 2)


@pytest.mark.parametrize("bad", FILES, ids=ids(FILES))
def test_a_bad_file_gets_its_lines_from_the_command_that_reads_it(bad, folder, capsys):
    Path("a.yaml").write_text(bad["file"], encoding="utf-8")
    command = {"study": "check", "export": "train"}[bad.get("reads", "study")]
    code = main([command, "a.yaml"])
    captured = capsys.readouterr()
    assert (captured.err.replace("a.yaml", "FILE").splitlines(), captured.out, code) == (bad["lines"], "", 2)
    assert not (folder / "runs" / "a").exists()


PROCESSES = [
    pytest.param(case, id=case["what"], marks=[pytest.mark.slow] if case["process"] == "slow" else [])
    for case in CASES
    if case.get("process")
]


@pytest.mark.parametrize("case", PROCESSES)
def test_bad_input_gets_its_lines_in_a_process_of_its_own(case, folder):
    lay_out(case, folder)
    program = [sys.executable, "-m", "vsam_tune.cli.main", *case["argv"]]
    answer = subprocess.run(program, check=False, capture_output=True, text=True, cwd=folder)
    said = answer.stderr.replace(f"{sys.executable} -m vsam_tune.cli.main", "vsam-tune").replace(str(folder), "DIR")
    assert (said.splitlines(), answer.stdout, answer.returncode) == (case["stderr"], "", 2)


def test_the_tables_hold_as_many_different_inputs_as_they_seem_to():
    assert len(set(ids(CASES))) == len(CASES) >= 25
    assert all("Fix: " in line for case in CASES for line in case["stderr"])


def test_a_first_start_that_cannot_work_pins_nothing(folder, capsys):
    assert main(["search", "ok.yaml", "--data", "npz:nothing.npz"]) == 2
    assert not (folder / "runs" / "ok" / RESOLVED).exists()
    assert main(["search", "ok.yaml", "--data", "npz:other.npz"]) == 2
    assert "differs" not in capsys.readouterr().err


def test_a_study_that_cannot_be_read_hides_no_other(folder, capsys):
    lay_out({"files": {"runs/other/optuna.db": "not a database, but not empty either\n"}}, folder)
    assert main(["studies", "--format", "csv"]) == 1
    captured = capsys.readouterr()
    assert [line.split(",")[0] for line in captured.out.splitlines()] == ["study", "mine"]
    assert captured.err.startswith(f"{folder}/runs/other/optuna.db: cannot be read: ")
