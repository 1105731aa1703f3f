"""The trajectory: one row an iteration, unread values filled in later, NaN where there is none."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.full_disk import fill_disk
from vsam_tune.optimizers.observation import Observation
from vsam_tune.training.trajectory import COLUMNS, Trajectory

NAN = math.nan
NUMBER = st.floats(allow_nan=True, allow_infinity=True)


def observation(*, sampled, l2_sgd, l2_psf=None, sampling_rate=0.1, **known):
    return Observation(
        sampled=sampled,
        l2_psf=None if l2_psf is None else torch.tensor(l2_psf, dtype=torch.float64),
        l2_sgd=torch.tensor(l2_sgd, dtype=torch.float64),
        sampling_rate=sampling_rate,
        **known,
    )


@st.composite
def observations(draw):
    sampled = draw(st.booleans())
    return observation(
        sampled=sampled,
        l2_sgd=draw(NUMBER),
        l2_psf=draw(NUMBER) if sampled else None,
        sampling_rate=draw(st.floats(0, 1)),
        sigma=draw(NUMBER),
        v=draw(NUMBER),
        u=draw(NUMBER),
    )


def read(trajectory):
    trajectory.fill([float(value) for value in trajectory.pending()])


def recorded(items):
    trajectory = Trajectory()
    for item in items:
        trajectory.record(item)
    read(trajectory)
    return trajectory


def assert_same(one, two):
    assert list(one) == list(two)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])  # NaN equal to NaN
        assert one[name].dtype == two[name].dtype


def test_columns_and_where_a_value_is_nan():
    trajectory = recorded([
        observation(sampled=True, l2_psf=3.0, l2_sgd=2.0, sampling_rate=0.25),
        observation(sampled=False, l2_sgd=1.5, sampling_rate=0.5, expected=20.5, age=1, sigma=0.01, v=-0.5, u=0.75),
        None,  # a base optimizer alone
    ])
    trajectory.record(None, torch.tensor(0.125))  # with a loss term
    trajectory.record(observation(sampled=True, l2_sgd=4.0, squared_norm=16.0, threshold=9.0))
    trajectory.fill([0.125, 4.0])
    table = trajectory.table()
    assert tuple(table) == COLUMNS
    assert_same(
        table,
        {
            "iteration": np.array([0, 1, 2, 3, 4]),
            "sampled": np.array([True, False, False, False, True]),
            "l2_psf": np.array([3.0, NAN, NAN, NAN, NAN]),
            "l2_sgd": np.array([2.0, 1.5, NAN, NAN, 4.0]),
            "penalty": np.array([NAN, NAN, NAN, 0.125, NAN]),
            "sampling_rate": np.array([0.25, 0.5, NAN, NAN, 0.1]),
            "expected": np.array([NAN, 20.5, NAN, NAN, NAN]),
            "age": np.array([NAN, 1, NAN, NAN, NAN]),
            "sigma": np.array([NAN, 0.01, NAN, NAN, NAN]),
            "v": np.array([NAN, -0.5, NAN, NAN, NAN]),
            "u": np.array([NAN, 0.75, NAN, NAN, NAN]),
            "squared_norm": np.array([NAN, NAN, NAN, NAN, 16.0]),
            "threshold": np.array([NAN, NAN, NAN, NAN, 9.0]),
        },
    )
    assert len(trajectory) == 5
    assert trajectory.num_sampled == 2


def test_values_wait_in_the_order_of_iterations_and_once():
    trajectory = Trajectory()
    trajectory.record(observation(sampled=True, l2_psf=1.0, l2_sgd=2.0))
    trajectory.record(observation(sampled=False, l2_sgd=3.0))
    trajectory.record(observation(sampled=True, l2_psf=4.0, l2_sgd=5.0))
    assert [value.item() for value in trajectory.pending()] == [1, 2, 3, 4, 5]
    assert np.isnan(trajectory.table()["l2_sgd"]).all()
    trajectory.fill([10.0, 20.0, 30.0, 40.0, 50.0])
    assert trajectory.pending() == []
    table = trajectory.table()
    assert table["l2_sgd"].tolist() == [20, 30, 50]
    assert table["l2_psf"][[0, 2]].tolist() == [10, 40]


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0, 3.0]])
def test_filling_in_another_number_of_values_is_refused(values):
    trajectory = Trajectory()
    trajectory.record(observation(sampled=True, l2_psf=1.0, l2_sgd=2.0))
    with pytest.raises(ValueError, match="zip"):
        trajectory.fill(values)


@settings(deadline=None)
@given(st.lists(st.none() | observations(), max_size=12), st.data())
def test_when_values_are_read_does_not_matter(items, data):
    piecewise = Trajectory()
    for item in items:
        piecewise.record(item)
        if data.draw(st.booleans()):
            read(piecewise)
    read(piecewise)
    assert_same(piecewise.table(), recorded(items).table())


@settings(deadline=None)
@given(st.lists(st.none() | observations(), max_size=12), st.data())
def test_a_trajectory_that_was_saved_goes_on_as_if_it_had_not_been(items, data):
    cut = data.draw(st.integers(0, len(items)))
    resumed = Trajectory()
    resumed.record(observation(sampled=True, l2_psf=1.0, l2_sgd=1.0))  # what was there before is gone
    resumed.load_state_dict(recorded(items[:cut]).state_dict())
    assert len(resumed) == cut
    for item in items[cut:]:
        resumed.record(item)
    read(resumed)
    straight = recorded(items)
    assert_same(resumed.table(), straight.table())
    assert resumed.num_sampled == straight.num_sampled == sum(item.sampled for item in items if item)


@settings(deadline=None)
@given(st.lists(st.none() | observations(), max_size=12))
def test_the_state_is_one_float64_tensor(items):
    state = recorded(items).state_dict()
    assert list(state) == ["rows"]
    assert state["rows"].dtype == torch.float64
    assert state["rows"].shape == (len(items), len(COLUMNS))


def test_parquet_holds_the_table_with_its_types(tmp_path):
    trajectory = recorded([
        observation(sampled=True, l2_psf=0.1, l2_sgd=math.inf),
        observation(sampled=False, l2_sgd=5e-324, sigma=1 / 3),
    ])
    trajectory.write_parquet(tmp_path / "trajectory.parquet")
    table = pq.read_table(tmp_path / "trajectory.parquet")
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == {
        "iteration": pa.int64(),
        "sampled": pa.bool_(),
        **dict.fromkeys(COLUMNS[2:], pa.float64()),
    }
    assert table.num_rows == 2
    assert_same({name: table[name].to_numpy() for name in table.schema.names}, trajectory.table())
    assert [path.name for path in tmp_path.iterdir()] == ["trajectory.parquet"]


def test_an_empty_trajectory_can_be_written(tmp_path):
    Trajectory().write_parquet(tmp_path / "trajectory.parquet")
    assert pq.read_table(tmp_path / "trajectory.parquet").column_names == list(COLUMNS)


def test_a_full_disk_leaves_the_former_file(tmp_path, monkeypatch):
    path = tmp_path / "trajectory.parquet"
    recorded([None]).write_parquet(path)
    former = path.read_bytes()
    fill_disk(monkeypatch, "trajectory.parquet")
    with pytest.raises(OSError, match="space"):
        recorded([None, None]).write_parquet(path)
    assert path.read_bytes() == former
    assert [each.name for each in tmp_path.iterdir()] == ["trajectory.parquet"]


def of_draws(sampled):
    trajectory = Trajectory()
    for each in sampled:
        trajectory.record(Observation(sampled=each, l2_psf=None, l2_sgd=None, sampling_rate=0.5) if each else None)
    return trajectory


def test_the_error_of_the_fraction_is_that_of_the_mean_of_five_stretches():
    sampled = [True, True, False, True, False, False, True, False, False, False]  # fractions 1, 1/2, 0, 1/2, 0
    mean = 2 / 5
    variance = ((1 - mean) ** 2 + 2 * (0.5 - mean) ** 2 + 2 * mean**2) / 4
    assert of_draws(sampled).seed_error() == pytest.approx((variance / 5) ** 0.5, rel=1e-12)


@pytest.mark.parametrize("sampled", [[], [True], [True] * 50, [False] * 50, [True, False] * 25])
def test_what_no_seed_changes_has_no_error(sampled):
    assert of_draws(sampled).seed_error() == pytest.approx(0, abs=1e-12)
