"""Data, model and method of the user's own in a study file: `module:name`, whose form alone is checked here."""

import subprocess
import sys
from pathlib import Path

import pytest

from vsam_tune.study.baselines import wanted_rows
from vsam_tune.study.execution.preflight import preflight
from vsam_tune.study.file.study_file import Study, load_export, load_study
from vsam_tune.study.search import search_plan

STUDY = """\
name: a
task: {data: mine:read, model: {name: mine:build, width: 3, kinds: [a, b]}}
method: {name: mine:Method, depth: 2}
space: {share: {type: float, low: 0.25, high: 1.0}}
"""
TESTED = """\
name: a
task:
  data: tests.support.custom_extensions:stripes
  model: {name: tests.support.custom_extensions:tiny, width: 2}
method: tests.support.custom_extensions:Timid
"""


def study_of(folder: Path, text: str) -> Study:
    file = folder / "a.yaml"
    file.write_text(text, encoding="utf-8")
    return load_study(file)


def test_what_is_named_is_handed_over_as_it_is(tmp_path: Path) -> None:
    settings = study_of(tmp_path, STUDY).settings({"share": 0.5})
    assert settings["task"]["data"] == "mine:read"
    assert settings["task"]["validation_fraction"] == 0.2
    assert settings["task"]["model"] == {"name": "mine:build", "width": 3, "kinds": ["a", "b"]}
    assert settings["method"] == {"name": "mine:Method", "depth": 2, "share": 0.5}


def test_nothing_of_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "a.yaml").write_text(STUDY)
    program = (
        "from pathlib import Path; from vsam_tune.study.file.study_file import load_study; load_study(Path('a.yaml'))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


@pytest.mark.parametrize("data", ["npz:read", "folder:read"])
def test_a_scheme_that_is_known_wins(data: str, tmp_path: Path) -> None:
    scheme = data.partition(":")[0]
    assert study_of(tmp_path, f"name: a\ntask: {{data: {data}}}\n").task.data == f"{scheme}:{tmp_path / 'read'}"


def test_the_command_line_may_name_a_reader(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\n")
    assert load_study(tmp_path / "a.yaml", {"task.data": "mine:read"}).task.data == "mine:read"


def test_an_export_of_it_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "best.yaml"
    file.write_text("task: {data: mine:read, model: mine:build}\nmethod: {name: mine:Method, share: 0.5}\n")
    export = load_export(file)
    assert export.fixed["share"] == 0.5
    assert export.task.model == {"name": "mine:build"}


def test_the_base_optimizer_may_be_searched_as_ever(tmp_path: Path) -> None:
    study = study_of(tmp_path, STUDY.replace("space: {", "space: {lr: true, "))
    assert list(study.space) == ["lr", "share"]
    assert study.initial == ({"lr": 0.05},)


def test_rows_of_baselines_may_be_custom_methods(tmp_path: Path) -> None:
    rows = "baselines: {methods: [sgd, mine:Method, {name: mine:Other, label: other, kind: x}]}\n"
    study = study_of(tmp_path, STUDY + rows)
    labels = [(row.label, row.method.settings) for row in wanted_rows(study, root=tmp_path)][1:]
    assert labels == [("mine:Method", {"depth": 2}), ("other", {"kind": "x"})]
    (named,) = wanted_rows(study, root=tmp_path, methods=["mine:Third"])
    assert (named.label, named.method.name) == ("mine:Third", "mine:Third")


def test_a_trial_is_built_in_another_process_with_a_value_for_what_has_no_default(tmp_path: Path) -> None:
    study = study_of(tmp_path, f"{TESTED}space: {{share: {{type: float, low: 0.25, high: 1}}}}\n")
    assert study.initial == ()
    facts = preflight(search_plan(study), time_iterations=False)
    assert (facts["train_images"], facts["parameters"]) == (192, 407)


@pytest.mark.parametrize(
    ("space", "initial", "expected"),
    [
        ("share: {type: float, low: 0.25, high: 1}", "[]", {"share": 0.25}),
        ("share: {type: float, low: 0.25, high: 1}", "[{share: 0.5}]", {"share": 0.5}),
        ("share: {type: categorical, choices: [0.5, 0.25]}", "[]", {"share": 0.5}),
        ("share: {type: float, low: 0.25, high: 1}, lr: true", "[{lr: 0.1}]", {"lr": 0.1, "share": 0.25}),
        (
            "share: {type: float, low: 0, high: 1, when: {lr: [0.02]}}, lr: true",
            "[{lr: 0.02}]",
            {"lr": 0.02, "share": 0},
        ),
        ("share: {type: float, low: 0, high: 1, when: {lr: [0.02]}}, lr: true", "[{lr: 0.1}]", {"lr": 0.1}),
    ],
)
def test_what_is_asked_first(
    space: str, initial: str, expected: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vsam_tune.study.execution import preflight

    study = study_of(tmp_path, f"{TESTED}space: {{{space}}}\ninitial: {initial}\n")
    asked = []

    class Pool:
        def __init__(self, *_: object, **__: object) -> None: ...
        def __enter__(self) -> "Pool":
            return self

        def __exit__(self, *_: object) -> None: ...
        def submit(self, _: object, __: str, config: dict[str, object], ___: bool) -> "Pool":
            asked.append(config["params"])
            return self

        def result(self) -> dict[str, float]:
            return {}

    monkeypatch.setattr(preflight, "child_process", Pool)
    preflight.preflight(search_plan(study), time_iterations=False)
    assert asked == [expected]
