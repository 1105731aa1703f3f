"""A report is read once, when it arrives; everything downstream sees the same."""

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.study.test_search import searched
from vsam_tune.study.scheduling.arrivals import Arrivals
from vsam_tune.study.storage.learning_curve import read_curve

HUGE = 10**400


def test_each_refused_name_is_named_once_a_study(caplog: pytest.LogCaptureFixture) -> None:
    arrivals = Arrivals()
    with caplog.at_level(logging.WARNING):
        for trial_id in ("a", "b", "a"):
            arrivals(trial_id, {"loss": 1.0, "note": "a", "val": {"n": HUGE, "acc": 2.0}, "done": False})
    assert [entry.getMessage() for entry in caplog.records] == [
        "a trial reports `note`, which is of type str: it is no metric, and is left out",
        "a trial reports `val/n`, which is an integer beyond the range of floats: it is no metric, and is left out",
    ]
    assert arrivals.newest("a").metrics == {"loss": 1.0, "val/acc": 2.0}


def test_an_arrival_is_the_newest_report_of_its_trial_until_that_is_forgotten() -> None:
    arrivals = Arrivals()
    assert arrivals.newest("a").metrics == arrivals.newest("a").report == {}
    assert [arrivals("a", {"loss": 1.0}), arrivals("b", {"loss": 2.0}), arrivals.stop_all()] == [False] * 3
    arrivals("a", {"loss": 3.0, "replicate_ended": True})
    assert (arrivals.newest("a").metrics, arrivals.newest("b").metrics) == ({"loss": 3.0}, {"loss": 2.0})
    assert arrivals.newest("a").report.get("replicate_ended")
    arrivals.forget("a")
    arrivals.forget("c")
    assert arrivals.newest("a").metrics == {}


def test_ray_gets_no_integer_that_it_cannot_average() -> None:
    report: dict[str, Any] = {"loss": 1.0, "huge": HUGE, "val": {"huge": HUGE, "acc": 2.0}}
    Arrivals()("a", report)
    assert report == {"loss": 1.0, "val": {"acc": 2.0}}


@pytest.mark.ray
def test_objectives_rungs_curves_and_storage_see_the_same_numbers(
    ray_address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended = searched(
        tmp_path,
        ray_address,
        workers=1,
        trainable="tests.support.trainables.unusual_reports:UnusualReports",
        objectives=[{"name": "loss", "direction": "minimize"}, {"name": "val/cost", "direction": "minimize"}],
        trial_scheduler={"kind": "asha", "metric": "val/cost", "reduction_factor": 2, "min_epochs": 2, "guard": "off"},
        initial=[{"x": 0.5}, {"x": 1.0}],
        budget={"trials": 2},
    )
    first, second = ended.result.trials
    assert (first.state, second.state) == ("complete", "pruned")
    assert first.values == {"loss": 0.25 + 1 / 4, "val/cost": 2.25}
    assert second.stopped == "trial scheduler at epoch 2"
    assert first.metrics == {"epoch": 4, "iteration": 40, **first.values, "val/deep/three": 3}
    assert first.rungs[2]["val/cost"] == 2.25
    for record in ended.result.trials:
        points = read_curve(ended.study_folder / f"trials/{record.number:05d}")
        assert len(points) == record.epochs
        assert record.metrics.items() <= points[-1].items()
    named = [entry.args[0] for entry in caplog.records if "it is no metric" in entry.getMessage() and entry.args]
    assert sorted(named) == ["complex", "flag", "huge", "row", "val/deep/huge", "words"]
