"""`vsam-tune simulate`: a table over samplers, trial schedulers and workers, and errors of one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.toy_study import on_disk, toy_plan
from vsam_tune.cli.main import main
from vsam_tune.study.storage.learning_curve import append_point

KEYS = [
    "data", "sampler", "scheduler", "guard", "workers", "epochs", "seconds", "hypervolume_mean", "hypervolume_interval",
    "finished", "started", "repeats",
]  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Curves of 12 trials over 9 epochs."""
    draws = np.random.default_rng(0)
    curves = draws.random((12, 9, 2))
    path = tmp_path / "curves.npz"
    np.savez(path, params=draws.random((12, 2)), metrics=["val_accuracy", "gradient_evaluations"], curves=curves)
    return path


def simulated(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["simulate", *arguments, "--repeats", "2", "--processes", "1", "--format", "json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def test_a_row_for_each_combination_and_budget(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--schedulers", "fifo,mo_asha", "--guard", "both", "--workers", "1,2", "--trainings", "2,4"]
    rows = simulated(capsys, str(file), *options)
    assert [list(row) for row in rows] == [KEYS] * 12
    kinds = [(row["scheduler"], row["guard"], row["workers"], row["epochs"]) for row in rows]
    assert kinds[:4] == [("fifo", None, 1, 18), ("fifo", None, 1, 36), ("fifo", None, 2, 18), ("fifo", None, 2, 36)]
    assert {kind[1] for kind in kinds[4:]} == {"on", "off"}
    assert all(0 <= row["hypervolume_mean"] <= 1 for row in rows)


def test_the_table_ends_with_what_each_rung_would_have_lost(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(file), "--repeats", "1", "--processes", "1", "--trainings", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" over")[0] for line in lines[-2:]] == [
        "curves: the rung at epoch 1",
        "curves: the rung at epoch 3",
    ]


def test_a_finished_study_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = toy_plan(tmp_path)
    folder = tmp_path / "runs" / "toy"
    storage = on_disk(plan, folder)
    for number in range(4):
        trial = storage.ask()
        trial.suggest_float("x", -1.5, 1.5)
        (folder / f"trials/{number:05d}").mkdir(parents=True)
        for epoch in range(1, 5):
            point = {"epoch": epoch, "loss": 4.0 - number, "cost": 1.0 + number, "time_ms": 1000.0 * epoch}
            append_point(folder / f"trials/{number:05d}", point)
        storage.complete(trial, [4.0 - number, 1.0 + number], {"epoch": 4})
    rows = simulated(capsys, "toy", "--root", str(tmp_path / "runs"), "--trainings", "4", "--schedulers", "fifo")
    assert [(row["data"], row["epochs"], row["finished"], row["hypervolume_mean"]) for row in rows] == [
        ("toy", 16, 4, 1.0)
    ]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--schedulers", "fifa"], "--schedulers: 'fifa': is not known. Fix: write fifo."),
        (["--samplers", "tpo"], "--samplers: 'tpo': is not known. Fix: write tpe."),
        (["--objectives", "val_acuracy"], "--objectives: 'val_acuracy': was not recorded. Fix: write val_accuracy."),
        (["--min-epochs", "9"], "--min-epochs: 9: must be < 9, the epochs of curves. Fix: write fewer."),
        (["--reduction-factor", "1"], "--reduction-factor: 1: must be a whole number >= 2. Fix: write 3."),
        (["--data", "other"], "--data: 'other': was not recorded. Fix: one of curves."),
    ],
)
def test_what_names_nothing_is_one_line(
    file: Path, options: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(file), *options]) == 2
    assert capsys.readouterr().err == line + "\n"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04nonsense", b"text"])
def test_a_file_that_is_none_is_one_line(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    assert main(["simulate", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_study_without_curves_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on_disk(toy_plan(tmp_path), tmp_path / "runs" / "toy")
    assert main(["simulate", "toy", "--root", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert (
        "must have two complete trials or more with a report for each of 4 epochs, but has 0. Fix: search with" in error
    )
