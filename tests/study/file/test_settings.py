import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces.schema import Dimension
from vsam_tune.errors import InputError
from vsam_tune.registry.methods import METHODS
from vsam_tune.study.file.study_file import Study, export, load_export, load_study

SPACES = {
    "vsam": "method: vsam\nspace: {reuse: true, lr: true, rho: true}\n",
    "vsam_a": "method: {name: vsam_a, interval: 20}\nspace: {momentum: true}\n",
    "sgd": "method: sgd\nbase_optimizer: {name: sgd, nesterov: true}\n",
    "sam_10": "method: sam_10\n",
    "adamw": "method: periodic_sam\nbase_optimizer: adamw\nspace: {lr: true, period: null}\n",
    "fixed kappa": "method: {name: vsam, kappa: 0.9}\nspace: {kappa: null, reuse: true}\n",
    "own method": "method: {name: a:B, depth: 3}\nspace: {lr: true, x: {type: int, low: 1, high: 9}}\n",
    "custom class without a method": "trainable: a:B\nspace: {x: {type: int, low: 1, high: 9}}\n",
    "custom class": "trainable: a:B\nmethod: {name: t, depth: 3}\nspace: {x: {type: categorical, choices: [1, a]}}\n",
}


def study_of(folder: Path, text: str) -> Study:
    file = folder / "a.yaml"
    file.write_text(f"name: a\n{text}", encoding="utf-8")
    return load_study(file)


def values(dimension: Dimension) -> st.SearchStrategy[object]:
    match dimension.type:
        case "float":
            return st.floats(dimension.low, dimension.high)
        case "int":
            return st.integers(dimension.low, dimension.high)
        case "categorical":
            return st.sampled_from(dimension.choices)


@st.composite
def drawn(draw: st.DrawFn, study: Study) -> dict[str, object]:
    params: dict[str, object] = {}
    for name, dimension in study.space.items():
        if dimension.applies({**study.values, **params}):
            params[name] = draw(values(dimension))
    return params


@pytest.mark.parametrize("text", SPACES.values(), ids=SPACES)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_export_trains_as_its_trial_did(text: str, data: st.DataObject, tmp_path: Path) -> None:
    study = study_of(tmp_path, text)
    params = data.draw(drawn(study))
    content = export(study, 17, params, {"ais": 10.5})
    file = tmp_path / "best.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    read = load_export(file)
    assert read.settings() == study.settings(params)
    assert read.resolved() == content
    assert (read.source.study, read.source.trial, read.source.params) == ("a", 17, params)


def test_settings_are_defaults_then_the_file_then_what_was_searched(tmp_path: Path) -> None:
    study = study_of(tmp_path, "method: {name: vsam, rho: 0.4}\nspace: {lr: true}\n")
    trial = study.settings({"beta": 0.2, "lr": 0.1})
    assert trial["method"] == {
        "name": "vsam",
        **{name: known.default for name, known in METHODS["vsam"].hyperparameters.items()},
        "warmup_iterations": {"fraction": 0.015},
        "rho": 0.4,
        "beta": 0.2,
    }
    assert trial["base_optimizer"] == {
        "optimizer": "torch.optim:SGD",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.001,
        "nesterov": False,
    }
    assert trial["trainable"] == "trainables.classification:Classification"
    assert trial["task"]["model"] == {"name": "cnn", "width": 32}


@pytest.mark.parametrize("text", SPACES.values(), ids=SPACES)
def test_settings_are_json(text: str, tmp_path: Path) -> None:
    trial = study_of(tmp_path, text).settings()
    assert json.loads(json.dumps(trial, allow_nan=False)) == trial


@pytest.mark.parametrize("method", METHODS)
def test_settings_hold_every_argument_of_the_method(method: str, tmp_path: Path) -> None:
    trial = study_of(tmp_path, f"method: {method}\n").settings()
    entry = METHODS[method]
    assert set(trial["method"]) == {"name", *entry.hyperparameters, *entry.fixed}
    assert {name: trial["method"][name] for name in entry.fixed} == entry.fixed


def test_trials_that_train_alike_have_the_same_settings(tmp_path: Path) -> None:
    study = study_of(tmp_path, SPACES["fixed kappa"])
    assert study.settings({"reuse": "geometric"})["method"]["kappa"] == 0.9
    assert study.settings({"reuse": "none"})["method"]["kappa"] == METHODS["vsam"].hyperparameters["kappa"].default


def test_a_warm_up_in_epochs_is_left_to_the_trial(tmp_path: Path) -> None:
    text = "method: {name: vsam, warmup_iterations: {epochs: 1.5}}\nspace: {warmup_iterations: null}\n"
    assert study_of(tmp_path, text).settings()["method"]["warmup_iterations"] == {"epochs": 1.5}


def test_a_custom_trainable_needs_no_method(tmp_path: Path) -> None:
    study = study_of(tmp_path, "trainable: a:B\nmethod: {depth: 3}\nspace: {x: {type: int, low: 1, high: 9}}\n")
    assert study.settings({"x": 2})["method"] == {"name": "custom", "depth": 3, "x": 2}


def test_a_custom_trainable_gets_unknown_names(tmp_path: Path) -> None:
    text = "trainable: a:B\ntask: {data: mine, options: {size: 3}}\nmethod: {name: toy, depth: [1, 2]}\n"
    study = study_of(tmp_path, f"{text}space: {{x: {{type: float, low: 0, high: 1}}}}\n")
    trial = study.settings({"x": 0.5})
    assert trial["method"] == {"name": "toy", "depth": [1, 2], "x": 0.5}
    assert (trial["task"]["data"], trial["task"]["options"]) == ("mine", {"size": 3})
    assert list(study.space) == ["x"]


def test_a_custom_trainable_can_have_a_known_method(tmp_path: Path) -> None:
    study = study_of(tmp_path, "trainable: a:B\nmethod: {name: sam, extra: 1}\n")
    assert list(study.space) == ["rho"]
    assert study.settings()["method"] == {"name": "sam", "rho": 0.05, "extra": 1}


@pytest.mark.parametrize("value", [".nan", "-.inf", "[1, .nan]"])
def test_custom_settings_are_plain_json(value: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"method\.depth.*must be plain JSON"):
        study_of(tmp_path, f"trainable: a:B\nmethod: {{name: toy, depth: {value}}}\nspace: {{lr: true}}\n")
    with pytest.raises(InputError, match=r"task\.options.*must be"):
        study_of(tmp_path, f"trainable: a:B\nmethod: toy\ntask: {{options: {{a: {value}}}}}\nspace: {{lr: true}}\n")


@pytest.mark.parametrize("text", ["method: sgd\n", "task: {epochs: 3}\nmethod: {name: sam, rho: 0.2}\n"])
def test_a_few_lines_by_hand_are_an_export(text: str, tmp_path: Path) -> None:
    file = tmp_path / "sam.yaml"
    file.write_text(text, encoding="utf-8")
    read = load_export(file)
    assert read.source.trial is None
    assert "source" not in read.resolved()
    file.write_text(yaml.safe_dump(read.resolved()), encoding="utf-8")
    assert load_export(file) == read


def test_the_command_line_overrides_an_export_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "sam.yaml"
    file.write_text("method: sam\n", encoding="utf-8")
    assert load_export(file, {"task.data": "npz:x.npz"}).task.data == f"npz:{tmp_path / 'x.npz'}"
