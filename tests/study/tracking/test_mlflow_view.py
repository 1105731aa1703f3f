import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import MAX_EXPERIMENT_TAG_VAL_LENGTH

from vsam_tune.study.tracking.mlflow_view import run_color, runs_page, view_tags

METRICS = ["val_accuracy", "ais", "sampled_fraction"]
PARAMS = ["beta", "kappa", "num_slices", "warmup_iterations"]


def state(metrics=METRICS, params=PARAMS, *, ascending=False):
    view = json.loads(view_tags(metrics, params, ascending=ascending)["mlflow.sharedViewState.study"])
    assert (view["name"], type(view["createdAt"])) == ("study", int)  # without either, the UI's menu leaves it out
    return json.loads(view["state"])


def test_the_experiment_opens_as_model_training():
    assert view_tags(METRICS, PARAMS, ascending=False)["mlflow.experimentKind"] == "custom_model_development"
    assert "workflowType=machine_learning" in runs_page("http://localhost:5000", "3")


def test_objectives_and_parameters_are_the_columns_in_their_order():
    columns = [f"metrics.`{name}`" for name in METRICS] + [f"params.`{name}`" for name in PARAMS]
    assert state()["selectedColumns"] == columns
    assert state()["columnOrder"][-len(columns) :] == columns
    assert set(state()["columnWidths"]) == set(state()["columnOrder"])


def test_runs_are_sorted_by_the_first_metric_the_best_first():
    assert (state()["orderByKey"], state()["orderByAsc"]) == ("metrics.`val_accuracy`", False)
    assert state(["loss"], ascending=True)["orderByAsc"] is True


def test_charts_of_the_trajectory_stand_before_the_metrics_each_once():
    charts = state(["sampling_rate", "ais"])["compareRunCharts"]
    assert [chart["metricKey"] for chart in charts] == ["l2_psf", "cumulative_samples", "sampling_rate", "ais"]
    assert len({chart["uuid"] for chart in charts}) == len(charts)
    assert {chart["metricSectionId"] for chart in charts} == {"study"}
    assert all(chart["xAxisKey"] == "step" for chart in charts)


def test_the_noisy_norm_of_the_psf_is_smoothed_on_a_log_scale_and_nothing_else_is():
    first, *others = state()["compareRunCharts"]
    assert (first["scaleType"], first["lineSmoothness"], first["useGlobalLineSmoothing"]) == ("log", 80, False)
    assert {(chart["scaleType"], chart["useGlobalLineSmoothing"]) for chart in others} == {("linear", True)}


def test_a_view_of_many_parameters_fits_mlflows_limit_of_a_tag():
    tags = view_tags(
        [f"metric_number_{i}" for i in range(6)], [f"parameter_{i:030}" for i in range(40)], ascending=True
    )
    assert max(map(len, tags.values())) < MAX_EXPERIMENT_TAG_VAL_LENGTH


def test_the_address_names_the_view_and_the_mode():
    table = runs_page("http://localhost:5000", "3")
    assert table.startswith("http://localhost:5000/#/experiments/3/runs?viewStateShareKey=study")
    assert "compareRunsMode" not in table
    assert "compareRunsMode=CHART" in runs_page("http://localhost:5000", "3", charts=True)


@given(st.integers(0, 10**6))
def test_a_trial_has_one_colour_and_it_is_one_that_the_ui_reads(number):
    color = run_color(number)
    assert color == run_color(number)
    assert color[0] == "#"
    assert len(bytes.fromhex(color[1:])) == 3


def test_trials_that_follow_each_other_differ_in_colour():
    colors = [bytes.fromhex(run_color(number)[1:]) for number in range(20)]
    assert len(set(colors)) == 20
    for one, other in pairwise(colors):
        assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 100
