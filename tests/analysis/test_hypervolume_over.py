"""How the hypervolume grew over trials, epochs and hours: order, gaps between trials, and the last value."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_study import BEGIN
from tests.support.records import ACCURACY, AIS, EMPTY, EVALUATIONS, MIXED, study, trial
from vsam_tune.analysis import pareto
from vsam_tune.analysis.hypervolume_over import hypervolume_over

CORNER = {"val_accuracy": 80.0, "ais": 500.0}


def timed(number, start, seconds, *values, **fields):
    return trial(number, *values, started=BEGIN + timedelta(seconds=start), seconds=seconds, **fields)


def rows(result):
    return [tuple(point.values()) for point in hypervolume_over(result)]


def test_it_counts_what_a_budget_counts():
    first, second = 10 * 500.0, 8 * 1500 + 7 * 1300.0
    # Trials 0 to 5 are complete or pruned; 3 and 5 are infeasible and add nothing, 6 to 8 are not finished.
    assert [(count, volume) for count, _, _, volume in rows(study(*MIXED.trials, reference_point=CORNER))] == [
        (1, first),
        (2, 15 * 1300.0),
        (3, second),
        (4, second),
        (5, second + 500),
        (6, second + 500),
    ]


def test_of_nothing_it_is_empty_and_of_pruned_trials_zero():
    assert rows(EMPTY) == []
    assert rows(study(trial(0, state="pruned"))) == [(1, 0, 0.0, 0.0)]


def test_trials_count_in_the_order_in_which_they_end_with_the_epochs_of_all_that_ended():
    result = study(
        timed(0, 0, 3 * 3600, 90.0, 1000.0, epochs=30),
        timed(1, 0, 3600, 85.0, 1000.0, epochs=10),
        timed(2, 0, 2 * 3600, state="pruned", epochs=5),
        timed(3, 3600, 1800, state="fail", epochs=4),
        timed(4, 3600, 7200, 95.0, 900.0, epochs=20),  # ends with trial 0, after it by number
        timed(5, 3600, 9000, state="running", epochs=7),
        trial(6, state="waiting"),
        reference_point=CORNER,
    )
    assert rows(result) == [
        (1, 10, 1.0, 5 * 500.0),
        (2, 19, 2.0, 5 * 500.0),  # trial 2, and trial 3, which failed before
        (3, 49, 3.0, 10 * 500.0),
        (4, 69, 3.0, 10 * 500.0 + 5 * 400.0),
    ]


def test_hours_leave_out_the_time_in_which_no_trial_ran():
    week = 7 * 24 * 3600
    result = study(
        timed(0, 0, 3600, 90.0, 1000.0),
        timed(1, 1800, 900, state="pruned"),  # within trial 0
        timed(2, 1800, 3600, 91.0, 1000.0),  # half of it after trial 0
        timed(3, week, 1800, state="fail"),
        timed(4, week + 3600, 3600, 92.0, 1000.0),
        reference_point=CORNER,
    )
    assert [hours for _, _, hours, _ in rows(result)] == pytest.approx([0.75, 1.0, 1.5, 3.0])


def test_a_trial_that_still_runs_counts_for_the_hours_alone():
    result = study(timed(0, 0, 5400, state="running", epochs=9), timed(1, 3600, 1800, 90.0, 1000.0, epochs=1))
    ((trials, epochs, hours, volume),) = rows(result)
    assert (trials, epochs, hours) == (1, 1, pytest.approx(1.5))
    assert volume > 0


def test_a_trial_that_is_paused_at_a_rung_runs_until_then():
    at_rung = {1: {"val_accuracy": 50.0, "time": BEGIN.timestamp() + 600}}
    paused = replace(timed(0, 0, 9e9, state="running", rungs=at_rung), paused=1)
    day = 24 * 3600
    result = study(paused, timed(1, day, 1800, 90.0, 1000.0))
    assert [hours for _, _, hours, _ in rows(result)] == pytest.approx([2400 / 3600])


def test_a_clock_that_was_set_back_gives_no_negative_hours():
    result = study(timed(0, 0, -3600, 90.0, 1000.0), timed(1, 60, 3600, 91.0, 1000.0))
    assert [hours for _, _, hours, _ in rows(result)] == pytest.approx([0.0, 1.0])


OBJECTIVES = st.sampled_from([(ACCURACY,), (ACCURACY, AIS), (ACCURACY, AIS, EVALUATIONS)])
STATE = st.sampled_from(["complete", "complete", "pruned", "fail"])
TRIALS = st.lists(
    st.tuples(STATE, st.integers(0, 9), st.integers(0, 5), st.integers(0, 4), st.lists(st.integers(0, 9), min_size=3)),
    max_size=12,
)


@given(OBJECTIVES, TRIALS)
def test_each_value_is_that_of_the_trials_that_ended_until_then(objectives, drawn):
    result = study(
        *(
            timed(n, start, length, *values[: len(objectives)], state=state, epochs=epochs, objectives=objectives)
            for n, (state, start, length, epochs, values) in enumerate(drawn)
        ),
        objectives=objectives,
    )
    ended = sorted(result.trials, key=lambda each: (each.started.timestamp() + each.seconds, each.number))
    finished = [each for each in ended if each.state != "fail"]
    points = hypervolume_over(result)
    assert [point["trials"] for point in points] == list(range(1, len(finished) + 1))
    for point, last in zip(points, finished, strict=True):
        until = ended[: ended.index(last) + 1]
        assert point["epochs"] == sum(each.epochs for each in until)
        busy = {
            second
            for each in result.trials
            for second in range(int(each.started.timestamp()), int(each.started.timestamp() + each.seconds))
            if second < last.started.timestamp() + last.seconds
        }
        assert point["hours"] * 3600 == pytest.approx(len(busy), abs=1e-3)
        complete = [each for each in until if each.state == "complete"]
        corner = result.effective_reference_point() or dict.fromkeys((each.name for each in objectives), 0.0)
        expected = pareto.hypervolume(result.losses(complete), [each.sign * corner[each.name] for each in objectives])
        assert point["hypervolume"] == pytest.approx(expected)
    volumes = [point["hypervolume"] for point in points]
    assert volumes == sorted(volumes)
    if points:
        assert volumes[-1] == pytest.approx(result.hypervolume())
