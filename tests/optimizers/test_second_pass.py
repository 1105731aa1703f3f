"""Batch norm's statistics are kept and random draws are repeated, also where the block raises."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm

from tests.support.tiny_trial import InterruptedPassError
from vsam_tune.optimizers.second_pass import (
    RandomState,
    frozen_statistics,
    frozen_vectors,
    norms_with_statistics,
    power_iterations,
    replayed,
)

CPU = [torch.device("cpu")]


def test_batch_and_instance_norms_of_every_dimension_are_found():
    block = nn.Sequential(nn.BatchNorm2d(2), nn.LayerNorm(2), nn.InstanceNorm1d(2))
    model = nn.Sequential(nn.BatchNorm1d(2), block, nn.SyncBatchNorm(2), nn.InstanceNorm3d(2))
    assert norms_with_statistics(model) == [model[0], block[0], block[2], model[2], model[3]]


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


def test_a_frozen_instance_norm_normalises_as_before_and_keeps_its_buffers():
    module, images = nn.InstanceNorm1d(2, track_running_stats=True), torch.arange(42.0).reshape(7, 2, 3)
    expected, before = module(images), {name: buffer.clone() for name, buffer in module.named_buffers()}
    storage = module.running_mean.data_ptr()
    with frozen_statistics([module]):
        assert torch.equal(module(images), expected)
    assert all(torch.equal(buffer, before[name]) for name, buffer in module.named_buffers())

    def fail():
        module(images)
        raise InterruptedPassError

    with pytest.raises(InterruptedPassError), frozen_statistics([module]):
        fail()
    assert all(torch.equal(buffer, before[name]) for name, buffer in module.named_buffers())
    assert module.running_mean.data_ptr() == storage
    module(images)
    assert not torch.equal(module.running_mean, before["running_mean"])


def test_an_instance_norm_in_evaluation_mode_is_not_switched_to_the_statistics_of_the_batch():
    module = nn.InstanceNorm1d(2, track_running_stats=True).eval()
    images = torch.arange(12.0).reshape(2, 2, 3)
    expected = module(images)
    with frozen_statistics([module]):
        assert torch.equal(module(images), expected)


@pytest.mark.parametrize("form", [parametrizations.spectral_norm, spectral_norm])
def test_a_frozen_spectral_norm_divides_by_the_same_vectors_and_keeps_them(form):
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        module, noise = nn.Sequential(form(nn.Linear(3, 4), n_power_iterations=2)), torch.randn(4, 3)
    points, norms = torch.eye(3), power_iterations(module)
    module(points)
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with torch.no_grad():
        next(parameter for parameter in module.parameters() if parameter.ndim == 2).add_(noise)  # as a perturbation
    module.eval()
    expected = module(points)
    module.train()
    with frozen_vectors(norms):
        assert torch.equal(module(points), expected)
    with pytest.raises(ZeroDivisionError), frozen_vectors(norms), frozen_vectors(norms):
        1 / 0  # noqa: B018 - raises
    assert all(torch.equal(buffer, before[name]) for name, buffer in module.named_buffers())
    assert [norm.n_power_iterations for norm in norms] == [2]
    module(points)
    assert not any(torch.equal(buffer, before[name]) for name, buffer in module.named_buffers())


def test_the_spectral_norm_of_a_vector_has_no_vectors_to_keep():
    module = parametrizations.spectral_norm(nn.LayerNorm(3))
    assert power_iterations(module) == []


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
