"""The front of another study as starting points: what fits, what is said, and what a restart needs."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.toy_study import X, on_disk, toy_plan, toy_study
from vsam_tune.errors import InputError
from vsam_tune.study.file.study_file import Study, read_study
from vsam_tune.study.search import search_plan
from vsam_tune.study.storage.warm_start import with_warm_start

KIND = {"type": "categorical", "choices": ["a", "b"]}
SPACE = {"x": X, "kind": KIND, "old": {"type": "int", "low": 1, "high": 9}}
FRONT = [{"x": -1.0, "kind": "a", "old": 1}, {"x": 0.25, "kind": "b", "old": 2}, {"x": 1.0, "kind": "a", "old": 3}]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a study of the name `other`, of whose four trials three are on the front."""
    folder = tmp_path / "runs"
    points = [*FRONT, {"x": 1.5, "kind": "b", "old": 4}]
    plan = replace(toy_plan(tmp_path, name="other", space=SPACE, initial=points))
    storage = on_disk(plan, folder / "other")
    for point in points:
        trial = storage.ask()
        assert trial.suggest_float("x", -1.5, 1.5) == point["x"]
        trial.suggest_categorical("kind", ["a", "b"])
        trial.suggest_int("old", 1, 9)
        storage.complete(trial, [(point["x"] - 1) ** 2, (point["x"] + 1) ** 2], {})
    return folder


def started(folder: Path, root: Path, **sections: Any) -> Study:
    return with_warm_start(toy_study(folder, **{"warm_start": "other", "space": SPACE, **sections}), root)


def test_the_front_is_tried_after_initial(tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    plan = search_plan(started(tmp_path, root, initial=[{"x": 0.5}]))
    assert list(plan.enqueued) == [{"x": 0.5}, *FRONT]
    assert not caplog.records
    storage = on_disk(plan, root / "toy")
    assert [storage.enqueued(storage.ask()) for _ in range(4)] == list(plan.enqueued)


def test_a_point_that_initial_has_too_is_tried_once(tmp_path: Path, root: Path) -> None:
    plan = search_plan(started(tmp_path, root, initial=FRONT[1:2]))
    assert list(plan.enqueued) == [FRONT[1], FRONT[0], FRONT[2]]


def test_what_does_not_fit_is_said_in_one_line_and_sampled(
    tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    space = {"x": {**X, "low": 0.0}, "kind": KIND, "new": {"type": "int", "low": 1, "high": 3}}
    plan = search_plan(started(tmp_path, root, space=space))
    assert list(plan.enqueued) == [{"kind": "a"}, {"x": 0.25, "kind": "b"}, {"x": 1.0, "kind": "a"}]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'toy.yaml'}: warm_start = other: not taken over: "
        "old (not searched here), x (of 1 trials, outside its range)"
    ]


def test_a_value_whose_condition_fails_here_is_left_out(tmp_path: Path, root: Path) -> None:
    space = {"kind": KIND, "old": {"type": "int", "low": 1, "high": 9, "when": {"kind": ["b"]}}}
    points = search_plan(started(tmp_path, root, space=space)).enqueued
    assert list(points) == [{"kind": "a"}, {"kind": "b", "old": 2}]  # the other one with a is the same point


def test_the_folder_of_a_study_does_too(tmp_path: Path, root: Path) -> None:
    plan = search_plan(started(tmp_path, tmp_path / "elsewhere", warm_start=str(root / "other")))
    assert list(plan.enqueued) == FRONT
    plan = search_plan(started(tmp_path, tmp_path / "elsewhere", warm_start="runs/other"))
    assert list(plan.enqueued) == FRONT


def test_a_restart_does_not_need_the_other_study(tmp_path: Path, root: Path) -> None:
    study = started(tmp_path, root)
    plan = search_plan(study)
    on_disk(plan, root / "toy")
    shutil.rmtree(root / "other")
    again = started(tmp_path, root)
    assert again.resolved() == study.resolved()
    assert read_study(study.resolved(), tmp_path / "toy.yaml") == study
    assert toy_study(tmp_path, warm_start="other", space=SPACE).differences(study.resolved()) == []
    assert toy_study(tmp_path, warm_start="third", space=SPACE).differences(study.resolved()) == ["warm_start.study"]
    assert toy_study(tmp_path, space=SPACE).differences(study.resolved()) == ["warm_start"]


@pytest.mark.parametrize(
    ("sections", "rule", "fix"),
    [
        ({"warm_start": "othr"}, "is no study under {root}, nor the folder of one", "write other"),
        ({"warm_start": "nothing"}, "is no study under {root}, nor the folder of one", "one of empty, other"),
        ({"warm_start": "empty"}, "has no complete, feasible trial", "name another study, or leave warm_start out"),
        (
            {"space": {"new": X}},
            "has no trial on its front with a value that a parameter of this study can take",
            "leave warm_start out, or search its space",
        ),
    ],
)
def test_what_has_no_points_is_refused(
    sections: dict[str, Any], rule: str, fix: str, tmp_path: Path, root: Path
) -> None:
    on_disk(toy_plan(tmp_path, name="empty"), root / "empty")
    with pytest.raises(InputError) as caught:
        started(tmp_path, root, **sections)
    value = sections.get("warm_start", "other")
    expected = f"{tmp_path / 'toy.yaml'}: warm_start = '{value}': {rule.format(root=root)}. Fix: {fix}."
    assert str(caught.value) == expected
