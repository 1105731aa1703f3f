"""`benchmarks.replication`: its study files and its report of confirmations."""

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.replication import Group, groups, main, pooled, report, share, shrinkage, study_content
from vsam_tune.study.file.study_file import load_study


def row(trial, *, plain=True, replicates=True, on_front=True, moved=-0.5):
    shrinkages = {"val_accuracy": moved, "ais_vs_sam": None if moved is None else moved / 10}
    return {
        "trial": trial,
        "plain_front": plain,
        "replicates": replicates,
        "on_front": on_front,
        "shrinkage": None if trial is None else shrinkages,
    }


ROWS = [
    row(0),
    row(3, replicates=False, on_front=False, moved=-1.5),
    row(4, plain=False),
    row(5, plain=False, replicates=None, on_front=None, moved=None),
    row(None, plain=False, replicates=None),
]


def test_points_are_counted_by_kind_and_methods_are_none():
    front, possible = groups(ROWS)
    assert front == Group(size=2, judged=2, replicating=1, remaining=1)
    assert possible == Group(size=2, judged=1, replicating=1, remaining=1)
    assert pooled([front, possible, front]) == Group(size=6, judged=5, replicating=3, remaining=3)


def test_shrinkage_is_the_mean_over_the_plain_front():
    assert shrinkage(ROWS, "val_accuracy") == -1.0
    assert shrinkage(ROWS, "ais_vs_sam") == pytest.approx(-0.1)
    assert shrinkage(ROWS[2:], "val_accuracy") is None


@given(st.integers(1, 200), st.data())
def test_the_interval_is_that_of_wilson(number, data):
    successes = data.draw(st.integers(0, number))
    z, rate = 1.959963984540054, successes / number
    middle = (rate + z * z / (2 * number)) / (1 + z * z / number)
    half = z / (1 + z * z / number) * math.sqrt(rate * (1 - rate) / number + z * z / (4 * number**2))
    low, high = map(int, share(successes, number).partition("[")[2].rstrip("]").split(", "))
    assert abs(low - 100 * (middle - half)) <= 0.5 + 1e-6
    assert abs(high - 100 * (middle + half)) <= 0.5 + 1e-6


def test_the_tables_have_a_row_a_search_and_the_pooled_shares():
    text = " ".join(report({"a_0": ROWS, "a_1": ROWS[:1]}).split())
    assert "| a_0 | 2 | 1 of 2 | 1 of 2 | 2 | 1 of 1 | -1.000 | -0.100 |" in text
    assert "| a_1 | 1 | 1 of 1 | 1 of 1 | 0 | 0 of 0 | -0.500 | -0.050 |" in text
    assert "| the plain front | 1.5 | 0 | 2 of 3, 67 % [21, 94] | 2 of 3, 67 % [21, 94] |" in text
    assert "| possibly optimal | 1.0 | 1 | 1 of 1, 100 % [21, 100] |" in text
    assert "| both | 2.5 | 1 | 3 of 4" in text
    assert share(0, 0) == "none"


def test_searches_differ_by_their_seeds_alone(tmp_path):
    base = yaml.safe_load(Path("studies/quickstart.yaml").read_text(encoding="utf-8"))
    first, second = (study_content(base, number, trials=16) for number in (0, 1))
    assert (first["name"], second["name"]) == ("quickstart_0", "quickstart_1")
    assert (first["task"].pop("seed"), second["task"].pop("seed")) == (0, 1)
    assert (first["sampler"].pop("seed"), second["sampler"].pop("seed")) == (0, 1)
    assert {**first, "name": ""} == {**second, "name": ""}
    assert "baselines" not in first
    assert first["task"] == second["task"] == base["task"]
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(study_content(base, 3, trials=20, epochs=30)))
    study = load_study(file)
    assert [each.name for each in study.objectives] == ["val_accuracy", "ais_vs_sam"]
    assert (study.task.seed, study.sampler.seed, study.budget.trials, study.epochs) == (3, 3, 20, 30)


def test_each_search_is_confirmed_with_its_possible_points(tmp_path, monkeypatch, capsys):
    commands = []

    def search(*words):
        commands.append([str(word) for word in words])
        return ""

    def confirm(*words):
        commands.append([str(word) for word in words])
        return {"rows": ROWS}

    monkeypatch.setattr("benchmarks.replication.vsam_tune", search)
    monkeypatch.setattr("benchmarks.replication.vsam_tune_json", confirm)
    main(["--root", str(tmp_path), "--searches", "2", "--seeds", "3", "--workers", "1", "--data", "npz:some.npz"])
    assert [command[0] for command in commands] == ["search", "confirm"] * 2
    engine = ["--root", str(tmp_path), "--workers", "1"]
    scope = ["--include-possible", "--seeds", "3", "--timing-seconds", "60"]
    assert commands[3] == ["confirm", "quickstart_1", *scope, *engine]
    written = yaml.safe_load((tmp_path / "studies/quickstart_1.yaml").read_text())
    assert written["task"]["data"].startswith("npz:/")
    assert "| quickstart_1 | 2 | 1 of 2 | 1 of 2 | 2 | 1 of 1 |" in " ".join(capsys.readouterr().out.split())
