"""Stratified cuts: sizes, proportions, and impossible cuts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsam_tune.data.split import split_index, subset_index
from vsam_tune.errors import InputError

class_sizes = st.lists(st.integers(10, 60), min_size=2, max_size=6)


def shuffled(sizes):
    y = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]


@settings(deadline=None)
@given(class_sizes, st.floats(0.15, 0.85), st.integers(0, 2**40))
def test_the_parts_are_everything_once_each_class_in_proportion(sizes, fraction, seed):
    y = shuffled(sizes)
    train, validation = split_index("d", y, num_classes=len(sizes), fraction=fraction, seed=seed)
    assert len(validation) == round(fraction * len(y))
    assert torch.equal(torch.cat([train, validation]).sort().values, torch.arange(len(y)))
    assert torch.equal(train, train.sort().values)
    assert torch.equal(validation, validation.sort().values)
    held_out = torch.bincount(y[validation], minlength=len(sizes))
    assert (held_out - len(validation) / len(y) * torch.tensor(sizes)).abs().max() <= 1.0


@settings(deadline=None)
@given(class_sizes, st.data())
def test_a_subset_is_stratified(sizes, data):
    y = shuffled(sizes)
    size = data.draw(st.integers(len(sizes), len(y) - len(sizes)))
    index = subset_index("d", y, num_classes=len(sizes), size=size, seed=5)
    assert len(index) == len(set(index.tolist())) == size
    assert torch.equal(index, index.sort().values)
    kept = torch.bincount(y[index], minlength=len(sizes))
    assert (kept - size / len(y) * torch.tensor(sizes)).abs().max() <= 1.0


def test_all_images_are_a_subset():
    assert subset_index("d", torch.tensor([0, 1, 1]), num_classes=2, size=3, seed=0).tolist() == [0, 1, 2]


def test_seeds_beyond_32_bits_give_other_cuts():
    y = shuffled([50, 50])
    seeds = (0, 1, 2**32, 2**62)
    cuts = {tuple(split_index("d", y, num_classes=2, fraction=0.2, seed=s)[1].tolist()) for s in seeds}
    assert len(cuts) == 4


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [(0.0, "0.0"), (1.0, "1.0"), (-0.1, "-0.1"), (float("nan"), "nan"), (0.01, "0.01"), (0.99, "0.99")],
)
def test_a_fraction_that_leaves_a_part_too_small(fraction, shown):
    with pytest.raises(InputError) as error:
        split_index("d", shuffled([20, 20]), num_classes=2, fraction=fraction, seed=0)
    assert error.value.lines == (
        f"d: validation_fraction = {shown}: must leave an image of each class on both sides: "
        "in [0.05, 0.95]. "
        "Fix: write a number in that range, or use more images.",
    )


@pytest.mark.parametrize("size", [-3, 0, 1, 39, 41, 10**9])
def test_a_subset_that_is_too_small_or_too_large(size):
    with pytest.raises(InputError) as error:
        subset_index("d", shuffled([20, 20]), num_classes=2, size=size, seed=0)
    assert error.value.lines == (
        f"d: subset = {size}: must be 40, or from 2 to 38, so that every class is on both sides. "
        "Fix: write a number in that range, or leave it out.",
    )


@pytest.mark.parametrize(("y", "name", "count"), [([0] * 9 + [1], 1, 1), ([0] * 5 + [2] * 5, 1, 0)])
def test_a_class_with_too_few_images_is_named(y, name, count):
    expected = (
        f"d: class {name} must have 2 training images for a split; {count} found. "
        "Fix: add images of this class, or keep a larger subset.",
    )
    for cut in (
        lambda: split_index("d", torch.tensor(y), num_classes=max(y) + 1, fraction=0.5, seed=0),
        lambda: subset_index("d", torch.tensor(y), num_classes=max(y) + 1, size=5, seed=0),
    ):
        with pytest.raises(InputError) as error:
            cut()
        assert error.value.lines == expected
