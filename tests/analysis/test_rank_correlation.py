"""Kendall's tau, and that of the rungs of a study."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.records import EMPTY, study, trial
from vsam_tune.analysis.rank_correlation import kendall_tau
from vsam_tune.analysis.rung_correlation import rung_correlations


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ([1, 2, 3], [10, 20, 30], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        ([1, 2, 3, 4], [1, 3, 2, 4], 4 / 6),  # five pairs of the same order, one of the other
        ([1, 1, 2], [1, 2, 3], 2 / 6**0.5),  # tau-b: two pairs that agree, one tie in the first of three pairs
        ([], [], None),
        ([1], [1], None),
        ([1, 1], [1, 2], None),
        ([1, 2], [1, 1], None),
    ],
)
def test_kendall_tau(first, second, tau):
    assert kendall_tau(first, second) == (tau if tau is None else pytest.approx(tau))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=9))
def test_kendall_tau_counts_pairs(values):
    first, second = [a for a, _ in values], [b for _, b in values]
    pairs = [(i, j) for i in range(len(values)) for j in range(i)]
    agreeing = sum((first[i] - first[j]) * (second[i] - second[j]) > 0 for i, j in pairs)
    opposing = sum((first[i] - first[j]) * (second[i] - second[j]) < 0 for i, j in pairs)
    untied = [sum(row[i] != row[j] for i, j in pairs) for row in (first, second)]
    tau = kendall_tau(first, second)
    if tau is None:
        assert 0 in untied
    else:
        assert tau == pytest.approx((agreeing - opposing) / (untied[0] * untied[1]) ** 0.5)


# ---- rungs


def with_rungs(number, *values, rungs, **fields):
    named = {
        epoch: dict(zip(("val_accuracy", "ais"), row, strict=False)) | {"time": 0.0} for epoch, row in rungs.items()
    }
    return trial(number, *values, rungs=named, **fields)


def test_each_rung_is_compared_with_the_end_for_each_objective():
    result = study(
        with_rungs(0, 90.0, 1000.0, rungs={1: (30.0, 1000.0), 3: (50.0, 900.0)}),
        with_rungs(1, 91.0, 1100.0, rungs={1: (20.0, 1100.0), 3: (60.0, 1000.0)}),
        with_rungs(2, 92.0, 1200.0, rungs={1: (10.0, 1200.0), 3: (70.0, 950.0)}),
    )
    assert rung_correlations(result) == [
        {
            "epoch": 1,
            "tau": {"val_accuracy": -1.0, "ais": pytest.approx(1.0)},
            "trials": {"val_accuracy": 3, "ais": 3},
        },
        {
            "epoch": 3,
            "tau": {"val_accuracy": pytest.approx(1.0), "ais": pytest.approx(1 / 3)},
            "trials": {"val_accuracy": 3, "ais": 3},
        },
    ]


def test_only_trials_with_both_values_count():
    result = study(
        with_rungs(0, 90.0, 1000.0, rungs={1: (30.0, 1000.0)}),
        with_rungs(1, 91.0, 1100.0, rungs={1: (float("nan"), 1100.0)}),  # a value that is no number
        with_rungs(2, 92.0, 1200.0, rungs={1: (10.0,)}),  # no speed at the rung
        with_rungs(3, rungs={1: (99.0, 9000.0)}, state="pruned"),
        with_rungs(4, 10.0, 10.0, rungs={1: (99.0, 9000.0)}, feasible=False),
        with_rungs(5, rungs={1: (5.0, 1.0), 3: (6.0, 1.0)}, state="running"),
        trial(6, 50.0, 50.0),  # it skipped the rung
    )
    first, third = rung_correlations(result)
    assert first == {
        "epoch": 1,
        "tau": {"val_accuracy": -1.0, "ais": pytest.approx(1.0)},
        "trials": {"val_accuracy": 2, "ais": 2},
    }
    assert third == {"epoch": 3, "tau": {"val_accuracy": None, "ais": None}, "trials": {"val_accuracy": 0, "ais": 0}}


def test_without_rungs_there_are_none():
    assert rung_correlations(EMPTY) == rung_correlations(study(trial(0, 90.0, 1000.0))) == []
