"""`KEY=VALUE` of the command line: read as YAML, put into the file's content, checked and named like it."""

from pathlib import Path
from typing import Any

import pytest

from vsam_tune.errors import InputError
from vsam_tune.study.file.overrides import override, read_overrides
from vsam_tune.study.file.study_file import load_export, load_study

STUDY = "name: mine\ntask: {epochs: 3}\nspace: {beta: {low: 0.1}}\nsampler: {kind: random}\n"


def write(folder: Path, text: str = STUDY) -> Path:
    file = folder / "a.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def lines(error: InputError) -> list[str]:
    return list(error.lines)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20", 20),
        ("1e-3", 1e-3),
        ("'1e-3'", "1e-3"),
        ("asha", "asha"),
        ("a=b", "a=b"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("''", ""),
        ("[ais, {name: cost, direction: minimize}]", ["ais", {"name": "cost", "direction": "minimize"}]),
        ("{low: 0.5}", {"low": 0.5}),
    ],
)  # fmt: skip
def test_a_value_is_read_as_in_a_file(text: str, value: object) -> None:
    assert read_overrides([f"a.b={text}"], {}) == {"a.b": value}


def test_settings_and_options_come_together() -> None:
    given = read_overrides(["task.epochs=2", "name=other"], {"budget.trials": 3})
    assert given == {"budget.trials": 3, "task.epochs": 2, "name": "other"}


@pytest.mark.parametrize("text", ["task.epochs", "=3", ".epochs=3", "task..epochs=3", "task.=3", "task epochs=3"])
def test_an_argument_that_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_overrides([text], {})
    rule = "must be a dotted key of the study file, =, and a value"
    assert lines(caught.value) == [f"command line: '{text}': {rule}. Fix: write KEY=VALUE, such as task.epochs=20."]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[1", "task.epochs = '[1': expected ',' or ']', but got '<stream end>'. Fix: correct the YAML there"),
        ("{a: 1, a: 2}", "the key a is already in line 1. Fix: remove one of the two"),
        ("010", "task.epochs = '010': 010 begins with 0, which is octal to some programs. Fix: write 10,"),
        ("!!python/name:os.system x", "which is not known here. Fix: remove the tag"),
        ("", "task.epochs = '': has no value. Fix: write null for no value"),
        ("# 3", "has no value"),
    ],
)
def test_a_value_that_is_no_yaml_is_refused(text: str, rule: str) -> None:
    with pytest.raises(InputError) as caught:
        read_overrides([f"task.epochs={text}"], {})
    (line,) = lines(caught.value)
    assert line.startswith("command line: task.epochs")
    assert rule in line


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (["task.epochs=1", "task.epochs=2"], "command line: task.epochs: is set twice. "),
        (["budget.trials=2"], "command line: budget.trials: is set twice. "),
        (["budget={trials: 2}"], "command line: budget: is set twice: budget.trials is set too. "),
        (["space={}", "space.beta=null"], "command line: space.beta: is set twice: space is set too. "),
    ],
)
def test_a_key_is_set_once(texts: list[str], line: str) -> None:
    with pytest.raises(InputError) as caught:
        read_overrides(texts, {"budget.trials": 3})
    assert lines(caught.value) == [f"{line}Fix: remove one of the two."]


def test_all_arguments_are_refused_at_once() -> None:
    with pytest.raises(InputError) as caught:
        read_overrides(["a", "b=[", "c="], {})
    assert len(lines(caught.value)) == 3


def test_a_key_makes_the_mappings_that_it_needs() -> None:
    content: dict[str, Any] = {"task": {"quantization": None}, "space": {"a.b": {"low": 1}}}
    override(content, {"task.quantization.weight_bits": 4, "space.a.b.high": 2, "space.c.low": 3, "name": "other"})
    assert content == {
        "task": {"quantization": {"weight_bits": 4}},
        "space": {"a.b": {"low": 1, "high": 2}, "c": {"low": 3}},
        "name": "other",
    }


