"""The rows of `vsam-tune doctor`."""

from collections.abc import Mapping
from typing import Any

import pytest

from vsam_tune.machine.hardware import Cores, Gpu
from vsam_tune.machine.speed_stability import Speed, Stability
from vsam_tune.study import doctor
from vsam_tune.study.doctor import examine, recommendation

FOUR = Cores(logical=8, physical=4, allowed=4, limit=3.5)
SPEED = Speed(
    ais={"sgd": 2000.0, "sam": 1000.0},
    spread_percent={"sgd": 3.0, "sam": 12.0},
    ais_vs_sam=2.0,
    ratio_spread_percent=0.5,
)


def measured(slowdown: float) -> Stability:
    return Stability(threads=4, speeds={1: SPEED}, slowdown=slowdown)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "contention_within", lambda _: {"others_cores": 0.0, "load_at_end": 0.25})
    monkeypatch.setattr(doctor, "measure_stability", lambda _: measured(1.1))
    monkeypatch.setattr(doctor, "cores", lambda: FOUR)
    monkeypatch.setattr(doctor, "gpus", list)
    monkeypatch.setattr(doctor, "free_bytes", lambda: 16.0 * 2**30)


def rows(**options: Any) -> Mapping[str, Mapping[str, Any]]:
    return {row["what"]: row for row in examine(None, **options)}


def test_each_row_shows_a_value_and_a_fix_only_if_it_is_not_fine() -> None:
    for row in examine(None):
        assert list(row) == ["what", "found", "fine", "fix", "needed"]
        assert bool(row["fix"]) == (not row["fine"])


def test_cores_are_shown_with_the_limit_of_a_control_group() -> None:
    found = rows()["cores"]["found"]
    assert found == "8 logical, 4 physical; this process may use 4, its control group grants 3.5"


def test_measurements_are_shown_by_number_of_threads() -> None:
    found = rows()
    speed = found["AIS, 1 thread"]
    assert speed["found"] == (
        "SGD 2000 images/s (spread 3.0 %), SAM 1000 images/s (spread 12.0 %); SGD / SAM 2.00 (spread 0.5 %)"
    )
    assert (speed["fine"], speed["needed"]) == (False, False)
    assert found["threads"]["found"].startswith("4, which torch takes by default")
    assert "1.10 times as long" in found["two trials at once"]["found"]


def test_quick_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "measure_stability", lambda _: pytest.fail("it was asked to be quick"))
    found = rows(quick=True)
    assert not [what for what in found if "AIS" in what]
    assert found["recommended"]["found"].startswith("--workers 3 (one a core)")


@pytest.mark.parametrize(
    ("gib", "slowdown", "shown"),
    [
        (16.0, 1.1, "--workers 3 (one a core)"),
        (16.0, 1.51, "--workers 2 (two slow each other down)"),
        (16.0, 9.0, "--workers 1 (two slow each other down)"),
        (2.3, 1.1, "--workers 2 (0.6 GiB each)"),
        (0.1, 1.1, "--workers 1 (0.6 GiB each)"),
        (2.3, 1.6, "--workers 2 (two slow each other down)"),
    ],
)
def test_workers_are_cores_less_what_memory_or_a_shared_core_forbids(gib: float, slowdown: float, shown: str) -> None:
    found = recommendation(FOUR, gib, measured(slowdown))["found"]
    assert found == f"{shown}, resources: {{cpus: 1}}, one thread a trial"


def test_one_core_runs_one_trial_however_two_would_do() -> None:
    there = Cores(logical=2, physical=1, allowed=2, limit=0.5)
    assert recommendation(there, 16.0, measured(2.1))["found"].startswith("--workers 1 (one a core)")


def test_neighbours_are_shown_and_no_search_requires_them_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = {"others_cores": 1.234, "load_at_end": 3.0, "cpu_pressure": 0.5}
    monkeypatch.setattr(doctor, "contention_within", lambda _: busy)
    row = rows()["contention"]
    assert row["found"] == "others use 1.23 of 8 cores now, waiting 50 % of the time; load average 3.0"
    assert (row["fine"], row["needed"]) == (False, False)


def test_a_measurement_that_fails_is_a_row_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: float) -> Stability:
        raise RuntimeError("the process\nended")

    monkeypatch.setattr(doctor, "measure_stability", fail)
    found = rows()
    assert found["AIS"]["found"] == "cannot be measured: the process ended"
    assert found["recommended"]["found"].startswith("--workers 3")


def test_gpus_are_shown_with_memory_clocks_and_users(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Gpu(name="H100", memory_mib=81920, used_mib=1024, clock_mhz=1755, max_clock_mhz=1980, busy_percent=40)
    mute = Gpu(name="Card", memory_mib=None, used_mib=None, clock_mhz=None, max_clock_mhz=None, busy_percent=None)
    monkeypatch.setattr(doctor, "gpus", lambda: [busy, mute])
    found = rows()
    assert found["GPUs"]["found"] == "2 (NVIDIA)"
    assert found["GPU 0"]["found"] == "H100, 79.0 of 80.0 GiB free, 1755 MHz now, 1980 at most, 40 % busy"
    assert (found["GPU 0"]["fine"], found["GPU 1"]["fine"], found["GPU 1"]["found"]) == (False, True, "Card")


def test_a_driver_that_fails_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[Gpu]:
        raise OSError("no devices")

    monkeypatch.setattr(doctor, "gpus", fail)
    row = rows()["GPUs"]
    assert (row["found"], row["fine"], row["needed"]) == ("cannot be asked: no devices", False, False)


def test_a_package_that_is_missing_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", ("no-such-package",))
    row = rows()["no-such-package"]
    assert (row["found"], row["fine"], row["needed"]) == ("missing", False, True)
