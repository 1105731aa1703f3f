"""The resident loader: every image once, the same bits after a resume, and no state."""

from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsam_tune.data.augmentation import AUGMENTATIONS
from vsam_tune.data.images import Images, channel_statistics
from vsam_tune.data.loader import ResidentLoader
from vsam_tune.errors import InputError


def images(size=50, channels=3, side=8):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (size, channels, side, side), generator=generator, dtype=torch.uint8)
    return Images(x, torch.arange(size) % 10)


def loader(data=None, **settings):
    data = images() if data is None else data
    mean, std = channel_statistics(data.x)
    return ResidentLoader(data, mean=mean, std=std, **{"batch_size": 16, "seed": 0, **settings})


def same(first, second):
    """Return whether two lists of batches are equal, bit for bit."""
    pairs = zip(first, second, strict=True)
    return all(torch.equal(a, b) for batches in pairs for a, b in zip(*batches, strict=True))


@settings(deadline=None)
@given(
    size=st.integers(1, 70),
    batch_size=st.integers(1, 80),
    epoch=st.integers(0, 10**6),
    seed=st.integers(0, 2**62),
)
def test_an_epoch_is_every_image_once(size, batch_size, epoch, seed):
    data = images(size)
    batches = list(loader(data, batch_size=batch_size, seed=seed).batches(epoch))
    assert len(batches) == len(loader(data, batch_size=batch_size)) == -(-size // batch_size)
    assert [len(batch.y) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    index = torch.cat([batch.index for batch in batches])
    assert sorted(index.tolist()) == list(range(size))
    assert torch.equal(torch.cat([batch.y for batch in batches]), data.y[index])


def test_images_are_normalised_channel_by_channel():
    data = images(20)
    mean, std = torch.tensor([10.0, 20.0, 30.0]), torch.tensor([2.0, 4.0, 8.0])
    (batch,) = ResidentLoader(data, mean=mean, std=std, batch_size=20, seed=0).batches(0)
    expected = torch.stack([(data.x[batch.index, c].float() - mean[c]) / std[c] for c in range(3)], dim=1)
    assert batch.x.dtype == torch.float32
    assert torch.equal(batch.x, expected)


def test_without_shuffling_the_order_is_that_of_the_images():
    batches = list(loader(shuffle=False).batches())
    assert torch.cat([batch.index for batch in batches]).tolist() == list(range(50))


def test_order_depends_on_seed_and_epoch():
    orders = {
        tuple(torch.cat([batch.index for batch in loader(seed=seed).batches(epoch)]).tolist())
        for seed in (0, 1)
        for epoch in (0, 1, 2)
    }
    assert len(orders) == 6


@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_an_epoch_resumed_in_the_middle_sees_the_same_bits(start):
    straight = list(loader(augmentation=list(AUGMENTATIONS)).batches(7))
    resumed = list(loader(augmentation=list(AUGMENTATIONS)).batches(7, start=start))
    assert len(straight) == 4
    assert same(straight[start:], resumed)


def test_two_epochs_read_in_turn_do_not_disturb_each_other():
    one = loader(augmentation=list(AUGMENTATIONS))
    expected = [list(one.batches(epoch)) for epoch in (0, 1)]
    mixed = list(zip(one.batches(0), one.batches(1), strict=True))
    assert same([first for first, _ in mixed], expected[0])
    assert same([second for _, second in mixed], expected[1])


def test_augmentation_differs_from_batch_to_batch_and_from_epoch_to_epoch():
    data = Images(images(1).x.expand(64, -1, -1, -1), torch.zeros(64, dtype=torch.int64))
    one = loader(data, augmentation=["crop"], shuffle=False)
    seen = {tuple(batch.x.flatten().tolist()) for epoch in (0, 1) for batch in one.batches(epoch)}
    assert len(seen) == 8


def test_augmentations_apply_in_the_order_of_the_table():
    assert same(
        list(loader(augmentation=["cutout", "flip", "crop"]).batches(0)),
        list(loader(augmentation=["crop", "flip", "cutout"]).batches(0)),
    )


def test_the_padding_is_black_before_and_the_mean_colour_after_normalisation():
    data = Images(torch.full((200, 1, 8, 8), 100, dtype=torch.uint8), torch.zeros(200, dtype=torch.int64))
    mean, std = torch.tensor([50.0]), torch.tensor([10.0])
    (cropped,) = ResidentLoader(data, mean=mean, std=std, batch_size=200, augmentation=["crop"]).batches()
    (cut,) = ResidentLoader(data, mean=mean, std=std, batch_size=200, augmentation=["cutout"]).batches()
    assert cropped.x.unique().tolist() == [-5.0, 5.0]
    assert cut.x.unique().tolist() == [0.0, 5.0]


@pytest.mark.parametrize("augmentation", [[], list(AUGMENTATIONS)])
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_last_changes_the_layout_alone(augmentation, channels):
    data = images(channels=channels)
    plain = list(loader(data, augmentation=augmentation).batches(0))
    other = list(loader(data, augmentation=augmentation, channels_last=True).batches(0))
    assert same(plain, other)
    assert all(batch.x.is_contiguous() for batch in plain)
    assert all(batch.x.is_contiguous(memory_format=torch.channels_last) for batch in other)


def test_reading_changes_neither_the_images_nor_the_global_generator():
    data, state = images(), torch.get_rng_state()
    list(loader(data, augmentation=list(AUGMENTATIONS)).batches(0))
    for batch in loader(data).batches(0):
        batch.x.zero_()
    assert torch.equal(data.x, images().x)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_images_are_shared_on_the_cpu():
    data = images()
    before = next(iter(loader(data, shuffle=False).batches()))
    data.x[0] = 0
    after = next(iter(loader(data, shuffle=False).batches()))
    assert not torch.equal(before.x[0], after.x[0])


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"batch_size": 0}, "loader: batch_size = 0: must be at least 1. Fix: write 64 or 128."),
        (
            {"augmentation": ["crop", "mixup"]},
            "loader: augmentation = ['crop', 'mixup']: must be names among crop, flip, cutout, each once. "
            "Fix: correct the list.",
        ),
        (
            {"augmentation": ["flip", "flip"]},
            "loader: augmentation = ['flip', 'flip']: must be names among crop, flip, cutout, each once. "
            "Fix: correct the list.",
        ),
    ],
)
def test_invalid_settings(settings, line):
    with pytest.raises(InputError) as error:
        loader(**settings)
    assert error.value.lines == (line,)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_nothing_waits_for_the_gpu():
    one = loader(augmentation=list(AUGMENTATIONS), device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = list(islice(one.batches(0), 3))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert batches[0].x.is_cuda
