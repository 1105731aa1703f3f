"""Studies that differ in name and sampler seed alone are repeats."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.records import study
from tests.support.toy_study import toy_study
from vsam_tune.analysis.results import StudyResult
from vsam_tune.study.file.repeats import differences, group_repeats


def searched(folder: Path, name: str, **sections: object) -> StudyResult:
    return replace(study(), name=name, study=toy_study(folder, name=name, **sections).resolved())


def test_another_name_and_sampler_seed_make_a_repeat(tmp_path: Path) -> None:
    results = [searched(tmp_path, f"toy-{seed}", sampler={"kind": "random", "seed": seed}) for seed in (1, 2, 3)]
    assert group_repeats(results) == [results]


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"sampler": {"kind": "nsga2", "seed": 0}}, "sampler.kind"),
        ({"budget": {"trials": 5}}, "budget.trials"),
        ({"space": {"x": {"type": "float", "low": -1.0, "high": 1.5}}}, "space.x.low"),
        ({"task": {"epochs": 5}}, "task.epochs"),
    ],
)
def test_any_other_difference_makes_a_group_of_its_own(tmp_path: Path, sections: dict[str, object], key: str) -> None:
    first, other = searched(tmp_path, "a"), searched(tmp_path, "b", **sections)
    third = searched(tmp_path, "c", sampler={"kind": "random", "seed": 9})
    assert group_repeats([first, other, third]) == [[first, third], [other]]
    assert key in differences(other, first)
    assert differences(third, first) == []


def test_a_repeat_may_write_its_mlflow_records_elsewhere(tmp_path: Path) -> None:
    first, other = searched(tmp_path, "a"), searched(tmp_path, "b", tracking={"uri": "http://127.0.0.1:5000"})
    assert group_repeats([first, other]) == [[first, other]]
