"""`vsam-tune confirm` where no trial runs; tests/study/test_confirm.py has the others."""

import csv
import io
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_study import empty_store
from tests.support.printed_table import read_heads
from tests.support.toy_study import on_disk
from vsam_tune.cli.main import main
from vsam_tune.machine.hardware import device
from vsam_tune.study.confirm import Scope, confirm_plan, wanted_trials
from vsam_tune.study.file.study_file import load_study
from vsam_tune.study.search import search_plan
from vsam_tune.study.storage.folder import CONFIRM
from vsam_tune.study.storage.stored_study import find_result

STUDY = """\
name: mine
task: {data: digits, model: cnn, epochs: 3}
method: {name: vsam, max_rate: 1.0}
space: {lr: {type: float, low: 0.05, high: 0.2}}
objectives: [val_accuracy, ais_vs_sam]
initial: []
sampler: {kind: random}
budget: {trials: 2}
"""
SEARCHED = [(94.0, 1.2), (92.0, 1.6)]
ACCURACIES = {  # of three seeds
    "vsam trial 0": (92.0, 93.0, 94.0),
    "vsam trial 1": (91.0, 91.5, 92.0),
    "sgd": (88.0, 88.5, 89.5),
    "sam": (93.0, 93.5, 94.5),
}
SPEED = {"vsam trial 0": 1.25, "vsam trial 1": 1.6, "sgd": 1.9, "sam": 1.0}
THREE = ["--seeds", "3"]


class Confirmed:
    """A study whose search and confirmation have ended, without a training."""

    def __init__(self, folder: Path) -> None:
        self.file, self.root = folder / "mine.yaml", folder / "runs"
        self.home = self.root / "mine"
        self.file.write_text(STUDY)
        self.home.mkdir(parents=True)
        (self.home / "mlflow.db").write_bytes(empty_store())
        self.study = load_study(self.file)
        storage = on_disk(search_plan(self.study), self.home)
        for values in SEARCHED:
            trial = storage.ask()
            trial.suggest_float("lr", 0.05, 0.2)
            storage.complete(trial, values, {"sampled_fraction": 0.25, "val_accuracy_error": 0.5})

    def finish(
        self, *, alone: float = 1.0, time_only: bool = False, diverged: bool = False, withheld: Collection[str] = ()
    ) -> "Confirmed":
        so_far = find_result(self.home, CONFIRM)
        wanted = wanted_trials(self.study, Scope(seeds=3, timing_only=time_only), root=self.root, earlier=so_far)
        for trials in (wanted.replicates, wanted.timings):
            plan = confirm_plan(self.study, wanted, trials)
            storage = on_disk(plan, self.home)
            for each in (wanted.to_params() for wanted in trials):
                trial = storage.take([each])
                if diverged and each == {"label": "sam", "replicate": 1}:
                    storage.prune(trial, "diverged at iteration 20", {"epoch": 1.0}, diverged=True)
                    continue
                storage.complete(trial, [1000.0], {"ais": 1000.0, **self._metrics(each, alone, withheld)})
        return self

    def _metrics(self, params: dict[str, Any], alone: float, withheld: Collection[str]) -> dict[str, float]:
        label = params["label"]
        if "replicate" in params:
            accuracy = ACCURACIES[label][params["replicate"]]
            return {"val_accuracy": accuracy, "test_accuracy": accuracy - 1, "sampled_fraction": 0.25}
        ideal = {"ideal_ais_vs_sam": SPEED[label], "alone": alone}
        return ideal if label in withheld else {**ideal, "ais_vs_sam": SPEED[label], "ais_vs_sam_error": 0.01}

    def __call__(self, *options: str) -> int:
        return main(["confirm", str(self.file), "--root", str(self.root), *options])


@pytest.fixture
def confirmed(tmp_path: Path) -> Confirmed:
    return Confirmed(tmp_path)


