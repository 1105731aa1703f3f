"""Which trial each rule of `front --pick` chooses, and what it says where it chooses none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.records import ACCURACY, AIS, EMPTY, EVALUATIONS, MIXED, study, trial
from vsam_tune.analysis.picks import PICK_FORMS, pick
from vsam_tune.analysis.results import Objective
from vsam_tune.errors import InputError

SPEED = Objective("ais_vs_sam", "maximize")
FORMS = "knee, trial=N, within=X, min-NAME=V, max-NAME=V"


def test_the_forms_are_listed():
    assert ", ".join(PICK_FORMS) == FORMS


def test_knee():
    assert pick(MIXED, "knee") is MIXED.trials[1]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_any_complete_trial_by_number(number):
    assert pick(MIXED, f"trial={number}") is MIXED.trials[number]


# ---- within: the front of MIXED is 4 (96, 1000), 1 (95, 1800), 2 (88, 2000)


@pytest.mark.parametrize(
    ("most", "number"), [("0", 4), ("0.99", 4), ("1", 1), ("1.0", 1), ("7.9", 1), ("8", 2), ("1e9", 2)]
)
def test_within_is_the_fastest_trial_that_loses_at_most_so_much(most, number):
    assert pick(MIXED, f"within={most}").number == number


def test_within_measures_the_loss_in_decimal_digits():
    result = study(trial(0, 95.0, 1000.0), trial(1, 94.8, 2000.0))
    assert 95.0 - 94.8 > 0.2  # in binary
    assert pick(result, "within=0.2").number == 1


def test_within_measures_a_loss_upwards_where_objective_1_is_minimized():
    objectives = (EVALUATIONS, ACCURACY)
    values = [(1.0, 88.0), (1.5, 95.0), (2.0, 96.0)]
    result = study(*(trial(n, *each, objectives=objectives) for n, each in enumerate(values)), objectives=objectives)
    assert [pick(result, f"within={most}").number for most in (0, 0.4, 0.5, 1)] == [0, 0, 1, 2]


def test_within_of_one_objective_is_its_best_trial():
    result = study(
        *(trial(n, value, objectives=[ACCURACY]) for n, value in enumerate([90, 95, 93])), objectives=[ACCURACY]
    )
    assert pick(result, "within=50").number == 1


THREE = (ACCURACY, AIS, EVALUATIONS)


def test_within_of_three_objectives_is_the_best_in_objective_2_then_in_objective_3():
    values = [(95.0, 1000.0, 2.0), (94.0, 1500.0, 1.8), (93.5, 1500.0, 1.5), (90.0, 3000.0, 1.0)]
    result = study(*(trial(n, *each, objectives=THREE) for n, each in enumerate(values)), objectives=THREE)
    assert [pick(result, f"within={most}").number for most in (0, 1, 2, 5)] == [0, 1, 2, 3]


def test_of_equal_trials_the_lowest_number_is_chosen():
    result = study(trial(3, 90.0, 1000.0), trial(1, 95.0, 500.0), trial(2, 95.0, 500.0))
    assert pick(result, "within=0").number == 1
    assert pick(result, "min-val_accuracy=94").number == 1


# ---- min and max


@pytest.mark.parametrize(
    ("rule", "number"),
    [
        ("min-ais=0", 4),  # the most accurate one of all
        ("min-ais=1000", 4),  # a bound includes its value
        ("min-ais=1000.5", 1),
        ("min-ais=2000", 2),
        ("min-val_accuracy=88", 2),  # the fastest one, since the accuracy is enough
        ("min-val_accuracy=90", 1),
        ("min-val_accuracy=96", 4),
        ("max-ais=1999", 4),
        ("max-ais=1000", 4),
        ("max-val_accuracy=95", 2),
        ("max-val_accuracy=90", 2),
    ],
)
def test_a_bound_leaves_the_other_objectives_to_decide(rule, number):
    assert pick(MIXED, rule).number == number


def test_a_bound_on_a_minimized_objective():
    objectives = (ACCURACY, EVALUATIONS)
    values = [(90.0, 1.0), (95.0, 1.3), (96.0, 2.0)]
    result = study(*(trial(n, *each, objectives=objectives) for n, each in enumerate(values)), objectives=objectives)
    assert pick(result, "max-gradient_evaluations=1.5").number == 1
    assert pick(result, "min-gradient_evaluations=1.5").number == 2


def test_a_bound_of_three_objectives_leaves_objective_1_to_decide_and_then_the_other():
    values = [(95.0, 1000.0, 2.0), (94.0, 1500.0, 1.8), (94.0, 1400.0, 1.5), (90.0, 3000.0, 1.0)]
    result = study(*(trial(n, *each, objectives=THREE) for n, each in enumerate(values)), objectives=THREE)
    assert pick(result, "min-ais=1200").number == 2  # of two equal accuracies: fewer evaluations
    assert pick(result, "max-gradient_evaluations=1.9").number == 1
    assert pick(result, "max-gradient_evaluations=1.6").number == 2
    assert pick(result, "min-val_accuracy=94").number == 1


def test_a_bound_on_the_only_objective_is_its_best_trial():
    result = study(trial(0, 90.0, objectives=[ACCURACY]), trial(1, 95.0, objectives=[ACCURACY]), objectives=[ACCURACY])
    assert pick(result, "min-val_accuracy=91").number == 1


def test_ais_is_short_for_ais_vs_sam_unless_ais_is_an_objective_itself():
    objectives = (ACCURACY, SPEED)
    result = study(
        trial(0, 96.0, 1.1, objectives=objectives), trial(1, 94.0, 1.6, objectives=objectives), objectives=objectives
    )
    assert pick(result, "min-ais=1.3").number == pick(result, "min-ais_vs_sam=1.3").number == 1
    both = (ACCURACY, AIS, SPEED)
    trials = [trial(0, 96.0, 1000.0, 1.6, objectives=both), trial(1, 94.0, 2000.0, 1.1, objectives=both)]
    assert pick(study(*trials, objectives=both), "min-ais=1500").number == 1


# ---- what chooses nothing


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("best", f"--pick: 'best': must be one of {FORMS}. Fix: write --pick knee."),
        ("", f"--pick: '': must be one of {FORMS}. Fix: write --pick knee."),
        ("min=3", f"--pick: 'min=3': must be one of {FORMS}. Fix: write --pick knee."),
        ("knee-ais=3", f"--pick: 'knee-ais=3': must be one of {FORMS}. Fix: write --pick knee."),
        ("knee=2", "--pick: knee = '2': takes no value. Fix: write --pick knee."),
        (
            "trial=9",
            "--pick: trial = '9': must be the number of one of the 9 trials of mine. "
            "Fix: take one that vsam-tune trials mine lists as complete.",
        ),
        (
            "trial",
            "--pick: trial = '': must be the number of one of the 9 trials of mine. "
            "Fix: take one that vsam-tune trials mine lists as complete.",
        ),
        (
            "trial=5",
            "--pick: trial = 5: must be complete, but its state is pruned. "
            "Fix: take one that vsam-tune trials mine lists as complete.",
        ),
        (
            "within",
            "--pick: within = '': must be a number >= 0, in the unit of val_accuracy. Fix: write --pick within=0.2.",
        ),
        (
            "within=-1",
            "--pick: within = '-1': must be a number >= 0, in the unit of val_accuracy. Fix: write --pick within=0.2.",
        ),
        (
            "within=nan",
            "--pick: within = 'nan': must be a number >= 0, in the unit of val_accuracy. Fix: write --pick within=0.2.",
        ),
        (
            "within=0.2%",
            "--pick: within = '0.2%': must be a number >= 0, in the unit of val_accuracy. "
            "Fix: write --pick within=0.2.",
        ),
        ("min-ais=fast", "--pick: min-ais = 'fast': must be a number. Fix: write --pick min-ais=1000."),
        ("min-ais=inf", "--pick: min-ais = 'inf': must be a number. Fix: write --pick min-ais=1000."),
        (
            "min-val_acuracy=90",
            "--pick: 'min-val_acuracy': must name an objective of mine: val_accuracy, ais. "
            "Fix: write --pick min-val_accuracy=90.",
        ),
        (
            "max-val_loss",
            "--pick: 'max-val_loss': must name an objective of mine: val_accuracy, ais. "
            "Fix: write --pick max-val_accuracy=96.",
        ),
        (
            "min-ais=2001",
            "--pick: min-ais = 2001.0: no trial on the front of mine has ais >= 2001; the highest is 2000 (trial 2). "
            "Fix: write --pick min-ais=2000.",
        ),
        (
            "max-val_accuracy=80",
            "--pick: max-val_accuracy = 80.0: no trial on the front of mine has val_accuracy <= 80; "
            "the lowest is 88.0 (trial 2). Fix: write --pick max-val_accuracy=88.0.",
        ),
    ],
)
def test_a_rule_that_chooses_nothing_says_what_would(rule, line):
    with pytest.raises(InputError) as caught:
        pick(MIXED, rule)
    assert caught.value.lines == (line,)


@pytest.mark.parametrize("rule", ["knee", "within=1", "min-ais=1", "max-ais=1"])
def test_a_rule_of_a_study_without_a_front(rule):
    for result in (study(trial(0, state="fail")), EMPTY, study(trial(0, 99.0, 9.0, feasible=False))):
        with pytest.raises(InputError, match="must name a complete trial, but mine has none") as caught:
            pick(result, rule)
        assert len(caught.value.lines) == 1


VALUES = st.lists(
    st.tuples(st.floats(-1e6, 1e6), st.sampled_from([-0.123456, 1e-7, 1.29999999, 1234.5678, 98765.4321])),
    min_size=1,
    max_size=8,
)


def test_the_fix_of_a_bound_has_as_many_digits_as_choose_the_trial_that_it_names():
    result = study(trial(0, 634200.0, 2.0), trial(1, 634201.25, 1.0))
    with pytest.raises(
        InputError, match=r"the highest is 634201 \(trial 1\). Fix: write --pick min-val_accuracy=634201."
    ):
        pick(result, "min-val_accuracy=1e6")


@given(VALUES, st.sampled_from(["min", "max"]), st.sampled_from([ACCURACY, AIS]))
def test_the_fix_of_a_bound_that_is_out_of_reach_chooses_the_trial_that_it_names(values, bound, objective):
    result = study(*(trial(number, *each) for number, each in enumerate(values)))
    with pytest.raises(InputError) as caught:
        pick(result, f"{bound}-{objective.name}={'1e9' if bound == 'min' else '-1e9'}")
    fix = str(caught.value).rpartition("Fix: write --pick ")[2].removesuffix(".")
    reached = {each.values[objective.name] for each in result.front()}
    assert pick(result, fix).values[objective.name] == (max if bound == "min" else min)(reached)


NUMBERS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=8)


@given(NUMBERS, st.integers(0, 20), st.sampled_from([ACCURACY, AIS]))
def test_no_other_trial_of_the_front_that_keeps_the_rule_is_better(values, value, objective):
    result = study(*(trial(number, *each) for number, each in enumerate(values)))
    front = result.front()
    best = max(each.values["val_accuracy"] for each in front)
    chosen = pick(result, f"within={value}")
    kept = [each for each in front if best - each.values["val_accuracy"] <= value]
    assert chosen.values["ais"] == max(each.values["ais"] for each in kept)
    reached = [each for each in front if each.values[objective.name] >= value]
    if reached:
        other = "ais" if objective is ACCURACY else "val_accuracy"
        assert pick(result, f"min-{objective.name}={value}").values[other] == max(
            each.values[other] for each in reached
        )
