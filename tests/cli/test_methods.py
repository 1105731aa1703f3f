import csv
import dataclasses
import io
import json

import pytest

from vsam_tune.cli.main import main
from vsam_tune.registry.methods import METHODS, Method


def test_json_is_a_list_of_methods_with_fixed_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    keys = ["name", *(field.name for field in dataclasses.fields(Method))]
    assert [list(each) for each in printed] == [keys] * len(METHODS)
    assert {"gradient_evaluations", "forward_passes", "cost", "memory", "source", "choices", "fixed"} < set(keys)
    assert [each["name"] for each in printed] == list(METHODS)
    for each in printed:
        method = METHODS[each["name"]]
        for key in set(keys) - {"name", "hyperparameters"}:
            assert each[key] == getattr(method, key)
        assert list(each["hyperparameters"]) == list(method.hyperparameters)
        for name, setting in each["hyperparameters"].items():
            named = ["default", "meaning", "low", "high", "positive", "choices", "source", "iterations", "fraction"]
            assert list(setting) == named
            assert setting["default"] == method.hyperparameters[name].default


def test_a_table_and_csv_have_a_line_a_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    first, second, *lines = capsys.readouterr().out.splitlines()  # long titles take two lines
    assert first.split() == ["gradient_", "forward_"]
    assert second.split()[:3] == ["name", "evaluations", "passes"]
    assert [line.split()[0] for line in lines] == list(METHODS)
    assert "ema_decay=0.9995" in lines[list(METHODS).index("mesa")]
    assert main(["methods", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["name"] for row in rows] == list(METHODS)
    assert json.loads(rows[list(METHODS).index("sam")]["hyperparameters"]) == {"rho": 0.05}
