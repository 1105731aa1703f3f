"""Label noise: the same rule for every index."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsam_tune.data.label_noise import noisy_labels

labels = st.lists(st.integers(0, 4), min_size=1, max_size=200).map(torch.tensor)
rates = st.floats(0, 1)
seeds = st.integers(0, 2**40)


@settings(deadline=None)
@given(labels, rates, seeds)
def test_labels_stay_labels_and_the_input_does_not_change(y, rate, seed):
    before = y.clone()
    noisy = noisy_labels(y, num_classes=5, rate=rate, seed=seed)
    assert torch.equal(y, before)
    assert (noisy.dtype, noisy.shape) == (torch.int64, y.shape)
    assert set(noisy.tolist()) <= set(range(5))
    assert torch.equal(noisy, noisy_labels(y, num_classes=5, rate=rate, seed=seed))


@settings(deadline=None)
@given(labels, seeds)
def test_no_noise_changes_nothing(y, seed):
    assert torch.equal(noisy_labels(y, num_classes=5, rate=0.0, seed=seed), y)


@settings(deadline=None)
@given(labels, labels, rates, seeds)
def test_the_noise_of_an_index_does_not_depend_on_its_label(y, other, rate, seed):
    size = min(len(y), len(other))
    first = noisy_labels(y[:size], num_classes=5, rate=rate, seed=seed)
    second = noisy_labels(other[:size], num_classes=5, rate=rate, seed=seed)
    assert torch.equal((first == y[:size]) | (first == second), torch.ones(size, dtype=torch.bool))


@settings(deadline=None)
@given(labels, rates, rates, seeds)
def test_more_noise_keeps_the_draws_of_less_noise(y, rate, other, seed):
    less, more = (noisy_labels(y, num_classes=5, rate=r, seed=seed) for r in sorted((rate, other)))
    assert torch.equal(less[less != y], more[less != y])


def test_the_share_changed_is_rate_times_the_other_classes():
    y = torch.arange(100_000) % 10
    noisy = noisy_labels(y, num_classes=10, rate=0.2, seed=3)
    changed = noisy != y
    assert abs(float(changed.double().mean()) - 0.2 * 9 / 10) < 0.005
    counts = torch.bincount(noisy[changed], minlength=10) / changed.sum()
    assert (counts - 0.1).abs().max() < 0.01


def test_another_seed_changes_other_labels():
    y = torch.zeros(1000, dtype=torch.int64)
    first, second = (noisy_labels(y, num_classes=10, rate=0.5, seed=seed) for seed in (0, 1))
    assert not torch.equal(first, second)
