"""`vsam-tune rungs`: what happened at each rung, and why."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.printed_table import read_heads
from tests.support.ray_controller import CONTINUE, Controller
from tests.support.toy_study import on_disk, toy_plan
from vsam_tune.cli.main import main
from vsam_tune.study.scheduling.build import build_trial_scheduler

GUARD = {"trials": 2, "max_loss": 0.2, "audit": 0.0}
# (loss at the rung, loss at the end): the first two find the rung right, the third wrong
LOSSES = [(1.0, 1.0), (2.0, 2.0), (9.0, 9.0), (8.0, 0.0)]


def searched(root: Path, **section: Any) -> None:
    """Run trials one after the other, with a rung at epoch 2 of 4."""
    settings = {"kind": "asha", "metric": "loss", "reduction_factor": 2, "min_epochs": 2, "guard": GUARD, **section}
    plan = toy_plan(root, trial_scheduler=settings, budget={"trials": 99})
    storage = on_disk(plan, root / "runs" / "toy")
    driver = Controller(plan, storage, lambda searcher: build_trial_scheduler(plan, storage, searcher))
    for at_rung, at_end in LOSSES:
        number = driver.start()
        if driver.hand_over(number, {"epoch": 2, "loss": at_rung, "cost": 1.0, "done": False}) == CONTINUE:
            driver.hand_over(number, {"epoch": 4, "loss": at_end, "cost": 1.0, "done": True})


def printed(capsys: pytest.CaptureFixture[str], root: Path, *options: str) -> str:
    assert main(["rungs", "toy", "--root", str(root / "runs"), *options]) == 0
    return capsys.readouterr().out


def test_a_rung_is_a_line_with_its_trials_and_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    searched(tmp_path)
    head, row, *notes = printed(capsys, tmp_path).splitlines()
    assert read_heads([head])[:4] == ["epoch", "reached", "passed", "stopped"]
    assert row.split()[:4] == ["2", "4", "2", "2"]
    assert notes[-1].startswith("tau: Kendall's tau")


def test_each_decision_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    searched(tmp_path)
    assert printed(capsys, tmp_path, "--decisions").splitlines() == [
        "trial 0 went on at epoch 2: rank 1 of 1, 1 kept",
        "trial 1 went on at epoch 2: rank 2 of 2, 1 kept; it is one of the first trials of the study; "
        "over 1 finished trials the rule loses 0 %",
        "trial 2 stopped at epoch 2: rank 3 of 3, 2 kept; over 2 finished trials the rule loses 0 %",
        "trial 3 stopped at epoch 2: rank 3 of 4, 2 kept; over 2 finished trials the rule loses 0 %",
    ]
    assert printed(capsys, tmp_path, "--trial", "2").count("\n") == 1


def test_a_front_names_a_rung_that_the_guard_has_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    searched(tmp_path, guard={"trials": 4, "max_loss": 0.05, "audit": 0.0})
    assert main(["front", "toy", "--root", str(tmp_path / "runs")]) == 0
    assert (
        "The guard has the rung of epoch 2 off: its rule would lose 10 % of the hypervolume of 4 finished trials.\n"
        in (capsys.readouterr().out)
    )


def test_json_holds_rungs_and_decisions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    searched(tmp_path, guard="off")
    content = json.loads(printed(capsys, tmp_path, "--format", "json"))
    (rung,) = content["rungs"]
    assert (rung["epoch"], rung["reached"], rung["passed"], rung["stopped"]) == (2, 4, 1, 3)
    assert (rung["in_force"], rung["finished"], rung["loss"], rung["lost"]) == (None, 1, 0.0, [])
    assert [each["passes"] for each in content["decisions"]] == [True, False, False, False]


def test_a_trial_that_waits_is_shown_as_paused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    searched(tmp_path, variant="promotion", guard="off")
    assert "trial 1 waits at epoch 2: rank 2 of 2, 1 kept\n" in printed(capsys, tmp_path, "--decisions")
    assert main(["trials", "toy", "--root", str(tmp_path / "runs"), "--format", "json"]) == 0
    states = [row["state"] for row in json.loads(capsys.readouterr().out)]
    assert states[1] == "paused"


def test_a_study_without_rungs_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on_disk(toy_plan(tmp_path), tmp_path / "runs" / "toy")
    assert main(["rungs", "toy", "--root", str(tmp_path / "runs")]) == 2
    assert "trial_scheduler.kind = 'fifo': has no rungs. Fix: search with" in capsys.readouterr().err


def test_a_trial_that_does_not_exist_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    searched(tmp_path)
    assert main(["rungs", "toy", "--root", str(tmp_path / "runs"), "--trial", "99"]) == 2
    assert "--trial: 99: must be the number of one of the 4 trials of toy. Fix: vsam-tune trials toy." in (
        capsys.readouterr().err
    )
