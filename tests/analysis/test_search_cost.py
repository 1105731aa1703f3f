"""What a search has cost: trials that ended, of which stopped, failed, and the SAM probe."""

import pytest

from tests.support.records import trial
from vsam_tune.analysis.search_cost import search_cost


def test_it_sums_the_trials_that_have_ended():
    trials = [
        trial(0, 90.0, 1000.0, seconds=3600.0, epochs=40, reference_seconds=36.0),
        trial(1, state="pruned", seconds=1800.0, epochs=9, reference_seconds=18.0),
        trial(2, state="pruned", feasible=False, seconds=900.0, epochs=1),
        trial(3, state="fail", seconds=360.0, epochs=3),
        trial(4, state="running", seconds=9e9, epochs=7, reference_seconds=1e6),
        trial(5, state="waiting"),
    ]
    assert search_cost(trials) == {
        "hours": pytest.approx(1.85),
        "stopped_hours": 0.75,
        "failed_hours": 0.1,
        "sam_probe_hours": pytest.approx(0.015),
        "epochs": 53,
        "stopped_epochs": 10,
    }


def test_the_seconds_of_the_probe_are_a_mean_over_replicates():
    trials = [
        trial(0, 90.0, 1000.0, reference_seconds=36.0, replicates=3),
        trial(1, state="pruned", reference_seconds=36.0, replicates=0),  # stopped in its first one
    ]
    assert search_cost(trials)["sam_probe_hours"] == pytest.approx(0.04)


def test_no_trials_cost_nothing():
    assert set(search_cost([]).values()) == {0}
