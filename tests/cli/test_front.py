import csv
import io
import json
from pathlib import Path

import pytest
import yaml

from tests.cli.ended_study import VALUES, Searched
from vsam_tune.cli.main import main
from vsam_tune.study.config import load_export, load_study


def test_json_is_one_object_with_fixed_keys(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["front", "mine", "--root", str(searched.root), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    printed = json.loads(out)
    assert err == ""
    assert list(printed) == ["study", "objectives", "trials", "hypervolume", "reference_point", "points", "knee"]
    assert printed["study"] == "mine"
    assert printed["objectives"] == [
        {"name": "val_accuracy", "direction": "maximize"},
        {"name": "ais", "direction": "maximize"},
    ]
    assert printed["trials"] == {"complete": 3, "pruned": 1, "fail": 1, "running": 0, "waiting": 0}
    assert printed["reference_point"] == {"val_accuracy": pytest.approx(84), "ais": pytest.approx(450)}
    assert printed["hypervolume"] == pytest.approx((90 - 84) * (1000 - 450) + (95 - 90) * (600 - 450))
    assert [list(point) for point in printed["points"]] == [["trial", "params", "values", "metrics"]] * 2
    assert [point["trial"] for point in printed["points"]] == [1, 0]  # the most accurate first
    best = printed["points"][0]
    assert best["values"] == {"val_accuracy": 95.0, "ais": 600.0}
    assert best["metrics"] == {**best["values"], "epoch": 3, "iteration": 54, "sampled_fraction": 0.25}
    assert best["params"].keys() == {"beta", "kappa", "num_slices", "warmup_iterations"}
    assert printed["knee"] in (0, 1)


def test_a_file_names_the_study_as_well(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for study in ("mine", str(searched.file)):
        assert main(["front", study, "--root", str(searched.root), "--format", "json"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_a_table_shows_the_front_and_what_it_is_worth(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["front", "mine", "--root", str(searched.root)]) == 0
    head, *rows, blank, summary = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["trial", "val_accuracy", "ais", "sampled_fraction"]
    assert [row.split()[0] for row in rows] == ["1", "0"]
    assert sum("<- knee" in row for row in rows) == 1
    assert blank == ""
    assert summary == (
        "2 on the front of mine (3 complete, 1 pruned, 1 fail); hypervolume 4050 from (val_accuracy 84, ais 450)"
    )


def test_csv_keeps_every_digit(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["front", "mine", "--root", str(searched.root), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    front = {record.number: record for record in searched.result.front()}
    assert [int(row["trial"]) for row in rows] == list(front)
    for row in rows:
        assert float(row["beta"]) == front[int(row["trial"])].params["beta"]
        assert (float(row["val_accuracy"]), float(row["ais"])) == VALUES[int(row["trial"])]


@pytest.mark.parametrize(("rule", "number"), [(["--pick", "trial=2"], 2), (["--pick", "knee"], None), ([], None)])
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
    assert record.params.items() <= export.method.settings.items()


def test_without_a_file_what_was_picked_is_printed(searched: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["front", "mine", "--root", str(searched.root), "--pick", "trial=1"]
    assert main(command) == 0
    content = yaml.safe_load(capsys.readouterr().out)
    assert content["source"]["trial"] == 1
    assert main([*command, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == content


def test_a_study_without_a_complete_trial_has_no_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.study.toy import on_disk, toy_plan

    (tmp_path / "toy").mkdir()
    on_disk(toy_plan(tmp_path), tmp_path / "toy").ask()
    assert main(["front", "toy", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr() == ("", "toy: no trial has completed. Cure: vsam-tune search toy\n")
