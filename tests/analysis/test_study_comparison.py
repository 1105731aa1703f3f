"""Several studies from one reference point: literal hypervolumes, groups of repeats, intervals."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.support.fake_study import BEGIN
from tests.support.records import ACCURACY, AIS, EVALUATIONS, study, trial
from vsam_tune.analysis.study_comparison import compare_studies


def named(name, *values, seed=None, objectives=(ACCURACY, AIS), pruned_epochs=0, epochs=10):
    trials = [
        trial(n, *each, objectives=objectives, started=BEGIN, seconds=360.0 * (n + 1), epochs=epochs)
        for n, each in enumerate(values)
    ]
    if pruned_epochs:
        trials.append(trial(len(trials), state="pruned", started=BEGIN, seconds=9000.0, epochs=pruned_epochs))
    result = study(*trials, objectives=objectives)
    return replace(result, name=name, study={"name": name, "sampler": {} if seed is None else {"seed": seed}})


def compared(*groups):
    return compare_studies(groups, [[] for _ in groups])


def test_all_hypervolumes_have_the_reference_point_of_all_trials():
    a, b = named("a", (90.0, 1000.0), (100.0, 500.0)), named("b", (80.0, 1500.0), pruned_epochs=3)
    found = compared([a], [b])
    # val_accuracy 80 to 100, ais 500 to 1500; 10 % of the range below the worst.
    assert found["reference_point"] == {"val_accuracy": 78.0, "ais": 400.0}
    assert found["objectives"] == [
        {"name": "val_accuracy", "direction": "maximize"},
        {"name": "ais", "direction": "maximize"},
    ]
    assert found["equal_epochs"] == 13
    assert found["studies"] == [
        {
            "study": "a",
            "group": "a",
            "seed": None,
            "complete": 2,
            "front": 2,
            "epochs": 20,
            "hours": pytest.approx(0.3),
            "hypervolume": pytest.approx(12 * 600 + 10 * 100),
            "hypervolume_at_equal_epochs": pytest.approx(12 * 600),  # trial 1 ends after 20 epochs
        },
        {
            "study": "b",
            "group": "b",
            "seed": None,
            "complete": 1,
            "front": 1,
            "epochs": 13,
            "hours": pytest.approx(2.6),
            "hypervolume": pytest.approx(2 * 1100),
            "hypervolume_at_equal_epochs": pytest.approx(2 * 1100),
        },
    ]


def test_an_objective_to_be_minimized_has_its_reference_point_above():
    objectives = (ACCURACY, EVALUATIONS)
    found = compared(
        [named("a", (90.0, 1.0), objectives=objectives)], [named("b", (100.0, 2.0), objectives=objectives)]
    )
    assert found["reference_point"] == pytest.approx({"val_accuracy": 89.0, "gradient_evaluations": 2.1})
    assert [each["hypervolume"] for each in found["studies"]] == pytest.approx([1.1, 1.1])
    assert found["groups"][0]["attainment"]["worst"] == [{"val_accuracy": 90.0, "gradient_evaluations": 1.0}]


ONE = (ACCURACY,)  # the hypervolume is the best value less that of the reference point


def one(name, value, seed=None, **fields):
    return named(name, (value,), (10.0,), seed=seed, objectives=ONE, **fields)


def test_repeats_have_a_mean_with_its_t_interval():
    found = compared([one("a", 20.0), one("b", 21.0), one("c", 22.0)], [one("d", 24.0)])
    # the reference point is 10 - 0.1 * 14 = 8.6; the standard error of the mean of 20, 21, 22 is 1 / sqrt(3)
    half = 4.302652729696142 / 3**0.5
    first, second = found["groups"]
    assert (first["group"], first["studies"], first["hypervolume"]) == ("a", ["a", "b", "c"], pytest.approx(12.4))
    assert first["interval"] == pytest.approx((12.4 - half, 12.4 + half))
    assert (second["hypervolume"], second["interval"]) == (pytest.approx(15.4), None)
    assert [each["group"] for each in found["studies"]] == ["a", "a", "a", "d"]
    assert first["attainment"] == {
        "best": [{"val_accuracy": 22.0}],
        "median": [{"val_accuracy": 21.0}],
        "worst": [{"val_accuracy": 20.0}],
    }
    assert found["differences"] == [
        {
            "group": "d",
            "less": "a",
            "paired": False,
            "hypervolume": pytest.approx(3.0),
            "interval": None,
            "hypervolume_at_equal_epochs": pytest.approx(3.0),
            "interval_at_equal_epochs": None,
        }
    ]


def test_groups_with_the_same_seeds_are_compared_pair_by_pair():
    ours = [one("a", 20.0, 1), one("b", 30.0, 2), one("c", 40.0, 3)]
    theirs = [one("f", 43.0, 3), one("d", 21.0, 1), one("e", 32.0, 2)]
    (difference,) = compared(ours, theirs)["differences"]
    half = 4.302652729696142 / 3**0.5  # of 1, 2, 3
    assert (difference["paired"], difference["hypervolume"]) == (True, pytest.approx(2.0))
    assert difference["interval"] == pytest.approx((2 - half, 2 + half))


@pytest.mark.parametrize("seeds", [(1, 2, 4), (1, 1, 2), (1, 2, None)])
def test_groups_with_other_seeds_have_welchs_interval(seeds):
    ours = [one(name, value, seed) for name, value, seed in zip("abc", (20.0, 30.0, 40.0), (1, 2, 3), strict=True)]
    theirs = [one(name, value, seed) for name, value, seed in zip("def", (21.0, 32.0, 43.0), seeds, strict=True)]
    (difference,) = compared(ours, theirs)["differences"]
    assert difference["paired"] is False
    # variances 100 and 121 of three each: error sqrt(221 / 3), degrees of freedom 221**2 / (100**2 / 2 + 121**2 / 2)
    half = stats.t.ppf(0.975, 221**2 / (5000 + 121**2 / 2)) * (221 / 3) ** 0.5
    assert difference["interval"] == pytest.approx((2 - half, 2 + half))


def test_repeats_without_any_spread_have_no_interval():
    found = compared([one("a", 20.0), one("b", 20.0)], [one("c", 21.0), one("d", 21.0)])
    assert [each["interval"] for each in found["groups"]] == [None, None]
    assert found["differences"][0]["interval"] is None


def test_equal_epochs_are_those_of_the_study_with_the_fewest():
    found = compared([one("a", 20.0, epochs=7)], [one("b", 20.0, epochs=3)])
    assert found["equal_epochs"] == 6
    assert [each["hypervolume_at_equal_epochs"] for each in found["studies"]] == pytest.approx([0.0, 11.0])


def test_three_groups_have_three_differences_and_keys_that_differ():
    groups = [[one("a", 20.0)], [one("b", 21.0)], [one("c", 22.0)]]
    found = compare_studies(groups, [[], ["sampler.kind"], ["budget.trials"]])
    pairs = [("b", "a"), ("c", "a"), ("c", "b")]
    assert [(each["group"], each["less"]) for each in found["differences"]] == pairs
    assert [group["differs"] for group in found["groups"]] == [[], ["sampler.kind"], ["budget.trials"]]


def test_a_given_reference_point_replaces_the_pooled_one():
    a, b = named("a", (90.0, 1000.0)), named("b", (80.0, 1500.0))
    found = compare_studies([[a], [b]], [[], []], {"val_accuracy": 85.0, "ais": 900.0})
    assert found["reference_point"] == {"val_accuracy": 85.0, "ais": 900.0}
    assert [each["hypervolume"] for each in found["studies"]] == [500.0, 0.0]


@pytest.mark.parametrize(("worst", "closer"), [(-1e9, {"val_accuracy": 89.0, "ais": 450.0}), (80.0, None)])
def test_a_closer_reference_point_is_that_of_the_fronts(worst, closer):
    a, b = named("a", (90.0, 1000.0), (worst, 900.0)), named("b", (100.0, 500.0))
    assert compared([a], [b])["closer_reference_point"] == (closer and pytest.approx(closer))


VALUES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=5)


@given(st.lists(VALUES, min_size=2, max_size=4))
def test_a_study_that_has_all_trials_of_another_has_at_least_its_hypervolume(values):
    parts = [named(str(number), *each) for number, each in enumerate(values)]
    whole = named("whole", *(pair for each in values for pair in each))
    *volumes, most = [row["hypervolume"] for row in compared(*([each] for each in (*parts, whole)))["studies"]]
    assert max(volumes) <= most * (1 + 1e-12)
    assert min(volumes) > 0
    assert np.isfinite(most)
