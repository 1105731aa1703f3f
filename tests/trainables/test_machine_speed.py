"""Bursts of training on this machine."""

from trainables.machine_speed import Bursts, _iterations, _rounds


def test_a_burst_counts_the_images_of_every_batch_over_the_ends_of_epochs(monkeypatch):
    clock = iter([10.0, 12.0])
    bursts = Bursts("sgd")
    monkeypatch.setattr("trainables.machine_speed.time.perf_counter", lambda: next(clock))
    assert bursts.take(20) == (1100 + 2 * 64) / 2.0  # 18 iterations an epoch, the last of 12 images


def test_rounds_hold_a_burst_of_each_kind_with_each_number_of_threads():
    entrants = {method: Bursts(method) for method in ("sgd", "sam")}
    taken = _rounds(entrants, [1], seconds=0.0)
    assert {method: len(rates) for method, rates in taken[1].items()} == {"sgd": 3, "sam": 3}
    assert min(min(rates) for rates in taken[1].values()) > 0
    assert _iterations(entrants, 1) >= 1
