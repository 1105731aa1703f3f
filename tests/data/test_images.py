"""Resizing and statistics against NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vsam_tune.data.images import Images, channel_statistics, resized

pixels = arrays(np.uint8, st.tuples(st.integers(1, 5), st.sampled_from([1, 3]), st.just(8), st.just(8)))


@settings(deadline=None)
@given(pixels, st.sampled_from([1, 2, 4]))
def test_resized_is_the_rounded_mean_of_each_square(x, size):
    side = 8 // size
    means = x.reshape(*x.shape[:2], size, side, size, side).astype(np.float64).mean(axis=(3, 5))
    result = resized(torch.from_numpy(x), size)
    assert result.dtype == torch.uint8
    assert result.shape == (*x.shape[:2], size, size)
    assert np.abs(result.numpy().astype(np.float64) - means).max() <= 0.5 + 1e-4


def test_resized_keeps_extremes_and_images_that_fit():
    x = torch.tensor([[[[255, 255, 0, 0], [255, 255, 0, 0]] * 2]], dtype=torch.uint8)
    assert resized(x, 2).tolist() == [[[[255, 0], [255, 0]]]]
    assert resized(x, 4) is x


def test_resized_takes_more_images_than_it_handles_together():
    x = torch.arange(5000, dtype=torch.int64).remainder(256).to(torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2)
    assert torch.equal(resized(x, 1), x[:, :, :1, :1])


@settings(deadline=None)
@given(pixels)
def test_channel_statistics_are_those_of_numpy(x):
    mean, std = channel_statistics(torch.from_numpy(x))
    expected = x.astype(np.float64).std(axis=(0, 2, 3))
    assert mean.dtype == std.dtype == torch.float32
    np.testing.assert_allclose(mean, x.astype(np.float64).mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std, np.where(expected == 0, 1, expected), rtol=1e-6)


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_constant_channel_can_be_divided_by_its_deviation(level):
    mean, std = channel_statistics(torch.full((3, 1, 4, 4), level, dtype=torch.uint8))
    assert (mean.tolist(), std.tolist()) == ([level], [1.0])


def test_select_returns_images_in_the_given_order():
    images = Images(torch.arange(4, dtype=torch.uint8).reshape(4, 1, 1, 1), torch.tensor([10, 11, 12, 13]))
    chosen = images.select(torch.tensor([3, 0]))
    assert (chosen.x.flatten().tolist(), chosen.y.tolist(), len(chosen)) == ([3, 0], [13, 10], 2)