def test_a_table_says_what_remains_and_gives_a_fair_pick(
    confirmed: Confirmed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert confirmed.finish()(*THREE) == 0
    out, err = capsys.readouterr()
    table, remarks = out.split("\n\n")
    *head, vsam_0, vsam_1, sgd, sam = table.splitlines()
    assert read_heads(head) == [
        "row",
        "seeds",
        "val_accuracy",
        "confirmed_val_accuracy",
        "shrinkage_val_accuracy",
        "ais_vs_sam",
        "confirmed_ais_vs_sam",
        "shrinkage_ais_vs_sam",
        "test_accuracy",
        "on_front",
        "replicates",
        "alone",
    ]
    assert [" ".join(row.split()) for row in (vsam_0, vsam_1, sgd, sam)] == [
        "vsam trial 0 3 94.00 93.00 [90.52, 95.48] -1.00 1.200 1.250 [1.230, 1.270] +0.050"
        " 92.00 [89.52, 94.48] yes no yes",
        "vsam trial 1 3 92.00 91.50 [90.26, 92.74] -0.50 1.600 1.600 [1.580, 1.620] 0.000"
        " 90.50 [89.26, 91.74] yes yes yes",
        "sgd 3 88.67 [86.77, 90.56] 1.900 [1.880, 1.920] 87.67 [85.77, 89.56] yes yes",
        "sam 3 93.67 [91.77, 95.56] 1.000 [0.980, 1.020] 92.67 [90.77, 94.56] yes yes",
    ]
    assert remarks.splitlines() == [
        "2 of 2 points remain on the front of mine",
        "confirmed: mean over fresh seeds [95 % interval]; shrinkage: confirmed minus searched",
        "pick: vsam trial 0, the knee of the confirmed means; test accuracy 92.00 [89.52, 94.48], a fair estimate,"
        " since the test set played no part in the selection",
        f"speed: timing 1 on {device()}, alone, one row at a time",
    ]
    assert err == ""


def test_a_name_will_do_for_the_study_that_was_searched(
    confirmed: Confirmed, capsys: pytest.CaptureFixture[str]
) -> None:
    confirmed.finish()(*THREE)
    out = capsys.readouterr().out
    assert main(["confirm", "mine", "--root", str(confirmed.root), *THREE]) == 0
    assert capsys.readouterr().out == out


def test_programs_get_one_object(confirmed: Confirmed, capsys: pytest.CaptureFixture[str]) -> None:
    assert confirmed.finish()(*THREE, "--format", "json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == ["study", "objectives", "seeds", "rows", "front", "pick", "timing"]
    assert (printed["seeds"], printed["front"]) == (3, {"searched": 2, "remaining": 2, "not_judged": 0})
    first, _, sgd, _ = printed["rows"]
    assert (first["trial"], first["searched"]) == (0, {"val_accuracy": 94.0, "ais_vs_sam": 1.2})
    assert first["interval"]["ais_vs_sam"] == pytest.approx([1.2304, 1.2696], abs=1e-4)
    assert (first["device"], first["alone"], first["on_front"]) == (device(), True, True)
    assert (sgd["trial"], sgd["searched"], sgd["shrinkage"]) == (None, None, None)
    assert printed["pick"]["left_out"] == {"val_accuracy": 93.0}


def test_csv_has_a_column_for_each_number(confirmed: Confirmed, capsys: pytest.CaptureFixture[str]) -> None:
    assert confirmed.finish()(*THREE, "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["label"] for row in rows] == list(ACCURACIES)
    assert (rows[0]["searched_val_accuracy"], rows[0]["confirmed_val_accuracy"]) == ("94.0", "93.0")
    assert float(rows[0]["low_val_accuracy"]) == pytest.approx(93 - 4.302652729911275 / 3**0.5)
    assert (rows[2]["searched_val_accuracy"], rows[2]["device"]) == ("", device())


def test_markdown_is_a_table_with_the_remarks_below(confirmed: Confirmed, capsys: pytest.CaptureFixture[str]) -> None:
    assert confirmed.finish()(*THREE, "--format", "markdown") == 0
    out = capsys.readouterr().out
    assert out.startswith("| row")
    assert "\n\n2 of 2 points remain" in out


def test_a_timing_without_a_speed_that_is_reliable_fails_with_a_fix_and_its_point_is_not_judged(
    confirmed: Confirmed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert confirmed.finish(withheld=["vsam trial 1"])(*THREE) == 1
    out, err = capsys.readouterr()
    assert "\n1 of 2 points remain on the front of mine, 1 not decided yet\n" in out
    assert err == (
        "mine: no ais_vs_sam of vsam trial 1: the parts of their timings disagree. Fix: repeat the command with"
        " --timing-only and a larger --timing-seconds\n"
    )


def test_a_timing_that_was_disturbed_is_warned_of(confirmed: Confirmed, capsys: pytest.CaptureFixture[str]) -> None:
    assert confirmed.finish(alone=0.0)(*THREE) == 0
    out, err = capsys.readouterr()
    assert "not alone, one row at a time" in out
    assert err.startswith(
        "mine: other programs used the processors during the timing of vsam trial 0, vsam trial 1, sgd, sam: "
    )
    assert err.endswith("Fix: repeat the command with --timing-only on an idle machine\n")
    confirmed.finish(time_only=True)  # another timing, alone
    assert confirmed(*THREE) == 0
    out, err = capsys.readouterr()
    assert (f"speed: timing 2 on {device()}, alone" in out, err) == (True, "")


def test_a_seed_that_diverged_is_shown_and_is_exit_code_1(
    confirmed: Confirmed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert confirmed.finish(diverged=True)(*THREE) == 1
    where = confirmed.home / "confirm" / "trials" / "00007"
    why = "sam confirm seed 1 is pruned (diverged at iteration 20)"
    fix = "none: the configuration diverges with this seed, and the means leave it out"
    assert capsys.readouterr().err == f"{where}: {why}. Fix: {fix}\n"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--seeds", "0"], "argument --seeds: '0' must be a whole number >= 1"),
        (["--timing-seconds", "0"], "argument --timing-seconds: '0' must be a whole number >= 1"),
    ],
)
def test_numbers_that_are_none_are_refused(
    options: list[str], line: str, confirmed: Confirmed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert confirmed(*options) == 2
    assert line in capsys.readouterr().err


def test_what_was_not_searched_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["confirm", "mine", "--root", str(tmp_path)]) == 2
    assert "holds no study of this name" in capsys.readouterr().err
