"""IterationTimer: which clock tells what an iteration costs, and what of a process it counts."""

import math
import threading
import time

import pytest
import torch

from vsam_tune.training.speed import iteration_timer as timer_module
from vsam_tune.training.speed.iteration_timer import IterationTimer, Kind, Stopwatch

CPU = torch.device("cpu")


@pytest.fixture
def threads():
    """Return torch.set_num_threads; the number is set back in the end."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def busy(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@pytest.mark.parametrize(("number", "clock"), [(1, "cpu"), (2, "wall")])
def test_one_thread_is_timed_on_the_processor_and_several_on_the_wall(threads, number, clock):
    threads(number)
    assert Stopwatch(CPU).clock == clock
    assert IterationTimer(CPU).clock == clock


def test_a_processor_time_that_ticks_is_not_taken(threads, monkeypatch):
    threads(1)
    fine = timer_module.thread_time_is_fine
    fine.cache_clear()
    monkeypatch.setattr(timer_module.time, "thread_time", lambda: time.perf_counter() // 0.01 * 0.01)
    assert Stopwatch(CPU).clock == "wall"
    monkeypatch.undo()
    fine.cache_clear()
    assert fine()


def test_a_gpu_is_timed_on_the_wall():
    assert Stopwatch(torch.device("cuda")).clock == "wall"


def test_processor_time_stops_while_the_thread_waits(threads):
    threads(1)
    stopwatch = Stopwatch(CPU)
    start = stopwatch.mark()
    busy(0.05)
    time.sleep(0.2)
    seconds = stopwatch.between(start, stopwatch.mark())
    assert 0.05 <= seconds.cpu < 0.15
    assert seconds.wall >= 0.25


@pytest.mark.parametrize(("number", "least"), [(1, 0.05), (2, 0.1)])
def test_other_threads_of_the_process_count_only_where_torch_works_in_several(threads, number, least):
    threads(number)
    stopwatch, other = Stopwatch(CPU), threading.Thread(target=busy, args=(0.05,))
    start = stopwatch.mark()
    other.start()
    busy(0.05)
    other.join()
    assert least <= stopwatch.between(start, stopwatch.mark()).cpu < least + 0.045


def test_a_lap_is_an_iteration_over_a_whole_batch_and_a_smaller_one_is_counted_alone(threads):
    threads(1)
    timer = IterationTimer(CPU)
    timer.start(0.0, 0.0)
    timer.record(1.0, 0.0, penalized=False, whole=True)
    begun = timer.begin_second()
    timer.end_second(begun)
    timer.record(3.0, 0.0, penalized=False, whole=True)
    timer.record(4.0, 0.0, penalized=False, whole=False)
    plain, sampled = Kind(1.0, 0.0, penalized=False), Kind(2.0, 0.0, penalized=False)
    first, second = timer.take()
    assert (first.kind, second.kind) == (plain, sampled)
    assert math.isnan(first.second.wall)  # not timed apart
    assert 0 <= second.second.cpu <= second.seconds.cpu
    assert timer.counts == {plain: 2, sampled: 1}
    assert timer.take() == []
