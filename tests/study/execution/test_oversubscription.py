"""Warnings of trials that share cores, and of others on them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsam_tune.study.execution import oversubscription as module
from vsam_tune.study.execution.oversubscription import (
    DISTURBING_CORES,
    neighbours,
    oversubscription,
    oversubscription_warnings,
    shared_cores,
)
from vsam_tune.study.file.sections import Resources


@pytest.mark.parametrize(
    ("cpus", "workers", "usable", "offered", "shown", "fix"),
    [
        (1.0, 5, 4, 4, "workers = 5: x 1 cores a trial, and 4 are there", "--workers 4"),
        (2.0, 3, 4, 4, "workers = 3: x 2 cores a trial, and 4 are there", "--workers 2"),
        (0.5, 5, 4, 4, "workers = 5: x 1 cores a trial, and 4 are there", "--workers 4"),
        (0.5, None, 4, 4, "workers = 8: x 1 cores a trial, and 4 are there", "--workers 4"),
        (1.0, None, 1.5, 64, "workers = 64: x 1 cores a trial, and 1.5 are there", "--workers 1"),
        (8.0, 1, 4, 4, "workers = 1: x 8 cores a trial, and 4 are there", "resources: {cpus: 4}"),
        (8.0, None, 4, 4, "workers = 1: x 8 cores a trial, and 4 are there", "resources: {cpus: 4}"),
        (1.0, 1, 0.5, 1, "workers = 1: x 1 cores a trial, and 0.5 are there", "resources: {cpus: 1}"),
    ],
)
def test_trials_that_want_more_cores_than_there_are(
    cpus: float, workers: int | None, usable: float, offered: int, shown: str, fix: str
) -> None:
    line = oversubscription(Resources(cpus=cpus), workers, usable=usable, offered=offered)
    assert line == f"search: {shown}: trials disturb each other's AIS. Fix: {fix}."


@given(st.integers(1, 64), st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 4.0]), st.floats(0.5, 64))
def test_no_line_exactly_where_each_trial_has_its_cores(workers: int, cpus: float, usable: float) -> None:
    line = oversubscription(Resources(cpus=cpus), workers, usable=usable, offered=1)
    assert (line == "") == (workers * max(1.0, cpus) <= usable)


def test_as_many_trials_as_fit_are_no_oversubscription() -> None:
    assert oversubscription(Resources(), None, usable=4, offered=4) == ""
    assert oversubscription(Resources(cpus=2.0), None, usable=5, offered=5) == ""


def test_a_device_limits_the_trials_that_need_one() -> None:
    assert oversubscription(Resources(gpus=1.0), None, usable=4, offered=64) == ""
    assert oversubscription(Resources(gpus=1.0), 5, usable=4, offered=64) != ""


def test_a_part_of_a_core_is_shared_with_others() -> None:
    line = shared_cores(Resources(cpus=0.5))
    rule = "several trials on one core disturb each other's AIS"
    assert line == f"search: resources.cpus = 0.5: {rule}. Fix: write 1."
    assert shared_cores(Resources()) == ""


def test_neighbours_are_reported_above_half_a_core() -> None:
    assert neighbours(DISTURBING_CORES) == ""
    fix = "wait, or compare by ais_vs_sam, which is paired"
    assert neighbours(1.26) == f"search: others use 1.3 cores now: AIS will be disturbed. Fix: {fix}."


def test_on_this_machine_both_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "contention_within", lambda seconds: {"others_cores": 10 * seconds})
    crowded, disturbed = oversubscription_warnings(Resources(), workers=100_000, address=None)
    assert "workers = 100000" in crowded
    assert "others use 3.0 cores now" in disturbed


def test_of_a_cluster_only_the_trial_s_share_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "contention_within", lambda _: pytest.fail("its nodes cannot be looked at"))
    assert oversubscription_warnings(Resources(), workers=100_000, address="10.0.0.1:6379") == []
    assert len(oversubscription_warnings(Resources(cpus=0.5), workers=1, address="10.0.0.1:6379")) == 1
