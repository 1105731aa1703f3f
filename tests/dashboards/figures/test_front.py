"""What a figure of a front holds: which trials, where, joined how, and what it says of the rest."""

import pytest

from dashboards.figures.front import front_figure
from vsam_tune.analysis.results import Objective, StudyResult, TrialRecord

ACCURACY = Objective("val_accuracy", "maximize")
AIS = Objective("ais", "maximize")
EVALUATIONS = Objective("gradient_evaluations", "minimize")
LOSS = Objective("loss<b>", "minimize")


def study(values, objectives=(ACCURACY, AIS), states=None, **changes):
    """A study of one trial a row of values; a row of None did not complete."""
    trials = tuple(
        TrialRecord(
            number=number,
            state=(states or {}).get(number, "complete"),
            params={"beta": 0.123456, "base": "<i>sgd"},
            values=dict(zip([each.name for each in objectives], row, strict=False)) if row else {},
            metrics=changes.get("metrics", {}),
            feasible=number not in changes.get("infeasible", ()),
        )
        for number, row in enumerate(values)
    )
    return StudyResult(
        name=changes.get("name", "mine"),
        objectives=objectives,
        trials=trials,
        reference_point=changes.get("reference_point"),
        study={},
    )


def trace(figure, name):
    (found,) = [each for each in figure.data if each.name.startswith(name)]
    return found


def points(one):
    return list(zip(one.x, one.y, strict=True))


# A front of 3, 1, 2; 0 is dominated.
FOUR = [(90.0, 1000.0), (95.0, 1800.0), (88.0, 2000.0), (96.0, 1000.0)]


def test_accuracy_stands_over_ais_with_units():
    layout = front_figure(study(FOUR)).layout
    assert layout.yaxis.title.text == "validation accuracy (%), more is better"
    assert layout.xaxis.title.text == "AIS (images/s), more is better"


def test_the_front_is_joined_from_left_to_right_and_the_rest_is_not():
    figure = front_figure(study(FOUR))
    front, dominated = trace(figure, "front (3)"), trace(figure, "dominated (1)")
    assert points(front) == [(1000.0, 96.0), (1800.0, 95.0), (2000.0, 88.0)]
    assert points(dominated) == [(1000.0, 90.0)]
    assert front.mode == "lines+markers"
    assert dominated.mode == "markers"


def test_the_marks_differ_in_shape_not_only_in_colour():
    figure = front_figure(study(FOUR))
    marks = [(each.marker.symbol, each.marker.size) for each in figure.data]
    assert len(set(marks)) == len(marks) == 3


# ---- errors


ERRORS = {"val_accuracy_error": 1.0, "ais_error": 100.0, "ais_seed_error": 75.0}


def test_what_noise_cannot_exclude_has_a_mark_and_a_legend_entry_of_its_own():
    figure = front_figure(study([*FOUR, (94.0, 1790.0)], metrics=ERRORS))
    possible = trace(figure, "may also be optimal (1)")
    assert points(possible) == [(1790.0, 94.0)]
    assert points(trace(figure, "dominated (1)")) == [(1000.0, 90.0)]
    assert len(points(trace(figure, "front (3)"))) == 3
    marks = [(each.marker.symbol, each.marker.size) for each in figure.data]
    assert len(set(marks)) == len(marks) == 4


def test_the_front_and_what_noise_cannot_exclude_carry_one_standard_error():
    figure = front_figure(study([*FOUR, (94.0, 1790.0)], metrics=ERRORS))
    for name, count in (("front", 3), ("may also be optimal", 1)):
        assert trace(figure, name).error_y.array == (1.0,) * count
        assert trace(figure, name).error_x.array == (125.0,) * count
    assert trace(figure, "dominated").error_y.array is None
    assert figure.layout.title.subtitle.text.endswith("; bars: one standard error")


def test_hovering_tells_the_error_of_a_value_that_has_one():
    figure = front_figure(study(FOUR, metrics={"ais_error": 1234.5}))
    lines = trace(figure, "front").hovertext[1].split("<br>")
    assert lines[1:3] == ["validation accuracy (%): 95", "AIS (images/s): 1,800 ± 1,234"]


def test_without_errors_there_are_neither_bars_nor_trials_that_noise_cannot_exclude():
    figure = front_figure(study(FOUR))
    assert trace(figure, "front").error_y.array == (None,) * 3
    assert not any(each.name.startswith("may also be optimal") for each in figure.data)
    assert "bars" not in figure.layout.title.subtitle.text


def test_one_objective_has_bars_upwards_alone():
    figure = front_figure(study([(90.0,), (91.0,)], objectives=(ACCURACY,), metrics=ERRORS))
    front = trace(figure, "front (1)")
    assert front.error_y.array == (1.0,)
    assert front.error_x.array is None
    assert points(trace(figure, "may also be optimal (1)")) == [(0, 90.0)]


