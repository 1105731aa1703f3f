"""What a study answers: counts, front, hypervolume, and knee."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.records import ACCURACY, EMPTY, EVALUATIONS, MIXED, NOISY, study, trial
from vsam_tune.analysis.results import STATES, Objective, standard_error

# ---- records


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        MIXED.trials[0].state = "fail"


def test_losses_are_negated_where_more_is_better():
    objectives = (ACCURACY, EVALUATIONS)
    trials = [trial(0, 90.0, 1.5, objectives=objectives), trial(1, 80.0, 1.25, objectives=objectives)]
    assert study(objectives=objectives).losses(trials).tolist() == [[-90.0, 1.5], [-80.0, 1.25]]


def test_losses_of_no_trials_keep_the_number_of_objectives():
    assert EMPTY.losses([]).shape == (0, 2)


# ---- counts


def test_counts_name_every_state():
    assert MIXED.counts() == {"complete": 5, "pruned": 1, "fail": 1, "running": 1, "waiting": 1}
    assert EMPTY.counts() == dict.fromkeys(STATES, 0)


# ---- front


def test_front_holds_complete_feasible_undominated_trials_best_in_the_first_objective_first():
    assert [each.number for each in MIXED.front()] == [4, 1, 2]


def test_front_starts_with_the_lowest_value_of_an_objective_to_be_minimised():
    objectives = (EVALUATIONS, ACCURACY)
    trials = [trial(n, *values, objectives=objectives) for n, values in enumerate([(2, 96), (1, 90), (1.2, 95)])]
    assert [each.number for each in study(*trials, objectives=objectives).front()] == [1, 2, 0]


def test_equal_trials_all_stand_on_the_front_by_number():
    assert [each.number for each in study(trial(0, 90, 5), trial(1, 90, 5), trial(2, 80, 5)).front()] == [
        0,
        1,
    ]


def test_front_of_one_objective_is_its_best_trial():
    trials = [trial(n, value, objectives=(ACCURACY,)) for n, value in enumerate([90.0, 95.0, 93.0])]
    assert [each.number for each in study(*trials, objectives=(ACCURACY,)).front()] == [1]


def test_front_of_an_empty_study_is_empty():
    assert EMPTY.front() == ()


def test_a_complete_trial_with_a_value_that_is_not_finite_is_never_put_on_a_front_in_silence():
    with pytest.raises(ValueError, match="must be finite"):
        study(trial(0, 90.0, 5.0), trial(1, math.inf, 5.0)).front()


# ---- errors and what noise cannot exclude


def test_the_error_of_a_value_is_that_of_the_run_and_that_of_another_seed_together():
    record = trial(0, 90.0, 1000.0, val_accuracy_error=0.6, val_accuracy_seed_error=0.8, ais_error=7.0)
    assert record.errors == {"val_accuracy": 1.0, "ais": 7.0}
    assert standard_error({"ais_seed_error": 3.0}, "ais") == 3.0


def test_errors_are_zero_where_none_was_reported_and_absent_where_there_is_no_value():
    assert trial(0, 90.0, 1000.0).errors == {"val_accuracy": 0.0, "ais": 0.0}
    assert trial(0, 90.0, 1000.0, state="pruned", ais_error=7.0).errors == {}


def test_errors_of_trials_have_the_shape_and_order_of_their_losses():
    trials = [trial(0, 90.0, 1000.0, ais_error=7.0), trial(1, 80.0, 900.0, val_accuracy_error=2.0)]
    assert study().errors(trials).tolist() == [[0.0, 7.0], [2.0, 0.0]]
    assert EMPTY.errors([]).shape == (0, 2)


def test_what_another_seed_would_change_counts_as_the_root_mean_square_over_the_trials_at_least():
    seeds = [1.0, 7.0, math.nan]  # mean square 25; the third is a mean over replicates, whose spread holds it
    trials = [
        trial(n, 90.0, 1000.0, ais_error=12.0, **({} if math.isnan(seed) else {"ais_seed_error": seed}))
        for n, seed in enumerate(seeds)
    ]
    assert study().errors(trials)[:, 1].tolist() == [13.0, math.hypot(12.0, 7.0), 12.0]
    assert trials[0].errors["ais"] == math.hypot(12.0, 1.0)  # what is printed is its own


def test_of_equal_trials_one_excludes_another_in_a_twentieth_of_searches():
    """With errors of seeds that are known from five stretches each; with its own for each trial it is 29 %."""
    draws, searches, excluded = np.random.default_rng(0), 400, 0
    for _ in range(searches):
        speeds = 1.8 + 0.1 * draws.standard_normal(16)
        errors = 0.1 * np.sqrt(draws.chisquare(4, 16) / 4)
        accuracies = 94 + draws.standard_normal(16)
        result = study(
            *(
                trial(n, *values, val_accuracy_error=1.0, ais_error=0.025, ais_seed_error=error)
                for n, (*values, error) in enumerate(zip(accuracies, speeds, errors, strict=True))
            )
        )
        excluded += len(result.front()) + len(result.possibly_optimal()) < 16
    assert excluded / searches < 0.09


def test_possible_are_the_trials_beside_the_front_that_no_other_one_beats_beyond_noise():
    assert NOISY.front_quantile() == pytest.approx(2.817, abs=0.001)
    assert [each.number for each in NOISY.front()] == [1]
    assert [each.number for each in NOISY.possibly_optimal()] == [0, 2]  # 92 - 87 is beyond noise


def test_without_errors_nothing_is_possible():
    assert MIXED.possibly_optimal() == EMPTY.possibly_optimal() == ()


def test_a_trial_that_did_not_complete_or_diverged_is_not_possible():
    errors = {"val_accuracy_error": 1.0, "ais_error": 10.0}
    rest = [trial(4, 91.0, 1000.0, feasible=False, **errors), trial(5, 91.0, 1000.0, state="pruned", **errors)]
    assert [each.number for each in study(*NOISY.trials, *rest).possibly_optimal()] == [0, 2]


def test_noise_takes_no_trial_off_the_front():
    # Trial 1 is a little faster, and so on the front; trial 0 is more accurate beyond noise, which excludes it.
    errors = {"val_accuracy_error": 1.0, "ais_error": 10.0}
    result = study(trial(0, 95.0, 1000.0, **errors), trial(1, 80.0, 1001.0, **errors))
    assert [each.number for each in result.front()] == [0, 1]
    assert result.possibly_optimal() == ()


NOISE = st.sampled_from([0.0, 1.0, 10.0])


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), NOISE, NOISE), max_size=10))
def test_the_front_is_the_same_with_errors_and_shares_no_trial_with_the_possible_ones(values):
    noisy = study(
        *(
            trial(n, a, s, val_accuracy_error=error_a, ais_error=error_s)
            for n, (a, s, error_a, error_s) in enumerate(values)
        )
    )
    front, possible = ({each.number for each in found} for found in (noisy.front(), noisy.possibly_optimal()))
    plain = study(*(trial(n, *each[:2]) for n, each in enumerate(values)))
    assert front == {each.number for each in plain.front()}
    assert not front & possible


# ---- reference point and hypervolume


def test_the_stored_reference_point_wins():
    stored = {"val_accuracy": 80.0, "ais": 500.0}
    result = study(*MIXED.trials, reference_point=stored)
    assert result.effective_reference_point() == stored
    # Steps from the fastest down: 8 x 2000, 7 x 1800 more, 1 x 1000 more, each over 500.
    assert result.hypervolume() == 8 * 1500 + 7 * 1300 + 1 * 500


def test_the_provisional_reference_point_is_ten_percent_below_the_worst_feasible_value():
    # val_accuracy 88 to 96, ais 1000 to 2000; the infeasible 99 and 9000 do not count.
    assert MIXED.effective_reference_point() == pytest.approx({"val_accuracy": 87.2, "ais": 900.0})


def test_the_reference_point_of_an_objective_to_be_minimised_lies_above_it():
    objectives = (ACCURACY, EVALUATIONS)
    trials = [trial(0, 90.0, 1.0, objectives=objectives), trial(1, 95.0, 2.0, objectives=objectives)]
    corner = study(*trials, objectives=objectives).effective_reference_point()
    assert corner == pytest.approx({"val_accuracy": 89.5, "gradient_evaluations": 2.1})


@pytest.mark.parametrize("result", [EMPTY, study(trial(0, state="fail")), study(trial(0, 99, 9, feasible=False))])
def test_before_a_feasible_trial_completes_there_is_no_reference_point_and_no_volume(result):
    assert result.effective_reference_point() is None
    assert result.hypervolume() == 0.0
    assert result.knee() is None


VALUES = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=10)


@given(VALUES)
def test_directions_are_only_a_sign(values):
    negated = (Objective("val_accuracy", "minimize"), Objective("ais", "minimize"))
    result = study(*(trial(n, *pair) for n, pair in enumerate(values)))
    mirrored = study(*(trial(n, -a, -b) for n, (a, b) in enumerate(values)), objectives=negated)
    assert [each.number for each in mirrored.front()] == [each.number for each in result.front()]
    assert mirrored.knee() == result.knee()
    assert mirrored.hypervolume() == result.hypervolume()


# ---- knee


def test_knee_is_a_trial_number():
    assert MIXED.knee() == 1


def test_knee_of_two_points_is_the_lower_number_whatever_the_order_of_the_front():
    result = study(trial(0, 90.0, 2000.0), trial(1, 95.0, 1000.0))
    assert [each.number for each in result.front()] == [1, 0]
    assert result.knee() == 0
