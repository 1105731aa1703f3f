"""Bounds on metrics: what breaks them, by how much, and which cannot be meant."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.toy_study import toy_study
from vsam_tune.errors import InputError
from vsam_tune.study.file.feasibility import Constraint
from vsam_tune.study.file.study_file import load_study

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(low=st.none() | FINITE, high=st.none() | FINITE, value=FINITE)
def test_a_violation_and_its_reason_are_there_just_where_a_bound_is_broken(
    low: float | None, high: float | None, value: float
) -> None:
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        return
    constraint = Constraint(metric="m", min=low, max=high)
    broken = (low is not None and value < low) or (high is not None and value > high)
    violation = constraint.violation({"m": value})
    assert 0 <= violation <= 1
    assert math.isfinite(violation)
    assert bool(constraint.reason({"m": value})) == broken
    if not broken:
        assert violation == 0


def test_a_violation_is_the_distance_without_a_unit() -> None:
    assert Constraint(metric="m", min=80.0).violation({"m": 60.0}) == 20 / 100
    assert Constraint(metric="m", max=600.0).violation({"m": 1200.0}) == 0.5
    assert Constraint(metric="m", max=0.0).violation({"m": 1.0}) == 0.5
    assert Constraint(metric="m", min=80.0).violation({}) == 1.0


def test_the_reason_has_the_numbers() -> None:
    both = Constraint(metric="m", min=1.0, max=2.0)
    assert both.reason({"m": 0.5}) == "m 0.5 < 1"
    assert both.reason({"m": 2.5}) == "m 2.5 > 2"
    assert both.reason({"n": 2.5}) == "no m was reported"


@pytest.mark.parametrize(
    ("constraints", "problem"),
    [
        (
            [{"metric": "val_accuracy"}],
            "constraints[0]: must have a bound. Fix: write {metric: val_accuracy, min: NUMBER}, or max.",
        ),
        (
            [{"metric": "val_accuracy", "min": 2, "max": 1}],
            "constraints[0].min = 2: must be <= max, 1. Fix: swap the two.",
        ),
        (
            [{"metric": "val_acuracy", "min": 2}],
            "constraints[0].metric = 'val_acuracy': is reported by no trial. Fix: write val_accuracy.",
        ),
        (
            [{"metric": "ais", "min": 2}, {"metric": "ais", "max": 3}],
            "constraints[1].metric = 'ais': is listed twice. "
            "Fix: write both bounds in one entry: {metric: NAME, min: A, max: B}.",
        ),
        ([{"min": 2}], "constraints[0].metric: is missing. Fix: write {metric: val_accuracy, min: 80}."),
    ],
)
def test_what_cannot_be_meant_is_refused(constraints: list[Any], problem: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump({"name": "a", "constraints": constraints}))
    with pytest.raises(InputError) as caught:
        load_study(file)
    assert str(caught.value) == f"{file}: {problem}"


def test_a_test_metric_is_reported_by_no_trial_of_a_search(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("name: a\nconstraints: [{metric: test_accuracy, min: 80}]\n")
    with pytest.raises(InputError, match="is reported by no trial"):
        load_study(file)


def test_a_custom_trainable_may_report_anything(tmp_path: Path) -> None:
    study = toy_study(tmp_path, constraints=[{"metric": "watts", "max": 20}])
    assert study.constraints == (Constraint(metric="watts", max=20.0),)
    assert study.resolved()["constraints"] == [{"metric": "watts", "min": None, "max": 20.0}]


def test_a_study_older_than_constraints_has_none(tmp_path: Path) -> None:
    study = toy_study(tmp_path)
    former = study.resolved()
    del former["constraints"]
    assert study.differences(former) == []
    assert toy_study(tmp_path, constraints=[{"metric": "loss", "max": 1}]).differences(former) == ["constraints"]
