"""A simulated search: the decisions of a real one, on recorded curves and a simulated clock."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.schema import FloatDimension
from vsam_tune.analysis.results import Objective
from vsam_tune.study.file.sections import Asha, Fifo, MoAsha, RandomSearch, Tpe
from vsam_tune.study.simulation.recording import Recording, read_recordings
from vsam_tune.study.simulation.simulator import simulate

EPOCHS = 9


def recording(curves: np.ndarray, seconds: np.ndarray | None = None) -> Recording:
    """Return trials with a loss after each epoch, each epoch of a second."""
    n, epochs = curves.shape
    return Recording(
        name="toy",
        space={"x": FloatDimension(type="float", low=0.0, high=1.0)},
        params=[{"x": i / max(1, n - 1)} for i in range(n)],
        metrics=("loss",),
        curves=curves[:, :, np.newaxis].astype(float),
        objectives=(Objective("loss", "minimize"),),
        seconds=np.tile(np.arange(1.0, epochs + 1), (n, 1)) if seconds is None else seconds,
    )


def constant(n: int) -> Recording:
    """Return trials whose loss is their number, from the first epoch on."""
    return recording(np.tile(np.arange(n)[:, np.newaxis], (1, EPOCHS)))


def test_fifo_trains_one_trial_after_the_other_to_its_end() -> None:
    first, second = simulate(
        constant(10), sampler=RandomSearch(), trial_scheduler=Fifo(), workers=1, budgets=[2 * EPOCHS, 10 * EPOCHS]
    )
    assert (first.epochs, first.seconds, first.finished, first.started) == (18, 18.0, 2, 3)
    assert (second.epochs, second.finished, second.started, second.hypervolume) == (90, 10, 10, 1.0)


@pytest.mark.parametrize("workers", [1, 3, 10])
def test_workers_share_the_time(workers: int) -> None:
    (end,) = simulate(constant(30), sampler=RandomSearch(), trial_scheduler=Fifo(), workers=workers, budgets=[270])
    assert (end.epochs, end.finished, end.seconds) == (270, 30, 270 / workers)


def test_a_trial_that_takes_longer_holds_its_worker() -> None:
    """Two workers, three trials: the slow one ends at 90, the others one after the other at 9 and 18."""
    seconds = np.outer([10.0, 1.0, 1.0], np.arange(1, EPOCHS + 1))
    curves = np.tile(np.arange(3)[:, np.newaxis], (1, EPOCHS))
    ends = simulate(
        recording(curves, seconds), sampler=RandomSearch(), trial_scheduler=Fifo(), workers=2, budgets=[18, 27]
    )
    assert ends[1].seconds in (90.0, 99.0)  # 99 if the slow one is drawn last
    assert ends[1].finished == 3


def test_asha_stops_the_trials_that_the_literal_rule_stops() -> None:
    """With losses that are constant, those that arrive in ascending order are stopped but for the best third."""
    section = Asha(kind="asha", metric="loss", guard="off")
    (end,) = simulate(constant(30), sampler=RandomSearch(), trial_scheduler=section, workers=1, budgets=[10_000])
    assert end.started == 30
    assert end.hypervolume == 1.0  # the best one is never stopped
    assert end.epochs < 30 * EPOCHS / 2


def test_a_promotion_goes_on_where_the_trial_paused() -> None:
    section = MoAsha(kind="mo_asha", variant="promotion", guard="off")
    (end,) = simulate(constant(30), sampler=RandomSearch(), trial_scheduler=section, workers=1, budgets=[10_000])
    # rungs at 1 and 3: 30 trials of an epoch, then a third of them two more, then a third of these six more
    assert (end.started, end.finished) == (30, 4)
    fewest = 30 * 1 + 10 * 2 + 4 * 6
    assert fewest <= end.epochs <= fewest + 20  # a trial may be promoted before a better one arrives
    assert end.hypervolume == 1.0


CURVES = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(0, 50, size=(12, EPOCHS)))


@settings(max_examples=15)
@given(
    curves=CURVES,
    workers=st.integers(1, 5),
    section=st.sampled_from([Fifo(), MoAsha(kind="mo_asha"), MoAsha(kind="mo_asha", variant="promotion")]),
    sampler=st.sampled_from([RandomSearch(seed=3), Tpe(seed=3, startup_trials=4)]),
)
def test_what_is_reached_only_grows_and_the_same_seed_reaches_the_same(
    curves: np.ndarray, workers: int, section: Any, sampler: Any
) -> None:
    arguments: Any = {"sampler": sampler, "trial_scheduler": section, "workers": workers, "budgets": [30, 60, 10_000]}
    first = simulate(recording(curves), **arguments)
    assert first == simulate(recording(curves), **arguments)
    for one, two in pairwise(first):
        assert one.epochs <= two.epochs
        assert one.hypervolume <= two.hypervolume <= 1
        assert one.finished <= two.finished <= 12
        assert one.started <= two.started <= 12
    assert first[-1].started == 12


def write(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


PARAMS = np.array([[1e-3, 1], [1.0, 5], [0.1, 3]])
TASK = np.random.default_rng(0).random((3, 4, 2))


def test_a_file_is_a_recording_for_each_task(tmp_path: Path) -> None:
    metrics = ["val_accuracy", "gradient_evaluations"]
    file = write(tmp_path / "two.npz", params=PARAMS, param_names=["lr", "k"], metrics=metrics, a=TASK, b=TASK[:, :2])
    first, second = read_recordings(str(file), tmp_path)
    assert (first.name, second.name, first.epochs, second.epochs) == ("a", "b", 4, 2)
    assert [each.name for each in first.objectives] == metrics
    assert {name: (each.type, each.log) for name, each in first.space.items() if each.type != "categorical"} == {
        "lr": ("float", True),
        "k": ("int", False),
    }
    assert first.params[1] == {"lr": 1.0, "k": 5}
    assert first.point(2, 3) == {"val_accuracy": TASK[2, 2, 0], "gradient_evaluations": TASK[2, 2, 1], "epoch": 3.0}


def test_objectives_may_be_replaced(tmp_path: Path) -> None:
    file = write(tmp_path / "a.npz", params=PARAMS, metrics=["cost", "val_loss"], curves=TASK, objectives=["val_loss"])
    (stored,) = read_recordings(str(file), tmp_path)
    assert (stored.name, stored.objectives) == ("a", (Objective("val_loss", "minimize"),))
    (chosen,) = read_recordings(str(file), tmp_path, ["cost:maximize"])
    assert chosen.objectives == (Objective("cost", "maximize"),)


def test_the_benchmarks_files_are_read() -> None:
    data = Path(__file__).parents[3] / "benchmarks" / "data"
    lcbench = read_recordings(str(data / "lcbench.npz"), Path())
    assert [(each.name, each.num_trials, each.epochs) for each in lcbench] == [
        (name, 2000, 52) for name in ("167152", "167185", "189873")
    ]
    (digits,) = read_recordings(str(data / "digits.npz"), Path())
    assert (digits.num_trials, digits.epochs, digits.name) == (64, 40, "digits")
    assert [each.name for each in digits.objectives] == ["val_accuracy", "gradient_evaluations"]
