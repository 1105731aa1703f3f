"""Random images have the shape of the data set in their name."""

import pytest
import torch

from vsam_tune.data.load import load_task


@pytest.mark.parametrize(("name", "num_classes"), [("random_cifar10", 10), ("random_cifar100", 100)])
def test_the_shape_is_that_of_the_data_set(name, num_classes):
    task = load_task(name, final=True)
    assert task.num_classes == num_classes
    assert task.train.x.shape == (50_000, 3, 32, 32)
    assert task.test.x.shape == (10_000, 3, 32, 32)
    assert task.train.x.dtype == torch.uint8
    assert torch.bincount(task.train.y).unique().tolist() == [50_000 // num_classes]


def test_they_are_noise_and_the_same_at_every_call():
    one, two = (load_task("random_cifar10") for _ in range(2))
    assert torch.equal(one.train.x, two.train.x)
    assert one.train.x.float().std() == pytest.approx(73.9, abs=0.5)  # of 0 to 255, uniform
