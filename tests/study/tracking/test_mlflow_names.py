"""Names that MLflow refuses, tried on MLflow's own check."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, _validate_metric_name

from tests.support.fake_study import record, report, settings
from tests.support.mlflow_folder import MlflowFolder
from vsam_tune.study.storage.folder import trial_folder
from vsam_tune.study.tracking.mlflow_names import _warn, mlflow_names
from vsam_tune.study.tracking.mlflow_store import run_params


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("val/acc", "val/acc"),
        ("val acc: 5.0-b_c", "val acc: 5.0-b_c"),
        ("val//acc", "val/acc"),
        ("/acc", "acc"),
        ("//acc", "acc"),
        ("acc/", "acc"),
        ("./acc", "acc"),
        ("a/../acc", "acc"),
        ("../acc", "_/acc"),
        ("..", "_"),
        (".", "_"),
        ("", "_"),
        ("/", "_"),
        ("acc@5", "acc_5"),
        ("a\\b\n", "a_b_"),
    ],
)
def test_a_name_is_spelt_as_mlflow_takes_it(name: str, expected: str) -> None:
    assert mlflow_names([name]) == {name: expected}
    _validate_metric_name(expected)


def test_long_names_are_cut_and_differ() -> None:
    names = ["a" * 260 + end for end in "bc"]
    found = mlflow_names(names)
    assert len(set(found.values())) == 2
    assert all(len(key) == MAX_ENTITY_KEY_LENGTH and key.startswith("a" * 240) for key in found.values())


def test_names_that_become_equal_differ_and_the_plain_one_stays() -> None:
    found = mlflow_names(["acc@5", "acc_5", "acc%5"])
    assert found["acc_5"] == "acc_5"
    assert len(set(found.values())) == 3


@given(st.lists(st.text(max_size=300), unique=True, max_size=8))
def test_every_name_is_taken_and_no_two_are_equal(names: list[str]) -> None:
    found = mlflow_names(names)
    assert len(set(found.values())) == len(names)
    for key in found.values():
        assert 0 < len(key) <= MAX_ENTITY_KEY_LENGTH
        _validate_metric_name(key)


def test_metrics_and_parameters_of_such_names_are_logged_with_a_word(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    _warn.cache_clear()
    place = MlflowFolder(tmp_path_factory.mktemp("names") / "made")
    metrics = {"val//acc": 1.0, "m" * 260: 2.0, "acc@5": 3.0, "acc_5": 4.0}
    report(place.folder, 0, **metrics)
    params = {**run_params(settings(0)), "x//y": "1", "z" * 260: "2", "long": "v" * 7000}
    params |= {f"option {number}": "3" for number in range(150)}
    store = place.open()
    for _ in range(2):
        store.log_trial(0, place.folder / trial_folder(0), params=params, tags={}, record=record(0))
    run = place.runs()["trial 0"]
    assert run.info.status == "FINISHED"
    assert sorted(run.data.metrics.values()) == [1.0, 2.0, 3.0, 4.0, 84.0]
    assert (run.data.metrics["val/acc"], run.data.metrics["acc_5"]) == (1.0, 4.0)
    assert (run.data.params["x/y"], len(run.data.params)) == ("1", len(params))
    assert len(run.data.params["long"]) == 6000
    lines = [entry.getMessage() for entry in caplog.records]
    assert "MLflow does not take the name 'val//acc': it is 'val/acc' there" in lines
    assert len(lines) == len(set(lines)) == 5
