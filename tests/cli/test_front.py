import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.support import records
from tests.support.ended_study import VALUES, Searched
from tests.support.printed_table import read_heads
from vsam_tune.analysis.picks import PICK_FORMS
from vsam_tune.analysis.results import Objective, StudyResult, TrialRecord
from vsam_tune.cli.front import write_front
from vsam_tune.cli.main import main
from vsam_tune.cli.render import Format
from vsam_tune.study.file.study_file import load_export, load_study
from vsam_tune.study.storage.stored_study import load_result


def test_json_is_one_object_with_fixed_keys(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["front", "mine", "--root", str(searched.root), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    printed = json.loads(out)
    assert err == ""
    kept = ["study", "objectives", "trials", "hypervolume", "reference_point", "points", "knee"]
    assert list(printed) == [*kept, "noise", "possible", "hypervolume_over", "cost", "rungs"]
    assert printed["study"] == "mine"
    assert printed["objectives"] == [
        {"name": "val_accuracy", "direction": "maximize"},
        {"name": "ais", "direction": "maximize"},
    ]
    assert printed["trials"] == {"complete": 3, "pruned": 1, "fail": 1, "running": 0, "waiting": 0}
    assert printed["reference_point"] == {"val_accuracy": pytest.approx(84), "ais": pytest.approx(450)}
    assert printed["hypervolume"] == pytest.approx((90 - 84) * (1000 - 450) + (95 - 90) * (600 - 450))
    assert [list(point) for point in printed["points"]] == [["trial", "params", "values", "errors", "metrics"]] * 2
    assert [point["trial"] for point in printed["points"]] == [1, 0]  # the most accurate first
    best = printed["points"][0]
    assert best["values"] == {"val_accuracy": 95.0, "ais": 600.0}
    assert best["metrics"] == {**best["values"], "epoch": 3, "iteration": 54, "sampled_fraction": 0.25}
    assert best["params"].keys() == {"beta", "kappa", "num_slices", "warmup_iterations"}
    assert printed["knee"] in (0, 1)
    assert (printed["noise"], printed["possible"]) == ("aware", [])
    assert [list(point) for point in printed["hypervolume_over"]] == [["trials", "epochs", "hours", "hypervolume"]] * 4
    assert printed["hypervolume_over"][-1]["epochs"] == printed["cost"]["epochs"] == 10
    assert printed["hypervolume_over"][-1]["hypervolume"] == pytest.approx(printed["hypervolume"])
    assert printed["rungs"] == [
        {"epoch": 1, "tau": {"val_accuracy": None, "ais": None}, "trials": {"val_accuracy": 1, "ais": 0}}
    ]
    assert printed["cost"]["hours"] >= printed["hypervolume_over"][-1]["hours"] > 0


def test_a_file_names_the_study_as_well(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for study in ("mine", str(searched.file)):
        assert main(["front", study, "--root", str(searched.root), "--format", "json"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_a_table_shows_the_front_and_what_it_is_worth(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["front", "mine", "--root", str(searched.root)]) == 0
    head, *rows, blank, summary, volume, cost = capsys.readouterr().out.splitlines()
    shown = ["sampled_fraction", "beta", "kappa", "num_slices", "warmup_iterations"]
    assert head.split() == ["trial", "val_accuracy", "ais", *shown, "knee"]
    assert [row.split()[0] for row in rows] == ["1", "0"]
    assert sum("<- knee" in row for row in rows) == 1
    assert blank == ""
    assert summary == "2 trials are on the front of mine (3 complete, 1 pruned, 1 fail)."
    assert volume == "Hypervolume: 4050 (reference point: val_accuracy 84.00, ais 450)."
    assert re.fullmatch(
        r"Cost: 10 epochs, \d+ s of trials, of which \d+ s in stopped trials \(1 epochs\), \d+ s in failed trials.",
        cost,
    )


def test_csv_keeps_every_digit(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["front", "mine", "--root", str(searched.root), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    front = {record.number: record for record in searched.result.front()}
    assert [int(row["trial"]) for row in rows] == list(front)
    for row in rows:
        assert float(row["beta"]) == front[int(row["trial"])].params["beta"]
        assert (float(row["val_accuracy"]), float(row["ais"])) == VALUES[int(row["trial"])]


# ---- with errors


ERRORS = {"val_accuracy_error": 0.6, "val_accuracy_seed_error": 0.8, "ais_vs_sam_error": 0.01}
NOISY = {  # by trial: values, and other metrics
    0: (95.0, 1.5, {"efficiency": 1.0, "sampled_fraction": 0.5, "sampled_fraction_seed_error": 0.02}),
    1: (94.0, 1.49, {"efficiency": 0.8, "sampled_fraction": 0.25, "ideal_ais_vs_sam": 1.6}),
    2: (90.0, 1.4, {"efficiency": 0.5, "sampled_fraction": 0.25}),
}


def noisy(**unlike: float) -> StudyResult:
    """A front of trial 0; trial 1 is possible, trial 2 is not."""
    objectives = (Objective("val_accuracy", "maximize"), Objective("ais_vs_sam", "maximize"))
    trials = []
    for number, (accuracy, speed, metrics) in NOISY.items():
        values = {"val_accuracy": accuracy, "ais_vs_sam": speed}
        record = {**values, **ERRORS, **metrics, **(unlike if number == 0 else {})}
        trials.append(TrialRecord(number=number, state="complete", params={"beta": 0.1}, values=values, metrics=record))
    return StudyResult(name="mine", objectives=objectives, trials=tuple(trials), reference_point=None, study={})


COUNT = "1 trial is on the front of mine (3 complete)."
ERROR = "± is one standard error."


def test_a_table_shows_the_front_and_says_how_many_more_may_be_optimal(capsys: pytest.CaptureFixture[str]) -> None:
    write_front(noisy(), "table")
    head, row, blank, count, volume, error, noise = capsys.readouterr().out.splitlines()
    assert head.split() == ["trial", "val_accuracy", "ais_vs_sam", "sampled_fraction", "beta", "knee"]
    assert " ".join(row.split()) == "0 95.00 ± 1.00 1.500 ± 0.010 0.500 0.1 <- knee"
    assert (blank, count, error) == ("", COUNT, ERROR)
    assert volume.startswith("Hypervolume: ")
    assert noise == "1 more trial may also be optimal given the measurement noise (--include-possible lists it)."


def test_the_trials_that_may_be_optimal_are_listed_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    write_front(noisy(), "table", include_possible=True)
    head, *rows, _, count, _, _, noise, efficiency = capsys.readouterr().out.splitlines()
    assert head.split()[-2:] == ["front", "knee"]
    assert [" ".join(row.split()) for row in rows] == [
        "0 95.00 ± 1.00 1.500 ± 0.010 0.500 0.1 yes <- knee",
        "1 94.00 ± 1.00 1.490 ± 0.010 0.250 0.1 possible",
    ]
    assert count == COUNT
    assert noise == "1 more trial may also be optimal given the measurement noise (marked possible)."
    assert efficiency == (
        "Efficiency outside 0.9 to 1.1: trial 1 (0.80);"
        " below 1 a trial is slower than its gradient evaluations suggest, above 1 it is faster."
    )


@pytest.mark.parametrize("format", ["markdown", "latex"])
def test_other_tables_also_show_the_front_alone(format: Format, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: A002
    write_front(noisy(), format)
    assert "94.00" not in capsys.readouterr().out
    write_front(noisy(), format, include_possible=True)
    assert "94.00" in capsys.readouterr().out


def test_columns_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    write_front(noisy(), "table", columns=["beta", "trial", "efficiency", "errors.val_accuracy"])
    head, row, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["beta", "trial", "efficiency", "errors.val_accuracy"]
    assert row.split() == ["0.1", "0", "1.000", "1.00"]
    write_front(noisy(), "csv", columns=["trial", "ais_vs_sam_error"])
    assert capsys.readouterr().out == "trial,ais_vs_sam_error\n0,0.01\n1,0.01\n"


def test_all_columns_have_every_metric_but_no_error_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    write_front(noisy(), "table", columns=["all"], include_possible=True)
    out = capsys.readouterr().out.splitlines()
    first = next(i for i, line in enumerate(out) if line.split()[0] == "0")
    shown = ["sampled_fraction", "ideal_ais_vs_sam", "efficiency"]
    assert read_heads(out[:first]) == ["trial", "val_accuracy", "ais_vs_sam", *shown, "beta", "front", "knee"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--columns", "ais,bta"], "--columns: 'bta': there is no such column. Fix: write beta."),
        (["--columns", ","], "vsam-tune front: argument --columns: ',' contains no name. Fix: vsam-tune front --help"),
        (
            ["--columns", "ais", "--format", "json"],
            "--columns: JSON contains all columns. Fix: remove --columns.",
        ),
        (
            ["--include-possible", "--noise", "ignore"],
            "--include-possible: excludes --noise ignore, which takes the measured values as exact."
            " Fix: remove one of the two.",
        ),
        (
            ["--importances", "--pick", "knee"],
            "--importances: excludes --pick: it prints the importances instead of the front. Fix: remove one of the"
            " two.",
        ),
        (
            ["--importances", "--export"],
            "--importances: excludes --export: it prints the importances instead of the front. Fix: remove one of the"
            " two.",
        ),
    ],
)
def test_options_that_cannot_be_followed_are_refused(
    options: list[str], line: str, searched: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["front", "mine", "--root", str(searched.root), *options]) == 2
    assert capsys.readouterr() == ("", f"{line}\n")


QUICKSTART = {"beta": 0.0547, "kappa": 0.683, "num_slices": 6, "warmup_iterations": 126, "initial_rate": 0.0176}


@pytest.mark.parametrize("second", ["ais_vs_sam", "gradient_evaluations", "ais"])
def test_the_front_of_the_quickstart_fits_100_columns(second: str, capsys: pytest.CaptureFixture[str]) -> None:
    objectives = (Objective("val_accuracy", "maximize"), Objective(second, "maximize"))
    values = {"val_accuracy": 98.5632, second: 1.32345}
    metrics = {**values, "sampled_fraction": 0.4611, "val_accuracy_error": 0.7, f"{second}_error": 0.017}
    trial = TrialRecord(number=23, state="complete", params=QUICKSTART, values=values, metrics=metrics)
    write_front(
        StudyResult(name="quickstart", objectives=objectives, trials=(trial,), reference_point=None, study={}), "table"
    )
    *head, _row, _, count, volume, error, noise = lines = capsys.readouterr().out.splitlines()
    assert read_heads(head) == ["trial", "val_accuracy", second, "sampled_fraction", *QUICKSTART, "knee"]
    assert max(map(len, lines)) <= 100, (count, volume, error, noise)


def test_where_noise_is_ignored_the_plain_front_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    write_front(noisy(), "table", "ignore")
    _, row, blank, *notes = capsys.readouterr().out.splitlines()
    assert (row.split()[0], blank, notes[0], notes[2:]) == ("0", "", COUNT, [ERROR])
    write_front(noisy(), "json", "ignore")
    printed = json.loads(capsys.readouterr().out)
    assert (printed["noise"], printed["possible"], len(printed["points"])) == ("ignore", [], 1)


def test_noise_that_excludes_all_others_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    result = noisy(val_accuracy_error=0.0, val_accuracy_seed_error=0.0)
    few = StudyResult(
        name="mine", objectives=result.objectives, trials=result.trials[::2], reference_point=None, study={}
    )
    write_front(few, "table")
    assert capsys.readouterr().out.splitlines()[-1] == (
        "No other trial is likely to be optimal given the measurement noise."
    )


def test_csv_holds_values_and_errors_apart_with_every_digit(capsys: pytest.CaptureFixture[str]) -> None:
    write_front(noisy(val_accuracy_error=1 / 3), "csv")
    first, second = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (float(first["val_accuracy"]), float(first["ais_vs_sam"])) == (95.0, 1.5)
    assert float(first["errors.val_accuracy"]) == math.hypot(1 / 3, 0.8)
    assert (first["front"], second["front"]) == ("yes", "possible")
    assert float(second["errors.ais_vs_sam"]) == 0.01


def test_json_holds_errors_and_the_possible_trials(capsys: pytest.CaptureFixture[str]) -> None:
    write_front(noisy(), "json")
    printed = json.loads(capsys.readouterr().out)
    assert printed["noise"] == "aware"
    (possible,) = printed["possible"]
    assert (possible["trial"], possible["errors"]) == (1, {"val_accuracy": 1.0, "ais_vs_sam": 0.01})
    assert possible["metrics"]["ideal_ais_vs_sam"] == 1.6


def test_front_takes_the_noise_from_the_command_line(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["front", "mine", "--root", str(searched.root), "--format", "json", "--noise", "ignore"]) == 0
    assert json.loads(capsys.readouterr().out)["noise"] == "ignore"


# ---- the cost


@pytest.mark.parametrize(
    ("definition", "resumed", "waited"),
    [
        ({}, 0, ""),
        ({"trial_scheduler": {"kind": "mo_asha", "variant": "stopping"}}, 0, ""),
        (
            {"trial_scheduler": {"kind": "mo_asha", "variant": "promotion"}},
            0,
            " (with the time for which they were paused)",
        ),
        ({}, 1, " (with the time for which they were paused)"),
    ],
)
def test_the_cost_says_where_it_includes_pauses(
    definition: dict[str, object], resumed: int, waited: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trials = [
        records.trial(0, 90.0, 1000.0, seconds=3600.0, epochs=1000, reference_seconds=60.0),
        records.trial(1, state="pruned", seconds=90.0, epochs=9),
    ]
    trials[0] = replace(trials[0], resumed=resumed)
    write_front(replace(records.study(*trials), study=definition), "table")
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"Cost: 1,009 epochs, 1 h 1 min of trials{waited}, of which 1 min 30 s in stopped trials (9 epochs),"
        " 1 min 0 s in the SAM probe."
    )


# ---- rungs


def test_a_table_names_the_rungs_whose_order_says_little_about_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    def result(num_trials: int) -> StudyResult:
        trials = [
            records.trial(
                n, 90.0 + n, 1000.0 - n, rungs={1: {"val_accuracy": -n, "ais": -n}, 3: {"val_accuracy": n, "ais": -n}}
            )
            for n in range(num_trials)
        ]
        return records.study(*trials)

    write_front(result(5), "table")
    assert capsys.readouterr().out.splitlines()[-1] == (
        "The order at the rung of epoch 1 says little about the end: Kendall's tau val_accuracy -1.00 (5 trials)."
    )
    write_front(result(4), "table")  # too few to say it
    assert capsys.readouterr().out.splitlines()[-1].startswith("Hypervolume: ")


# ---- which parameters are important


@pytest.fixture(scope="module")
def long_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of `toy`, with 24 complete trials whose objectives depend on x alone."""
    from tests.support.toy_study import on_disk, toy_plan

    root = tmp_path_factory.mktemp("long")
    (root / "toy").mkdir()
    storage = on_disk(toy_plan(root), root / "toy")
    for number in range(24):
        trial = storage.ask()
        x, _y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        storage.complete(trial, [x, 1 - x], {"epoch": number})
    return root


def test_importances_are_a_table_of_parameters_by_objective(
    long_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["front", "toy", "--root", str(long_root), "--importances"]) == 0
    head, first, second, blank, *notes = capsys.readouterr().out.splitlines()
    names = [each.name for each in load_result("toy", long_root).objectives]
    assert head.split() == ["parameter", *(f"importance.{name}" for name in names)]
    assert (first.split()[0], second.split()[0], blank) == ("x", "y", "")
    for x, y in zip(first.split()[1:], second.split()[1:], strict=True):
        assert float(x) > 0.5
        assert float(x) + float(y) == pytest.approx(1.0, abs=0.002)
    assert notes == [
        "How much each parameter decides whether a trial is among the best 21 % in an objective; columns sum to 1.",
        "PED-ANOVA over 24 complete trials, within the region that the sampler explored.",
    ]


def test_importances_are_a_key_of_the_json(long_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["front", "toy", "--root", str(long_root), "--format", "json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main(["front", "toy", "--root", str(long_root), "--format", "json", "--importances"]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = printed.pop("importances")
    assert printed == plain
    assert (found["trials"], found["best"]) == (24, 5 / 24)
    assert {name: set(shares) for name, shares in found["objectives"].items()} == {
        each["name"]: {"x", "y"} for each in plain["objectives"]
    }


def test_importances_of_few_trials_are_refused(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["front", "mine", "--root", str(searched.root), "--importances"]
    assert main(command) == 1
    fix = f"vsam-tune search mine --trials 25 --root {searched.root}"
    line = f"mine: importances need 20 complete trials, but there are 3. Fix: {fix}\n"
    assert capsys.readouterr() == ("", line)
    assert main([*command, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["importances"] == {"trials": 3, "best": None, "objectives": {}}


# ---- picks


@pytest.mark.parametrize("command", ["front", "baselines"])
def test_the_help_lists_every_rule(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert [form for form in PICK_FORMS if form not in shown] == []


@pytest.mark.parametrize(
    ("rule", "number"),
    [
        (["--pick", "trial=2"], 2),
        (["--pick", "knee"], None),
        ([], None),
        (["--pick", "within=5"], 0),
        (["--pick", "min-ais=700"], 0),
        (["--pick", "max-ais=700"], 1),
    ],
)
def test_what_is_exported_is_what_train_reads(
    rule: list[str], number: int | None, searched: Searched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picked = searched.result.knee() if number is None else number
    assert picked is not None
    file = tmp_path / "best.yaml"
    assert main(["front", "mine", "--root", str(searched.root), *rule, "--export", str(file)]) == 0
    assert capsys.readouterr().out == f"trial {picked} -> {file}\nnext: vsam-tune train {file} --seeds 3\n"
    export, study, record = load_export(file), load_study(searched.file), searched.result.trials[picked]
    assert (export.source.study, export.source.trial) == ("mine", picked)
    assert (export.source.values, export.source.params) == (record.values, record.params)
    assert export.settings() == study.settings(record.params)
    assert export.method.settings["max_rate"] == 1.0
    warmup = {"warmup_iterations": {"fraction": record.params["warmup_iterations"]}}  # searched as a part of the run
    assert export.method.settings == {**export.method.settings, **record.params, **warmup}


def test_an_export_replaces_no_other_content_without_force(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["front", "mine", "--root", str(searched.root), "--export"]
    for number in (1, 2):
        for _ in range(2):  # the same content may be written again
            assert main([*command, "--pick", f"trial={number}"]) == 0
            assert capsys.readouterr().out.startswith(f"trial {number} -> mine-trial{number}.yaml\nnext: ")
    first = Path("mine-trial1.yaml").read_text(encoding="utf-8")
    other = [*command, "mine-trial1.yaml", "--pick", "trial=2"]
    assert main(other) == 2
    assert capsys.readouterr().err == (
        "--export: 'mine-trial1.yaml': exists and has other content. "
        "Fix: name another file, or replace it with --force.\n"
    )
    assert Path("mine-trial1.yaml").read_text(encoding="utf-8") == first
    assert main([*other, "--force"]) == 0
    assert load_export(Path("mine-trial1.yaml")).source.trial == 2


def test_without_a_file_what_was_picked_is_printed(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["front", "mine", "--root", str(searched.root), "--pick", "trial=1"]
    assert main(command) == 0
    content = yaml.safe_load(capsys.readouterr().out)
    assert content["source"]["trial"] == 1
    assert main([*command, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == content


def test_a_study_without_a_complete_trial_has_no_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.support.toy_study import on_disk, toy_plan

    (tmp_path / "toy").mkdir()
    on_disk(toy_plan(tmp_path), tmp_path / "toy").ask()
    assert main(["front", "toy", "--root", str(tmp_path)]) == 1
    fix = f"vsam-tune trials toy --root {tmp_path} shows the state of the trials"
    assert capsys.readouterr() == ("", f"toy: no trial has completed. Fix: {fix}\n")
