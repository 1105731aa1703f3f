"""`vsam-tune trials`, `show` and `studies`: what is in a study."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.support.ended_study import DIVERGED, FAILED, Searched
from tests.support.printed_table import read_heads
from tests.support.toy_study import on_disk, toy_plan
from vsam_tune.cli.main import main


def test_every_trial_is_listed_with_its_state_and_why(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trials", "mine", "--root", str(searched.root), "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["trial"] for row in rows] == list(range(5))
    assert [row["state"] for row in rows] == ["complete", "complete", "complete", "fail", "pruned"]
    assert [row["front"] for row in rows] == [True, True, False, False, False]
    assert [row["why"] for row in rows] == [None, None, None, "ValueError: so", "diverged at iteration 20"]
    assert [row["epochs"] for row in rows] == [3, 3, 3, 0, 1]
    assert (rows[1]["val_accuracy"], rows[1]["ais"], rows[1]["sampled_fraction"]) == (95.0, 600.0, 0.25)
    for row, record in zip(rows, searched.result.trials, strict=True):
        assert record.params.items() <= row.items()
        assert row["seconds"] == record.seconds


def test_a_table_and_csv_have_a_line_a_trial(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trials", str(searched.file), "--root", str(searched.root)]) == 0
    *head, _, _, trial_2, trial_3, trial_4 = capsys.readouterr().out.splitlines()
    assert read_heads(head)[:4] == ["trial", "state", "front", "val_accuracy"]
    assert read_heads(head)[-1] == "why"
    assert [line.split()[:3] for line in (trial_2, trial_3, trial_4)] == [
        ["2", "complete", "no"],
        ["3", "fail", "no"],
        ["4", "pruned", "no"],
    ]
    assert main(["trials", "mine", "--root", str(searched.root), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["why"] for row in rows[2:]] == ["", "ValueError: so", "diverged at iteration 20"]


def test_a_trial_is_shown_with_its_curve_its_log_and_its_files(
    searched: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "mine", "0", "--root", str(searched.root), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    record = searched.result.trials[0]
    assert (shown["number"], shown["state"], shown["params"]) == (0, "complete", record.params)
    assert (shown["seed"], shown["values"]) == (record.seed, {"val_accuracy": 90.0, "ais": 1000.0})
    assert [point["epoch"] for point in shown["learning_curve"]] == [1, 2, 3]
    assert shown["rungs"]["1"]["val_accuracy"] == 55.5
    assert shown["files"].keys() == {"learning_curve.jsonl", "log.txt"}
    assert main(["show", "mine", "0", "--root", str(searched.root)]) == 0
    text = capsys.readouterr().out
    for part in (
        "learning curve\n",
        "rungs\nrung  val_accuracy\n   1         55.50\n",
        "log\n2026-01-01 INFO said so\n",
        "files\n",
        "checkpoint: removed ",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("number", "part"), [(FAILED, "error\nTraceback\nValueError: so\n"), (DIVERGED, "diverged at iteration 20")]
)
def test_a_trial_that_went_wrong_is_shown_with_the_reason(
    number: int, part: str, searched: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "mine", str(number), "--root", str(searched.root)]) == 0
    assert part in capsys.readouterr().out


def test_studies_are_listed_with_how_far_they_are(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studies", "--root", str(searched.root), "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["study"], row["budget"], row["objectives"]) == ("mine", 4, ["val_accuracy", "ais"])
    assert (row["complete"], row["pruned"], row["fail"]) == (3, 1, 1)
    assert row["hypervolume"] == searched.result.hypervolume()


def test_a_root_without_studies_is_an_empty_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studies", "--root", str(tmp_path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_how_many_replicates_a_trial_had_and_why_not_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = toy_plan(tmp_path, replicates=2, racing=True)
    (tmp_path / plan.name).mkdir()
    storage = on_disk(plan, tmp_path / plan.name)
    for replicates, why in ((2, ""), (1, "raced out after replicate 1: dominated beyond noise")):
        trial = storage.ask()
        storage.annotate(trial, races={"1": why})
        storage.complete(trial, [1.0, 1.0], {"loss": 1.0, "cost": 1.0, "replicates": replicates, "epoch": 4})
    assert main(["trials", "toy", "--root", str(tmp_path), "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["replicates"], row["why"]) for row in rows] == [(2, None), (1, why)]
    assert main(["show", "toy", "1", "--root", str(tmp_path), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["metrics"]["replicates"], shown["raced"]) == (1, why)