@pytest.mark.parametrize(("second", "shape"), [(AIS, "vh"), (EVALUATIONS, "hv")])
def test_the_line_is_the_edge_of_what_the_front_dominates(second, shape):
    # The corner of each step has the worse value of both ends: it never promises a trial that nobody trained.
    figure = front_figure(study([(90.0, 1.0), (95.0, 2.0)], objectives=(ACCURACY, second)))
    assert trace(figure, "front").line.shape == shape


def test_the_knee_is_ringed_and_named():
    knee = trace(front_figure(study(FOUR)), "knee")
    assert knee.name == "knee: trial 1"
    assert points(knee) == [(1800.0, 95.0)]
    assert knee.text == ("knee",)


def test_the_legend_counts_what_is_not_shown():
    states = {4: "pruned", 5: "pruned", 7: "fail", 8: "running", 9: "waiting"}
    values = [*FOUR, None, None, (99.0, 9000.0), None, None, None]
    figure = front_figure(study(values, states=states, infeasible=(5, 6)))
    rest = trace(figure, "not shown")
    assert rest.name == "not shown: 2 pruned, 1 infeasible, 1 failed, 1 running, 1 waiting"
    assert points(rest) == [(None, None)]
    assert (9000.0, 99.0) not in [point for each in figure.data for point in points(each)]


def test_a_study_that_shows_all_its_trials_says_nothing_of_others():
    assert not any(each.name.startswith("not shown") for each in front_figure(study(FOUR)).data)


def test_hovering_tells_number_values_and_hyper_parameters():
    text = trace(front_figure(study(FOUR)), "front").hovertext[1]
    assert text.split("<br>") == [
        "<b>trial 1</b>",
        "validation accuracy (%): 95",
        "AIS (images/s): 1,800",
        "beta = 0.123",
        "base = &lt;i&gt;sgd",
    ]


def test_the_title_tells_the_hypervolume_and_from_where():
    provisional = front_figure(study(FOUR)).layout.title
    assert provisional.text == "mine: 3 of 4 completed trials on the front"
    assert provisional.subtitle.text.endswith("the provisional reference point val_accuracy 87.2, ais 900")
    fixed = front_figure(study(FOUR, reference_point={"val_accuracy": 80.0, "ais": 500.0})).layout.title
    assert fixed.subtitle.text == "hypervolume 21,600 from the reference point val_accuracy 80, ais 500"


def test_one_objective_is_drawn_by_trial_number_with_the_best_so_far():
    figure = front_figure(study([(2.0,), (3.0,), (1.0,), (1.5,)], objectives=(LOSS,)))
    assert figure.layout.xaxis.title.text == "trial number"
    assert figure.layout.yaxis.title.text == "loss&lt;b&gt;, less is better"
    assert points(trace(figure, "front (1)")) == [(2, 1.0)]
    assert points(trace(figure, "best so far")) == [(0, 2.0), (1, 2.0), (2, 1.0), (3, 1.0)]
    assert not any(each.name.startswith("knee") for each in figure.data)


def test_three_objectives_shade_the_front_by_the_third_and_do_not_join_it():
    values = [(90.0, 1000.0, 1.0), (95.0, 900.0, 2.0), (80.0, 950.0, 0.5)]
    front = trace(front_figure(study(values, objectives=(ACCURACY, AIS, EVALUATIONS))), "front (3)")
    assert front.mode == "markers"
    by_point = dict(zip(points(front), front.marker.color, strict=True))
    assert by_point == {(900.0, 95.0): 2.0, (950.0, 80.0): 0.5, (1000.0, 90.0): 1.0}
    title = front.marker.colorbar.title.text
    assert title == "gradient evaluations per iteration, less is better"


def test_four_objectives_are_drawn_by_the_first_two():
    objectives = (ACCURACY, AIS, EVALUATIONS, LOSS)
    front = trace(front_figure(study([(90.0, 1000.0, 1.0, 0.5)], objectives=objectives)), "front (1)")
    assert points(front) == [(1000.0, 90.0)]
    assert "loss&lt;b&gt;: 0.5" in front.hovertext[0]


@pytest.mark.parametrize("objectives", [(ACCURACY,), (ACCURACY, AIS), (ACCURACY, AIS, EVALUATIONS)])
def test_an_empty_study_has_a_figure_that_says_so(objectives):
    figure = front_figure(study([], objectives=objectives))
    assert figure.layout.title.subtitle.text == "no trial has completed yet"
    assert all(len(each.x) == 0 for each in figure.data)


def test_the_name_of_a_study_is_text_not_html():
    title = front_figure(study(FOUR, name="<b>a&b")).layout.title.text
    assert title.startswith("&lt;b&gt;a&amp;b: ")
