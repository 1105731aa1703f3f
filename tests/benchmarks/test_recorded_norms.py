"""Norms of a real training: what is recorded, what shuffling and stretching do to them, and the report."""

import numpy as np
import pytest

from benchmarks.controller_replay import AUTHORS, PHASES, phase_fractions, sampled
from benchmarks.norm_sequences import autocorrelation, noise_rows, residuals, shuffled, stretched
from benchmarks.recorded_norms import Record, load, main, record, report, settings_for

STUDY = """\
name: tiny
task: {data: digits, subset: 200, model: {name: cnn, width: 4}, epochs: 2, batch_size: 8}
method: {name: vsam, rho: 0.4, interval: 10}
space: {beta: null, num_slices: null, warmup_iterations: null}
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    file = tmp_path_factory.mktemp("tiny") / "tiny.yaml"
    file.write_text(STUDY)
    return file


def noisy(iterations=4_000, spread=0.4, seed=0):
    """Return norms without a trend."""
    return np.exp(spread * np.random.default_rng(seed).standard_normal((iterations, 2)))


def with_trend(iterations=4_000):
    """Return norms whose ratio falls by a factor of e^8 over the run, with a spread of 10 %."""
    norms = noisy(iterations, spread=0.1)
    norms[:, 0] *= np.exp(-8 * np.linspace(0, 1, iterations))
    return norms


def fraction(norms, change, seed=0):
    return sampled(norms, change=change, seed=seed, settings=settings_for(len(norms))).mean()


@pytest.fixture(scope="module")
def recorded(tiny):
    return record(tiny, epochs=11, seed=0)


def test_a_record_has_the_norms_of_sam_in_every_iteration(recorded):
    assert recorded.norms.shape == (11 * recorded.epoch, 2)
    assert np.isfinite(recorded.norms).all()
    assert (recorded.norms > 0).all()
    assert recorded.about["rho"] == 0.4


def test_a_training_that_is_too_short_is_refused(tiny, capsys):
    assert main(["--study", str(tiny), "--epochs", "2"]) == 2
    message = capsys.readouterr().err
    assert message.startswith(
        "recorded_norms: --epochs = 2: gives 38 iterations, and the controller needs 200. Fix: write 11 or more"
    )


def test_a_saved_record_is_read_back(tmp_path):
    saved = Record(norms=noisy(100), epoch=10, about={"study": "a.yaml", "epochs": 10})
    saved.save(tmp_path / "norms.npz")
    read = load(tmp_path / "norms.npz")
    assert np.array_equal(read.norms, saved.norms)
    assert (read.epoch, read.about) == (10, saved.about)


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_file_that_is_no_record_is_refused(tmp_path, capsys, content):
    path = tmp_path / "norms.npz"
    path.write_bytes(content)
    assert main(["--record", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"{path}: is not a record of this benchmark. Fix: ")


def test_shuffling_keeps_the_pairs():
    norms = noisy(1_000)
    for parts in (1, 4):
        moved = shuffled(norms, np.random.default_rng(0), parts=parts)
        assert not np.array_equal(moved, norms)
        for before, after in zip(np.array_split(norms, parts), np.array_split(moved, parts), strict=True):
            assert sorted(map(tuple, before)) == sorted(map(tuple, after))


def test_shuffling_a_falling_ratio_raises_the_rate_unless_changes_are_logarithmic():
    """The relative changes of a shuffled trend have a large positive mean; the logarithmic ones cancel."""
    norms = with_trend()
    mixed = shuffled(norms, np.random.default_rng(0))
    assert fraction(mixed, "relative") > 3 * fraction(norms, "relative")
    floor = settings_for(len(norms))["warmup_iterations"] / len(norms) + 1 / AUTHORS["interval"]
    assert fraction(mixed, "log") == pytest.approx(floor, abs=0.005)


def test_shuffling_pure_noise_changes_nothing():
    norms = noisy()
    mixed = [fraction(shuffled(norms, np.random.default_rng(seed)), "relative", seed) for seed in range(4)]
    assert fraction(norms, "relative") == pytest.approx(np.mean(mixed), abs=0.05)


def test_stretching_keeps_trend_and_noise():
    norms = with_trend(1_000)
    longer = stretched(norms, 20_000, block=20, draws=np.random.default_rng(0))
    assert longer.shape == (20_000, 2)
    at_record = np.log(longer[:, 0]).reshape(1_000, 20).mean(axis=1)
    assert np.abs(at_record - np.log(norms[:, 0])).max() < 1
    trends = np.log(norms).reshape(10, 100, 2).mean(axis=1), np.log(longer).reshape(10, 2_000, 2).mean(axis=1)
    assert np.abs(trends[0] - trends[1]).max() < 0.2
    assert residuals(longer[:, 1], 101).std() == pytest.approx(residuals(norms[:, 1], 101).std(), rel=0.05)
    steps = (np.diff(np.log(longer[:, 1])), np.diff(np.log(norms[:, 1])))
    assert steps[0].std() == pytest.approx(steps[1].std(), rel=0.05)


def test_noise_is_measured_without_the_trend():
    h, q, ratio = noise_rows(with_trend(), 101)
    assert float(h["spread"]) == pytest.approx(0.1, abs=0.01)
    assert float(q["spread"]) == pytest.approx(0.1, abs=0.01)
    assert float(ratio["spread"]) == pytest.approx(0.1 * 2**0.5, abs=0.01)
    assert all(abs(float(row[f"lag {lag}"])) < 0.06 for row in (h, q, ratio) for lag in (1, 5, 20))


def test_autocorrelation_of_a_slow_noise():
    steps = np.random.default_rng(0).standard_normal(20_000)
    slow = np.convolve(steps, 0.8 ** np.arange(60), mode="valid")
    for lag in (1, 5, 20):
        assert autocorrelation(slow, lag) == pytest.approx(0.8**lag, abs=0.05)


def test_phases_leave_the_warm_up_out():
    taken = np.zeros(1_000, dtype=bool)
    taken[:100] = taken[600:700] = True
    assert list(phase_fractions(taken, 100).values()) == [0, 0.4, 0]
    assert list(phase_fractions(taken, 100)) == list(PHASES)


def test_settings_are_the_authors_at_their_length():
    assert settings_for(78_200) == AUTHORS
    assert settings_for(3_600)["warmup_iterations"] == 54
    assert settings_for(100)["warmup_iterations"] == 51


def test_the_report_has_all_tables():
    text = report(Record(norms=noisy(600), epoch=20, about={"study": "a.yaml"}), iterations=2_000, seeds=2)
    assert "The record: 600 iterations, a warm-up of 51" in text
    assert "The record, stretched: 2,000 iterations, a warm-up of 51" in text
    assert sum("shuffled within quarters" in line for line in text.splitlines()) == 4
    assert "authors" not in text  # their runs have another length


def test_a_whole_call_records_once_and_repeats_exactly(tiny, recorded, tmp_path, capsys):
    arguments = ["--study", str(tiny), "--epochs", "11", "--iterations", "300", "--replays", "1"]
    arguments += ["--record", str(tmp_path / "norms.npz")]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert np.array_equal(load(tmp_path / "norms.npz").norms, recorded.norms)
    assert "study tiny.yaml" in first
    assert main(arguments) == 0
    assert capsys.readouterr().out == first
