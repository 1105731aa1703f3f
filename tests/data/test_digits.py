"""The embedded data set: its sizes, and a test part that never changes."""

import torch
from sklearn.datasets import load_digits

from vsam_tune.data.digits import read
from vsam_tune.data.source import Request


def test_sizes_types_and_classes():
    source = read(Request(name="digits"))
    assert (len(source.train), len(source.test), source.num_classes) == (1448, 349, 10)
    for part in (source.train, source.test):
        assert part.x.shape[1:] == (1, 8, 8)
        assert (part.x.dtype, part.y.dtype) == (torch.uint8, torch.int64)
        assert (int(part.x.min()), int(part.x.max())) == (0, 16)


def test_the_test_part_is_stratified_and_never_changes():
    source = read(Request(name="digits"))
    assert torch.bincount(source.test.y).tolist() == [35, 35, 34, 36, 35, 35, 35, 35, 34, 35]
    assert source.test.y[:20].tolist() == [2, 8, 1, 2, 5, 8, 1, 2, 7, 1, 7, 5, 6, 4, 1, 7, 2, 2, 8, 8]
    assert int(source.test.x.sum()) == 109209


def test_the_two_parts_are_all_images_once():
    source = read(Request(name="digits"))
    together = torch.cat([source.train.x, source.test.x]).reshape(-1, 64)
    everything = torch.from_numpy(load_digits().data).to(torch.uint8)
    assert sorted(together.tolist()) == sorted(everything.tolist())
