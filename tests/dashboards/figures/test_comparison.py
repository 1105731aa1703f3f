"""What the figure of a comparison holds: which methods, where, with which bars and names."""

import pytest

from dashboards.figures.comparison import comparison_figure
from tests.support.fake_baselines import baselines, replicate, result_of
from vsam_tune.analysis.comparison import compare

TRIALS = [
    replicate(0, "sgd", 0, accuracy=90.0, ais=2000.0),
    replicate(1, "sgd", 1, accuracy=92.0, ais=2000.0),
    replicate(2, "sam", 0, accuracy=95.0, ais=1000.0),
    replicate(3, "sam", 1, accuracy=95.0, ais=1100.0),
    replicate(4, "mesa", 0, state="fail"),
]


def drawn(trials=TRIALS, **rows):
    return comparison_figure(compare(result_of(trials, **rows)))


def points(trace):
    return list(zip(trace.x, trace.y, strict=True))


def test_accuracy_stands_over_seconds_and_over_passes():
    figure = drawn()
    seconds, passes = figure.data
    assert points(seconds) == [(22.0, 91.0), (42.0, 95.0)]
    assert points(passes) == [(40.0, 91.0), (80.0, 95.0)]
    assert figure.layout.xaxis.title.text == "seconds of training, median"
    assert figure.layout.xaxis2.title.text == "gradient evaluations an iteration, times epochs"
    assert figure.layout.yaxis.title.text == "test accuracy (%)"
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range


def test_bars_are_standard_deviations_over_seeds():
    seconds, passes = drawn().data
    assert seconds.error_y.array == (pytest.approx(2**0.5), 0.0)
    assert seconds.error_x.array == (0.0, pytest.approx(8**0.5))
    assert passes.error_x.array == (None, None)
    (alone, _) = drawn(TRIALS[:1]).data
    assert (alone.error_y.array, alone.error_x.array) == ((None,), (None,))


def test_every_point_has_its_name_in_both_panels_as_text():
    figure = drawn([*TRIALS, replicate(5, "<b>mine", 0)])
    assert [each.text for each in figure.layout.annotations] == ["sgd", "sam", "&lt;b&gt;mine"] * 2
    assert {each.xref for each in figure.layout.annotations[:3]} == {"x"}
    assert {each.xref for each in figure.layout.annotations[3:]} == {"x2"}
    assert figure.data[0].hovertext[0].splitlines() == [
        "<b>sgd</b><br>test accuracy: 91.00 ± 1.41 %, 2 seeds<br>AIS: 2,000 images/s, 190 % of SAM's"
        "<br>gradient evaluations an iteration: 1"
    ]


def test_shapes_tell_sam_and_what_was_picked_from_the_rest():
    picked = {"method": {"name": "vsam"}, "base_optimizer": {"name": "sgd"}, "trial": 7}
    figure = drawn([*TRIALS, replicate(5, "knee", 0)], knee=picked)
    assert figure.data[0].marker.symbol == ("circle", "square", "diamond")
    assert len(set(figure.data[0].marker.color)) == 2


def test_lines_run_through_sam_where_there_is_one():
    upright, level, *others = drawn().layout.shapes
    assert (upright.x0, upright.x1, upright.xref) == (42.0, 42.0, "x")
    assert (level.y0, level.y1) == (95.0, 95.0)
    assert [(each.x0, each.xref) for each in others][:1] == [(80.0, "x2")]
    assert drawn(TRIALS[:2]).layout.shapes == ()


def test_the_title_counts_and_names_what_is_not_there():
    title = drawn().layout.title
    assert title.text == "mine: what 2 methods reach, and what they take"
    assert title.subtitle.text == (
        "mean and standard deviation over 2 seeds; dotted: SAM; better and cheaper is up and left;"
        " nothing complete: mesa"
    )
    some = comparison_figure(compare(baselines({"sgd": [90.0], "sam": [91.0, 92.0, 93.0]})))
    assert "over 1 to 3 seeds" in some.layout.title.subtitle.text


def test_a_method_whose_seconds_are_not_known_stands_in_the_other_panel():
    trial = replicate(0, "sgd", 0)
    del trial.metrics["train_seconds"]
    seconds, passes = drawn([trial]).data
    assert (len(seconds.x), len(passes.x)) == (0, 1)


def test_baselines_of_which_nothing_is_complete_have_a_figure_that_says_so():
    figure = drawn(TRIALS[4:])
    assert all(len(each.x) == 0 for each in figure.data)
    assert figure.layout.title.subtitle.text.endswith("nothing complete: mesa")
