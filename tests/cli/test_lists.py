"""`models` and `spaces`: every entry, for people and for programs."""

import csv
import io
import json

import pytest

from search_spaces.loader import default_space
from vsam_tune.cli.main import main
from vsam_tune.registry.data_and_models import MODELS
from vsam_tune.registry.methods import METHODS


def printed(capsys, *arguments):
    assert main([*arguments]) == 0
    return capsys.readouterr().out


def test_models_have_their_parameters_and_options(capsys):
    rows = {row["name"]: row for row in json.loads(printed(capsys, "models", "--format", "json"))}
    assert list(rows) == list(MODELS)
    assert rows["cnn"]["parameters"] == 19_242
    assert rows["resnet18"]["parameters"] == 11_173_962
    assert rows["resnet8"]["options"] == {"width": 16}
    assert [row["name"] for row in csv.DictReader(io.StringIO(printed(capsys, "models", "--format", "csv")))] == list(
        rows
    )
    head, *lines = printed(capsys, "models").splitlines()
    assert head.split() == ["name", "parameters", "options", "source"]
    assert [line.split()[0] for line in lines] == list(rows)


@pytest.mark.parametrize("methods", [[], ["vsam"], ["looksam", "sam"]])
def test_spaces_have_what_is_searched_and_what_can_be_switched_on(methods, capsys):
    rows = json.loads(printed(capsys, "spaces", *methods, "--format", "json"))
    expected = [
        (method, name, searched)
        for method in methods or METHODS
        for searched, dimensions in ((True, default_space(method).searched), (False, default_space(method).optional))
        for name in dimensions
    ]
    assert [(row["method"], row["parameter"], row["searched"]) for row in rows] == expected
    assert len(printed(capsys, "spaces", *methods, "--format", "csv").splitlines()) == len(rows) + 1


def test_the_space_of_vsam_is_the_missions(capsys):
    rows = json.loads(printed(capsys, "spaces", "vsam", "--format", "json"))
    searched = {row["parameter"]: row for row in rows if row["searched"]}
    assert set(searched) == {"beta", "kappa", "num_slices", "warmup_iterations"}
    assert all(row["low"] < row["high"] for row in searched.values())
