"""Augmentations: the output shows the shift, mirror or square of each image."""

import pytest
import torch
from torch.nn.functional import pad

from vsam_tune.data.augmentation import AUGMENTATIONS, crop, cutout, flip


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def distinct(size, channels=3, side=8):
    """Return images without zeros, and without equal pixels in a channel as far as 256 levels allow."""
    numbers = torch.arange(size * channels * side * side) % 251 + 1
    return numbers.reshape(size, channels, side, side).to(torch.uint8)


@pytest.mark.parametrize(("side", "padding"), [(8, 1), (27, 1), (28, 4), (32, 4)])
def test_crop_shifts_whole_images_and_uses_every_offset(side, padding):
    x = distinct(1500 if padding == 4 else 300, channels=2, side=side)
    result = crop(x, generator())
    assert (result.dtype, result.shape) == (x.dtype, x.shape)
    padded = pad(x, [padding] * 4)
    span = 2 * padding + 1
    matches = torch.stack([
        (padded[:, :, top : top + side, left : left + side] == result).flatten(1).all(1)
        for top in range(span)
        for left in range(span)
    ])
    assert matches.sum(0).tolist() == [1] * len(x)
    assert matches.any(1).tolist() == [True] * span**2


def test_flip_mirrors_half_of_the_images():
    x = distinct(400)
    result = flip(x, generator())
    mirrored = (result == x.flip(3)).flatten(1).all(1)
    untouched = (result == x).flatten(1).all(1)
    assert torch.equal(mirrored, ~untouched)
    assert 160 < int(mirrored.sum()) < 240


@pytest.mark.parametrize(
    ("side", "width", "first", "last"), [(32, 16, -8, 23), (28, 14, -7, 20), (8, 4, -2, 5), (9, 4, -2, 6)]
)
def test_cutout_is_one_square_in_half_of_the_images(side, width, first, last):
    x = torch.ones(4000, 2, side, side)
    hole = cutout(x, generator()) == 0
    assert torch.equal(hole[:, 0], hole[:, 1])
    chosen = hole.flatten(1).any(1)
    assert 1900 < int(chosen.sum()) < 2100
    rows, columns = hole[chosen, 0].any(2), hole[chosen, 0].any(1)
    assert torch.equal(hole[chosen, 0], rows[:, :, None] & columns[:, None, :])
    edges = range(first, last + 1)
    expected = {tuple(edge <= i < edge + width for i in range(side)) for edge in edges}
    for axis in (rows, columns):
        assert {tuple(row) for row in axis.tolist()} == expected


def test_cutout_keeps_all_other_pixels():
    x = torch.randn(50, 3, 8, 8, generator=generator(1))
    result = cutout(x, generator())
    assert torch.equal(result[result != 0], x[result != 0])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_is_a_pure_function_of_images_and_generator(name):
    x = distinct(64).float() if AUGMENTATIONS[name].normalised else distinct(64)
    before = x.clone()
    first, again, other = (AUGMENTATIONS[name].apply(x, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(x, before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_cutout_alone_follows_normalisation():
    assert {name: each.normalised for name, each in AUGMENTATIONS.items()} == {
        "crop": False,
        "flip": False,
        "cutout": True,
    }
