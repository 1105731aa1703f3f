"""Batch norm's statistics are kept and random draws are repeated, also where the block raises."""

import pytest
import torch
from torch import nn

from vsam_tune.optimizers.second_pass import RandomState, batch_norms, frozen_statistics, replayed

CPU = [torch.device("cpu")]


def test_batch_norms_of_every_dimension_are_found():
    block = nn.Sequential(nn.BatchNorm2d(2), nn.LayerNorm(2))
    model = nn.Sequential(nn.BatchNorm1d(2), block, nn.SyncBatchNorm(2))
    assert batch_norms(model) == [model[0], block[0], model[2]]


@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_frozen_module_normalises_by_the_batch_and_keeps_its_buffers(momentum):
    module, images = nn.BatchNorm1d(3, momentum=momentum), torch.arange(12.0).reshape(4, 3)
    expected = module(images)
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with frozen_statistics([module]):
        assert torch.equal(module(images), expected)
    assert all(torch.equal(buffer, before[name]) for name, buffer in module.named_buffers())
    module(images)
    assert module.num_batches_tracked.item() == 2


def test_statistics_are_tracked_again_after_an_exception_and_after_nesting():
    tracking, not_tracking = nn.BatchNorm1d(3), nn.BatchNorm1d(3, track_running_stats=False)
    with frozen_statistics([tracking, not_tracking]), frozen_statistics([tracking]):
        assert not tracking.track_running_stats
    assert tracking.track_running_stats
    with pytest.raises(ZeroDivisionError), frozen_statistics([tracking, not_tracking]):
        1 / 0  # noqa: B018 - raises
    assert tracking.track_running_stats
    assert not not_tracking.track_running_stats


def test_the_block_draws_again_what_was_drawn_since():
    before = RandomState.now(CPU)
    drawn = torch.rand(3)
    after = torch.get_rng_state()
    with replayed(before):
        assert torch.equal(torch.rand(3), drawn)
        torch.rand(5)
    assert torch.equal(torch.get_rng_state(), after)
    with pytest.raises(ZeroDivisionError), replayed(before):
        1 / 0  # noqa: B018 - raises
    assert torch.equal(torch.get_rng_state(), after)


def test_where_nothing_was_drawn_the_generator_is_left_alone():
    with replayed(RandomState.now(CPU)):
        torch.rand(1)
        advanced = torch.get_rng_state()
    assert torch.equal(torch.get_rng_state(), advanced)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_generator_of_a_device_is_replayed_too():
    device = torch.device("cuda", 0)
    before = RandomState.now([device])
    drawn = torch.rand(3, device=device)
    with replayed(before):
        assert torch.equal(torch.rand(3, device=device), drawn)
