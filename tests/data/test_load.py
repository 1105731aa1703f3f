"""A task: its parts, and its invariants between a search and a final training."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import expensive
from vsam_tune.data.images import Images
from vsam_tune.data.load import load_task, parse_spec
from vsam_tune.errors import InputError
from vsam_tune.registry.data_and_models import DATASETS


def key(images):
    """Return the images as comparable rows."""
    return [tuple(row) for row in images.x.flatten(1).tolist()]


def test_digits_is_the_task_of_the_documents():
    data = load_task("digits", label_noise=0.2)
    assert isinstance(data.validation, Images)
    assert (len(data.train), len(data.validation), len(data.test)) == (1100, 348, 349)
    assert (data.num_classes, data.in_channels, data.image_size) == (10, 1, 8)
    assert data.redrawn == 206  # fixes the draws: another NumPy must not change a published study
    assert data.mean.tolist() == [pytest.approx(4.8570595)]
    assert data.std.tolist() == [pytest.approx(6.006226)]


@pytest.mark.parametrize("data", ["digits", "npz"])
def test_mean_and_deviation_are_those_of_the_training_part(data, cifar_like):
    task = load_task(data if data == "digits" else cifar_like)
    x = task.train.x.double()
    torch.testing.assert_close(task.mean.double(), x.mean((0, 2, 3)), rtol=1e-6, atol=0)
    torch.testing.assert_close(task.std.double(), x.std((0, 2, 3), correction=0), rtol=1e-6, atol=0)


@pytest.fixture
def cifar_like(tmp_path):
    """60 + 12 images of 8x8 in colour, of three classes, no two alike."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (72, 8, 8, 3), dtype=np.uint8)
    y = np.arange(72) % 3
    np.savez(tmp_path / "set.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    return f"npz:{tmp_path / 'set.npz'}"


@expensive
@given(seed=st.integers(0, 2**40), noise=st.floats(0, 1), fraction=st.floats(0.05, 0.9))
def test_final_training_sees_the_labels_of_the_search(seed, noise, fraction):
    arguments = {"label_noise": noise, "validation_fraction": fraction, "seed": seed}
    search, final = load_task("digits", **arguments), load_task("digits", **arguments, final=True)
    clean = load_task("digits", final=True)
    assert final.validation is None
    assert len(final.train) == len(search.train) + len(search.validation) == 1448
    assert final.redrawn == int((final.train.y != clean.train.y).sum())
    noisy, true = (
        dict(zip(key(final.train), final.train.y, strict=True)),
        dict(zip(key(clean.train), clean.train.y, strict=True)),
    )
    rows = key(search.train)
    assert search.train.y.tolist() == [noisy[row] for row in rows]
    assert search.redrawn == sum(noisy[row] != true[row] for row in rows)
    assert search.validation.y.tolist() == [true[row] for row in key(search.validation)]


@pytest.mark.parametrize("final", [False, True])
def test_test_images_are_the_same_for_every_task(final):
    plain = load_task("digits").test
    other = load_task("digits", label_noise=0.9, subset=200, seed=7, final=final).test
    assert torch.equal(plain.x, other.x)
    assert torch.equal(plain.y, other.y)


def test_the_parts_share_no_image(cifar_like):
    task = load_task(cifar_like, subset=40)
    parts = [set(key(part)) for part in (task.train, task.validation, task.test)]
    assert [len(part) for part in parts] == [32, 8, 12]
    assert len(set.union(*parts)) == 52


def test_each_consumer_of_the_seed_has_a_sub_seed():
    """The noise does not move the split, and another seed moves both."""
    plain, noisy, other = (
        load_task("digits"),
        load_task("digits", label_noise=0.5),
        load_task("digits", seed=1),
    )
    assert torch.equal(plain.validation.x, noisy.validation.x)
    assert torch.equal(plain.train.x, noisy.train.x)
    assert plain.redrawn == 0
    assert not torch.equal(plain.validation.x, other.validation.x)


def test_loading_twice_gives_the_same_bits_and_does_not_change_the_global_generators():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002 - that it is untouched
    first, second = (load_task("digits", label_noise=0.3, subset=500, seed=4) for _ in range(2))
    assert torch.equal(first.train.x, second.train.x)
    assert torch.equal(first.train.y, second.train.y)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002 - the global generator


def test_resize_shrinks_every_part(cifar_like):
    task, plain = load_task(cifar_like, resize=4), load_task(cifar_like)
    for part in ("train", "validation", "test"):
        x, full = getattr(task, part).x, getattr(plain, part).x
        assert x.shape[1:] == (3, 4, 4)
        assert x[0, 0, 0, 0] == full[0, 0, :2, :2].double().mean().round()


def test_images_that_are_not_square_need_resize(tmp_path):
    x = np.arange(192, dtype=np.uint8).reshape(8, 6, 4)
    y = np.arange(8) % 2
    np.savez(tmp_path / "set.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    data = f"npz:{tmp_path / 'set.npz'}"
    assert lines_of(data) == (f"{data}: images are 4x6, and must be square. Fix: set resize: 4.",)
    assert load_task(data, resize=4, validation_fraction=0.5).train.x.shape == (4, 1, 4, 4)


def lines_of(data, **arguments):
    with pytest.raises(InputError) as error:
        load_task(data, **arguments)
    return error.value.lines


@pytest.mark.parametrize("resize", [0, -1, 9])
def test_images_do_not_grow(resize):
    assert lines_of("digits", resize=resize) == (
        f"digits: resize = {resize}: must be from 1 to 8, the size of the images. Fix: write 8 or less.",
    )


@pytest.mark.parametrize("noise", [-0.1, 1.1, float("nan")])
def test_noise_is_a_probability(noise):
    assert lines_of("digits", label_noise=noise) == (
        f"digits: label_noise = {noise}: must be a probability, in [0, 1]. Fix: write 0 for clean labels.",
    )


@pytest.mark.parametrize(
    ("data", "name", "path"),
    [
        ("digits", "digits", None),
        ("npz:a.npz", "npz", Path("a.npz")),
        ("npz:/x/c:d.npz", "npz", Path("/x/c:d.npz")),
        ("folder:/images", "folder", Path("/images")),
    ],
)
def test_parse_spec(data, name, path):
    assert parse_spec(data) == (name, path)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (
            "mnist",
            "data: 'mnist': no such data set. "
            "Fix: write one of digits, cifar10, cifar100, fashion_mnist, random_cifar10, random_cifar100, npz, "
            "folder.",
        ),
        ("npz", "data: 'npz': the path is missing. Fix: write npz:PATH."),
        ("folder:", "data: 'folder:': the path is missing. Fix: write folder:PATH."),
        ("digits:/x", "data: 'digits:/x': digits takes no path. Fix: write digits."),
    ],
)
def test_parse_spec_refuses(data, line):
    with pytest.raises(InputError) as error:
        parse_spec(data)
    assert error.value.lines == (line,)


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_of_the_table_reaches_its_reader(name, tmp_path):
    """No files exist, so each reader of files reports its problem; the others return images."""
    if name == "digits" or name.startswith("random_"):
        assert load_task(name).num_classes == (100 if name.endswith("100") else 10)
        return
    path = tmp_path / "absent"
    lines = lines_of(f"{name}:{path}" if DATASETS[name].takes_path else name, data_root=path)
    assert all(line.startswith(str(path)) for line in lines)
