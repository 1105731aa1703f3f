"""The stability of speed, from bursts of training."""

import statistics

import pytest

from vsam_tune.errors import InputError
from vsam_tune.machine import speed_stability as module
from vsam_tune.machine.speed_stability import measure_stability, summarize_bursts

FOUND = {
    "threads": 2,
    "bursts": {
        1: {"sgd": [100.0, 110.0, 90.0], "sam": [50.0, 55.0, 45.0]},
        2: {"sgd": [150.0, 50.0], "sam": [50.0, 50.0]},
    },
    "alone": [100.0, 90.0, 100.0],
    "beside": [50.0, 75.0, 100.0],
}


def test_spreads_are_between_bursts_and_a_paired_ratio_cancels_common_changes() -> None:
    found = summarize_bursts(FOUND)
    one, two = found.speeds[1], found.speeds[2]
    assert found.threads == 2
    assert one.ais == {"sgd": 100.0, "sam": 50.0}
    assert one.spread_percent == {"sgd": pytest.approx(10.0), "sam": pytest.approx(10.0)}
    assert (one.ais_vs_sam, one.ratio_spread_percent) == (2.0, 0.0)
    assert two.ais_vs_sam == 2.0
    assert two.ratio_spread_percent == pytest.approx(100 * statistics.stdev([3.0, 1.0]) / 2)


def test_the_slowdown_is_the_median_of_neighbouring_pairs() -> None:
    assert summarize_bursts(FOUND).slowdown == pytest.approx(1.2)


def test_a_failed_import_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MEASURE", "trainables.no_such_module:measure")
    with pytest.raises(InputError, match="install the whole package, with torch"):
        module._ask(1.0)


@pytest.mark.slow
def test_the_machine_is_measured_in_a_separate_process() -> None:
    found = measure_stability(0.2)
    assert found.slowdown > 0.2
    assert set(found.speeds) == {1, found.threads}
    for speed in found.speeds.values():
        assert speed.ais["sgd"] > speed.ais["sam"] > 0
        assert speed.ais_vs_sam > 1
