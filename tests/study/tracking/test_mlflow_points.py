"""Points, parameters and tags: what they are, and how they travel."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient

from tests.support.fake_study import report, settings, write_fake_trial, write_trajectory
from tests.support.mlflow_folder import MlflowFolder
from vsam_tune.study.storage.folder import trial_folder
from vsam_tune.study.tracking.mlflow_store import run_params
from vsam_tune.study.tracking.points import THINNED, curve_points, thinned, trajectory_points


@pytest.fixture
def place(tmp_path: Path) -> MlflowFolder:
    return MlflowFolder(tmp_path / "made")


def test_curve_points_stand_at_their_iteration_and_time() -> None:
    curve = [{"epoch": 1, "iteration": 18, "loss": 2.0, "time_ms": 5}, {"epoch": 2, "loss": 1.0, "time_ms": 7}]
    assert curve_points(curve) == [("loss", 2.0, 5, 18), ("loss", 1.0, 7, 2)]


def test_names_that_mlflow_refuses_are_spelt_with_underscores(place: MlflowFolder) -> None:
    report(place.folder, 0, **{"acc@5": 99.0, "train/loss": 0.5})
    place.log(place.open(), 0)
    assert set(place.runs()["trial 0"].data.metrics) == {"val_accuracy", "acc_5", "train/loss"}


def test_what_is_not_finite_is_no_point(place: MlflowFolder) -> None:
    report(place.folder, 0, epochs=[1], loss=1.0)
    report(place.folder, 0, epochs=[2], loss=math.nan)
    report(place.folder, 0, epochs=[3], loss=math.inf)
    place.log(place.open(), 0, "pruned")
    assert place.history(place.runs()["trial 0"], "loss") == [(10, 1.0)]


def test_a_trajectory_column_has_a_point_where_it_has_a_number(tmp_path: Path) -> None:
    columns = write_trajectory(tmp_path / "trajectory.parquet", 40)
    points = trajectory_points(tmp_path / "trajectory.parquet", 9)
    by_name: dict[str, list[tuple[int, float]]] = {}
    for name, value, time_ms, step in points:
        assert time_ms == 9
        by_name.setdefault(name, []).append((step, value))
    assert by_name["l2_psf"] == [(row, columns["l2_psf"][row]) for row in range(0, 40, 4)]
    assert by_name["cumulative_samples"] == [(row, 1 + row // 4) for row in range(40)]
    assert "sigma" not in by_name  # never a number: the sampling rate did not adapt
    assert set(by_name) == {"l2_psf", "l2_sgd", "sampling_rate", "cumulative_samples"}


def test_a_long_trajectory_is_thinned_with_its_last_count_exact(tmp_path: Path) -> None:
    write_trajectory(tmp_path / "trajectory.parquet", 5000)
    points = trajectory_points(tmp_path / "trajectory.parquet", 9)
    for name in ("l2_psf", "l2_sgd", "cumulative_samples"):
        assert sum(point[0] == name for point in points) == THINNED
    assert [point[1] for point in points if point[0] == "cumulative_samples"][-1] == 1250
    assert all(math.isfinite(point[1]) for point in points)


@given(st.lists(st.integers(0, 10**6), unique=True, max_size=3000).map(sorted))
def test_thinned_keeps_both_ends_the_order_and_at_most_its_number(rows: list[int]) -> None:
    kept = thinned(np.array(rows, dtype=np.int64)).tolist()
    assert len(kept) == min(len(rows), THINNED)
    assert kept == sorted(set(kept))
    assert set(kept) <= set(rows)
    assert kept[:1] == rows[:1]
    assert kept[-1:] == rows[-1:]


@given(st.integers(THINNED + 1, 5000))
def test_thinned_rows_are_evenly_spread(count: int) -> None:
    steps = np.diff(thinned(np.arange(count)))
    assert steps.max() - steps.min() <= 1


def test_points_travel_in_batches(place: MlflowFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fake_trial(place.folder, 0)
    report(place.folder, 0, epochs=range(5, 700))
    write_trajectory(place.folder / trial_folder(0) / "trajectory.parquet", 2000)
    calls: list[int] = []
    log_batch = MlflowClient.log_batch

    def counted(client: MlflowClient, run_id: str, metrics: Any = (), **others: Any) -> None:
        calls.append(len(metrics))
        log_batch(client, run_id, metrics=metrics, **others)

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("one by one")

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    monkeypatch.setattr(MlflowClient, "log_metric", refused)
    monkeypatch.setattr(MlflowClient, "log_param", refused)
    place.log(place.open(), 0)
    assert sum(calls) == 699 + 4 * THINNED
    assert len(calls) <= 4  # params, curve, trajectory, tags


def test_a_running_trial_sends_only_what_is_new(place: MlflowFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    store, sent = place.open(), []
    log_batch = MlflowClient.log_batch

    def noted(client: MlflowClient, run_id: str, metrics: Any = (), **others: Any) -> None:
        sent.extend(metric.step for metric in metrics)
        log_batch(client, run_id, metrics=metrics, **others)

    monkeypatch.setattr(MlflowClient, "log_batch", noted)
    for epoch in (1, 2, 3):
        report(place.folder, 0, epochs=[epoch])
        place.log(store, 0, None)
    place.log(store, 0, None)
    assert sent == [10, 20, 30]


def test_a_curve_is_read_from_the_trials_own_folder(place: MlflowFolder) -> None:
    report(place.folder, 0, epochs=[1])
    report(place.folder, 1, epochs=[1, 2])
    store = place.open()
    place.log(store, 0)
    place.log(store, 1)
    assert place.history(place.runs()["trial 0"], "val_accuracy") == [(10, 81.0)]
    assert place.history(place.runs()["trial 1"], "val_accuracy") == [(10, 81.0), (20, 82.0)]


def test_params_leave_out_what_is_not_set() -> None:
    params = run_params(settings(0))
    assert not {"subset", "augmentation", "options", "unseen"} & set(params)
