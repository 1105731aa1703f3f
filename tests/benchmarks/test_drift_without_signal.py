"""On noise the paper's change rates drift upwards, log ratios do not."""

from benchmarks.drift_without_signal import sampled

WARMUP = 1_173  # iterations, all sampled


def test_only_relative_change_rates_grow():
    relative, log = (sampled(0.2, change, 0, iterations=20_000, spread=0.1) for change in ("relative", "log"))
    assert relative.shape == log.shape == (20_000,)
    assert relative[-5_000:].mean() > 1.3 * relative[WARMUP : WARMUP + 5_000].mean()
    assert abs(log[WARMUP:].mean() - 1 / 50) < 0.01


def test_without_noise_nothing_drifts():
    assert abs(sampled(0.2, "relative", 0, iterations=20_000, spread=0.0)[WARMUP:].mean() - 1 / 50) < 0.001