def test_a_key_that_leads_into_a_value_is_refused_and_the_fix_works(tmp_path: Path) -> None:
    file = write(tmp_path, "name: a\nmethod: sam\ntask: {epochs: 3}\ninitial: [{rho: 0.1}]\n")
    with pytest.raises(InputError) as caught:
        load_study(file, {"method.rho": 0.1, "task.epochs.x": 3, "initial.0.rho": 2})
    assert lines(caught.value) == [
        'command line: method.rho: method is "sam", which has no keys. '
        "Fix: write 'method={name: sam, rho: 0.1}' instead.",
        "command line: task.epochs.x: task.epochs is 3, which has no keys. Fix: write task.epochs=VALUE instead.",
        "command line: initial.0.rho: initial is a list, which has no keys. Fix: write initial=VALUE instead.",
    ]  # fmt: skip
    fixed = load_study(
        file, read_overrides(["method={name: sam, rho: 0.1}", "space={rho: null, lr: true}", "initial=[]"], {})
    )
    assert fixed.fixed["rho"] == 0.1


def test_settings_are_part_of_the_definition(tmp_path: Path) -> None:
    texts = ["task.epochs=20", "trial_scheduler.kind=asha", "sampler.seed=3", "space.beta.high=2", "name=other"]
    study = load_study(write(tmp_path), read_overrides([*texts, "objectives=[val_accuracy, gradient_evaluations]"], {}))
    resolved = study.resolved()
    assert (resolved["name"], resolved["task"]["epochs"]) == ("other", 20)
    assert resolved["trial_scheduler"]["kind"] == "asha"
    assert resolved["sampler"] == {"kind": "random", "seed": 3}
    assert {"low": 0.1, "high": 2.0}.items() <= resolved["space"]["beta"].items()
    assert [each["name"] for each in resolved["objectives"]] == ["val_accuracy", "gradient_evaluations"]
    written = write(tmp_path, STUDY.replace("epochs: 3", "epochs: 20"))
    assert load_study(written) == load_study(write(tmp_path), {"task.epochs": 20})


def test_null_is_a_value(tmp_path: Path) -> None:
    study = load_study(write(tmp_path), {"budget.trials": None, "budget.epochs": 5, "space.kappa": None})
    assert (study.budget.trials, study.budget.epochs) == (None, 5)
    assert "kappa" not in study.space


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("sampler.seed", -1, "command line: sampler.seed = -1: must be >= 0. "),
        ("sampler", {"kind": "tpe", "seed": -1}, "command line: sampler.seed = -1: must be >= 0. "),
        ("initial", [{"beta": 7}], "command line: initial[0].beta = 7: is not in space.beta. "),
        ("trial_scheduler.kind", "ashaa", "command line: trial_scheduler.kind = 'ashaa': is not known. Fix: "),
        ("sampler.sed", 3, "command line: sampler.sed: is not known. Fix: write seed."),
        ("task.epoch", 3, "command line: task.epoch: is not known. Fix: write epochs."),
        ("tasks.epochs", 3, "command line: tasks: is not known. Fix: write task."),
        ("budget.trials", None, "command line: budget: must have a limit"),
        ("name", 2024, "command line: name = 2024: must be a folder's name"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_setting_names_the_command_line(
    key: str, value: object, named: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        load_study(write(tmp_path), {key: value})
    assert any(line.startswith(named) for line in lines(caught.value)), caught.value


def test_the_study_knows_which_values_come_from_the_command_line(tmp_path: Path) -> None:
    file = write(tmp_path)
    study = load_study(file, {"space.beta": {"low": 0.2}, "task.epochs": 5})
    assert {study.place(key) for key in ("space.beta.low", "space.beta", "space", "task.epochs")} == {"command line"}
    assert {study.place(key) for key in ("", "space.beta_2", "task.epochs_2", "name")} == {file}
    export = write(tmp_path, "method: sam\n")
    assert load_export(export, {"task.epochs": 5}).place("task.epochs") == "command line"


def test_paths_start_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "studies").mkdir()
    file = write(tmp_path / "studies")
    monkeypatch.chdir(tmp_path)
    texts = ["task.data=npz:x.npz", "task.initial_checkpoint=w.pt", "tracking.uri=sqlite:///m.db"]
    study = load_study(file, read_overrides(texts, {}))
    assert study.task.data == f"npz:{tmp_path / 'x.npz'}"
    assert study.task.initial_checkpoint == str(tmp_path / "w.pt")
    assert study.tracking.uri == f"sqlite:///{tmp_path / 'm.db'}"
    assert load_study(file, {"task": {"data": "npz:x.npz"}}).task.data == f"npz:{tmp_path / 'x.npz'}"
