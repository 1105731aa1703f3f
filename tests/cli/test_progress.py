"""What a person sees while trials run: lines where stderr is no terminal, a live table where it is one."""

import io
import re
import sys

import pytest

from vsam_tune.analysis.results import TrialRecord
from vsam_tune.cli import progress as progress_module
from vsam_tune.cli.progress import Progress

POINT = {"val_accuracy": 91.234, "sampled_fraction": 0.25, "epoch": 3.0, "val_loss": 0.5}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose one item is the time in seconds."""
    now = [0.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


def start(progress, number):
    progress.started(number, {"params": {"beta": 0.13}, "task": {"epochs": 5}, "replicates": 2})


def end(progress, number, state="complete", **changed):
    progress.ended(TrialRecord(number=number, state=state, params={}, values={}, metrics={}, **changed))


def test_a_trial_that_ends_is_a_line_with_its_objectives_parameters_and_how_far_the_study_is(capsys, clock):
    with Progress(["val_accuracy"]) as progress:
        progress.planned(4, 1)
        start(progress, 1)
        progress.reported(1, POINT)
        clock[0] = 61.0
        end(progress, 1)
    out, err = capsys.readouterr()
    assert out == ""
    found = "val_accuracy 91.23, sampled_fraction 0.250; beta=0.13; 2/4 ended, about 2 min 2 s left"
    assert err == f"trial 1 complete: {found}\n"


def test_the_time_left_counts_trials_side_by_side(capsys, clock):
    with Progress([]) as progress:
        progress.planned(6, 0)
        for number in range(2):
            start(progress, number)
        clock[0] = 3600.0
        for number in range(2):
            end(progress, number)
    assert capsys.readouterr().err.splitlines()[-1].endswith("2/6 ended, about 2 h 0 min left")


@pytest.mark.parametrize(
    ("state", "why", "line"),
    [
        (
            "pruned",
            {"stopped": "trial scheduler at epoch 9"},
            "trial 0 pruned (trial scheduler at epoch 9): beta=0.13; 1",
        ),
        ("failed", {"error": "Traceback\nValueError: so"}, "trial 0 failed (so): beta=0.13; 0"),
    ],
)
def test_a_trial_that_did_not_complete_says_why_and_a_failed_one_does_not_count(state, why, line, capsys):
    with Progress([]) as progress:
        progress.planned(None, 0)
        start(progress, 0)
        end(progress, 0, state, **why)
    assert capsys.readouterr().err == line.replace("(so)", "(ValueError: so)") + " ended\n"


def test_a_terminal_has_a_live_table_of_those_that_run_and_the_newest_that_ended(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "120")
    with Progress(["val_accuracy"]) as progress:
        progress.planned(20, 0)
        for number in range(15):
            start(progress, number)
            progress.reported(number, POINT)
            if number < 14:
                end(progress, number)
        table = progress._table()
    numbers = [*table.columns[0].cells]
    assert numbers == [str(number) for number in range(2, 15)]  # twelve that ended, and the one that runs
    assert [*table.columns[1].cells] == ["complete"] * 12 + ["running"]
    assert [*table.columns[2].cells][-1] == "3/10"
    shown = re.sub(r"\x1b\[[\d;?]*\w", "", sys.stderr.getvalue())
    assert "14/20 ended" in shown
    assert "val_accuracy" in shown
