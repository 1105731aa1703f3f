"""On noise the paper's change rates drift upwards, log ratios do not."""

import sys

from benchmarks import drift_without_signal
from benchmarks.controller_replay import AUTHORS
from benchmarks.drift_without_signal import sampled_on_noise, table_1

WARMUP = AUTHORS["warmup_iterations"]


def test_only_relative_change_rates_grow():
    relative, log = (sampled_on_noise(0.2, change, 0, iterations=20_000, spread=0.1) for change in ("relative", "log"))
    assert relative.shape == log.shape == (20_000,)
    assert relative[-5_000:].mean() > 1.3 * relative[WARMUP : WARMUP + 5_000].mean()
    assert abs(log[WARMUP:].mean() - 1 / 50) < 0.01


def test_without_noise_nothing_drifts():
    assert abs(sampled_on_noise(0.2, "relative", 0, iterations=20_000, spread=0.0)[WARMUP:].mean() - 1 / 50) < 0.001


def test_more_noise_drifts_faster():
    counts = [sampled_on_noise(0.13, "relative", 0, iterations=8_000, spread=each).sum() for each in (0.05, 0.1, 0.3)]
    assert counts == sorted(counts)
    assert counts[0] < 0.6 * counts[-1]


def test_table_1_is_the_papers():
    assert table_1() == {0.05: 5_224, 0.1: 15_287, 0.13: 26_466, 0.15: 39_276, 0.2: 35_150}


def test_prints_a_row_for_each_beta_and_each_spread(monkeypatch, capsys):
    monkeypatch.setattr(drift_without_signal, "AUTHORS", {**AUTHORS, "warmup_iterations": 60})
    monkeypatch.setattr(sys, "argv", ["drift_without_signal", "--iterations", "300", "--seeds", "1"])
    drift_without_signal.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(lines) == 2 * 2 + 2 * (len(drift_without_signal.BETAS) + len(drift_without_signal.SPREADS))
    assert sum("26,466" in line for line in lines) == 1
