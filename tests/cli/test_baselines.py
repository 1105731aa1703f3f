"""`vsam-tune baselines` where no trial runs; tests/study/test_baselines.py and test_runner_kill.py have the others."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fake_baselines import metrics, replicate, result_of
from tests.support.fake_study import empty_store
from tests.support.toy_study import on_disk
from vsam_tune.cli.baselines import _names
from vsam_tune.cli.main import main
from vsam_tune.cli.unfinished import report_unfinished
from vsam_tune.study.baselines import BaselinesJob, wanted_rows
from vsam_tune.study.file.study_file import load_study
from vsam_tune.study.tracking.run_kind import BASELINE

STUDY = "name: mine\nbaselines: {seeds: 2, methods: [sgd, sam]}\n"
ACCURACIES = {("sgd", 0): 90.0, ("sam", 0): 92.0, ("sgd", 1): 91.0, ("sam", 1): 92.5}


def trained(folder: Path, *, diverged: bool = False) -> list[str]:
    """Store baselines that have ended, without a training; return the arguments of the command."""
    file, home = folder / "mine.yaml", folder / "runs" / "mine"
    file.write_text(STUDY)
    home.mkdir(parents=True)
    (home / "mlflow.db").write_bytes(empty_store())
    study = load_study(file)
    (plan,) = BaselinesJob(study=study, home=home, rows=wanted_rows(study, root=folder / "runs")).plans()
    storage = on_disk(plan, home)
    for params in plan.enqueued:
        trial, accuracy = storage.take([params]), ACCURACIES[params["label"], params["replicate"]]
        if diverged and params == {"label": "sam", "replicate": 1}:
            storage.prune(trial, "diverged at iteration 120", {"epoch": 1.0}, diverged=True)
        else:
            storage.complete(trial, [accuracy, 1000.0], metrics(params["label"], accuracy))
    return [str(file), "--root", str(folder / "runs")]


def test_baselines_that_are_done_are_printed_with_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = trained(tmp_path)
    assert main(["baselines", *arguments]) == 0
    out, err = capsys.readouterr()
    table, next_step = out.split("\n\n")
    assert [line.split() for line in table.splitlines()] == [
        ["method", "seeds", "test_accuracy", "sampled_fraction", "ais"],
        ["sgd", "2", "90.50", "±", "0.71", "0.000", "1,000"],
        ["sam", "2", "92.25", "±", "0.35", "1.000", "1,000"],
    ]
    assert (next_step, err) == (f"next: vsam-tune compare mine --root {tmp_path / 'runs'}\n", "")
    assert main(["baselines", *arguments, "--methods", "sam", "--seeds", "1"]) == 0
    assert capsys.readouterr().out == out


def test_programs_get_numbers_by_the_names_that_compare_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = trained(tmp_path)
    assert main(["baselines", *arguments, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["study"] == "mine"
    assert printed["rows"][1] == {
        "method": "sam",
        "seeds": 2,
        "test_accuracy_mean": 92.25,
        "test_accuracy_std": pytest.approx(0.5 / 2**0.5),
        "sampled_fraction": 1.0,
        "ais": 1000.0,
    }
    assert main(["baselines", *arguments, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [list(row) for row in rows] == [list(each) for each in printed["rows"]]


def test_a_training_that_diverged_is_shown_and_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = trained(tmp_path, diverged=True)
    assert main(["baselines", *arguments]) == 1
    out, err = capsys.readouterr()
    where = tmp_path / "runs" / "mine" / "baselines" / "trials" / "00003"
    why = "sam seed 1 is pruned (diverged at iteration 120)"
    assert err == f"{where}: {why}. Fix: choose other settings under a new label:\n"
    assert "92.00" in out
    assert main(["baselines", *arguments, "--methods", "sgd"]) == 0


def test_failed_and_missing_trainings_are_shown_by_the_newest_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trials = [
        replicate(0, "sgd", 0, "fail"),
        replace(replicate(1, "sam", 0, "fail"), folder="trials/00001", error="Traceback\nValueError: so"),
        replicate(2, "sgd", 0),  # repeated
        replicate(3, "sgd", 1, "running"),
    ]
    wanted = [{"label": label, "replicate": i} for i in (0, 1) for label in ("sgd", "sam")]
    result = result_of(trials)
    assert result.num_finished_of(wanted) == 1
    assert report_unfinished(result, wanted, tmp_path, kind=BASELINE, fix="") == 1
    where = tmp_path / "trials" / "00001"
    assert capsys.readouterr().err.splitlines() == [
        f"{where}: sam seed 0 is fail (ValueError: so). Fix: repeat the command",
        "mine: 2 of 4 trainings are not finished. Fix: repeat the command to resume",
    ]
    assert report_unfinished(result, wanted[:1], tmp_path, kind=BASELINE, fix="") == 0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sgd,sam", ["sgd", "sam"]),
        ("sgd, vsam(beta=0.05, kappa=0.9),sam", ["sgd", "vsam(beta=0.05, kappa=0.9)", "sam"]),
        ("a b,", ["a b"]),
    ],
)
def test_names_are_parted_by_commas_outside_parentheses(text: str, names: list[str]) -> None:
    assert _names(text) == names


def test_names_of_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baselines", "mine.yaml", "--methods", ","]) == 2
    assert "argument --methods: ',' contains no name" in capsys.readouterr().err


def test_other_commands_are_not_confused_by_baselines_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, *root = trained(tmp_path)
    assert main(["studies", *root, "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["study"], row["complete"], row["waiting"]) == ("mine", 0, 0)
    for command in (["front", "mine"], ["trials", "mine"], ["show", "mine", "0"]):
        assert main([*command, *root]) == 2
        assert capsys.readouterr().err.endswith("holds no search yet. Fix: vsam-tune search STUDY.yaml.\n")
    assert main(["mlflow", "mine", *root, "--url"]) == 0
    assert main(["compare", "mine", *root]) == 0
