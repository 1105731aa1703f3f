"""Contention for the processors, from fake and from real readings."""

import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsam_tune.machine import contention
from vsam_tune.machine.contention import ALONE_CORES, Contention, Reading, between, contention_within

START = Reading(
    wall_seconds=100.0, busy_seconds=5_000.0, own_seconds=7.0, family_seconds=9.0, switches=3, waiting_seconds=50.0
)
BUSY = "import time\nend = time.perf_counter() + 30\nprint('on', flush=True)\nwhile time.perf_counter() < end: pass"


def later(seconds, *, busy, own, family=None, switches=0, waiting=0.0):
    return Reading(
        wall_seconds=START.wall_seconds + seconds,
        busy_seconds=START.busy_seconds + busy,
        own_seconds=START.own_seconds + own,
        family_seconds=START.family_seconds + (own if family is None else family),
        switches=START.switches + switches,
        waiting_seconds=START.waiting_seconds + waiting,
    )


def test_the_rest_of_the_busy_time_belongs_to_others():
    found = between(START, later(10.0, busy=18.0, own=4.0, family=9.0, switches=50, waiting=2.5))
    assert found == {
        "involuntary_switches_per_second": 5.0,
        "processor_seconds": 4.0,
        "others_cores": pytest.approx(0.9),
        "alone": False,
        "cpu_pressure": 0.25,
    }


@pytest.mark.parametrize(("others", "alone"), [(0.0, True), (0.99 * ALONE_CORES, True), (1.01 * ALONE_CORES, False)])
def test_a_process_is_alone_while_others_take_less_than_a_tenth_of_a_core(others, alone):
    assert between(START, later(10.0, busy=10 * others + 3, own=3.0))["alone"] is alone


def test_coarse_ticks_never_make_others_negative():
    assert between(START, later(0.3, busy=0.28, own=0.3))["others_cores"] == 0.0


def test_without_pressure_in_the_kernel_there_is_no_value():
    for start, end in ((replace(START, waiting_seconds=None), START), (START, replace(START, waiting_seconds=None))):
        assert "cpu_pressure" not in between(start, replace(end, wall_seconds=101.0))


@given(st.floats(0.01, 1e4), st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0.01, 100))
def test_others_are_a_rate(seconds, others, own, factor):
    once = between(START, later(seconds, busy=others + own, own=own))["others_cores"]
    longer = between(START, later(factor * seconds, busy=factor * (others + own), own=factor * own))["others_cores"]
    assert once == pytest.approx(others / seconds, abs=1e-6)
    assert longer == pytest.approx(once, rel=1e-6, abs=1e-6)


def test_time_in_guests_is_counted_once_and_stolen_time_counts(monkeypatch):
    class Times:
        def _asdict(self):
            return {"user": 5.0, "nice": 1.0, "system": 2.0, "idle": 90.0, "iowait": 7.0, "steal": 3.0, "guest": 4.0}

    monkeypatch.setattr(contention.psutil, "cpu_times", Times)
    assert Reading.now().busy_seconds == 11.0


def test_pressure_is_read_in_seconds_and_is_none_if_missing(monkeypatch, tmp_path):
    file = tmp_path / "cpu"
    monkeypatch.setattr(contention, "_PRESSURE", file)
    assert Reading.now().waiting_seconds is None
    file.write_text("some avg10=0.56 avg60=0.89 avg300=6.12 total=2500000\nfull avg10=0.00 total=1\n")
    assert Reading.now().waiting_seconds == 2.5
    file.write_text("")
    assert Reading.now().waiting_seconds is None


def test_own_work_is_counted_as_own():
    counted = Contention()
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    found = counted.found()
    assert 0.2 <= found["processor_seconds"] < 0.3
    assert found["seconds"] >= found["processor_seconds"] - 0.01
    assert found["load_at_start"] >= 0
    assert found["load_at_end"] >= 0


def test_a_busy_child_belongs_to_the_family_while_it_runs_and_when_it_has_ended():
    start = Reading.now()
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        while (running := Reading.now()).family_seconds - start.family_seconds < 0.2:
            time.sleep(0.02)
        child.kill()
    ended = Reading.now()
    assert running.own_seconds - start.own_seconds < 0.2
    assert ended.family_seconds >= running.family_seconds - 0.02


def test_a_look_at_the_machine_takes_as_long_as_it_is_asked_to():
    found = contention_within(0.05)
    assert 0.05 <= found["seconds"] < 1
    assert found["processor_seconds"] < 0.05
