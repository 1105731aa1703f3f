"""Custom readers: their result becomes the data of a task, or each problem gives a line."""

import pytest
import torch

from tests.support import custom_extensions
from tests.support.digits_trial import trial_config
from vsam_tune.data.images import Images
from vsam_tune.data.load import load_task
from vsam_tune.data.source import Source
from vsam_tune.errors import InputError

READER = "tests.support.custom_extensions:stripes"
FIX = "return checked_source(request.name, train, test)"


def part(number=6, *, x=torch.uint8, y=torch.int64):
    pixels = torch.arange(number, dtype=x)[:, None, None, None].expand(-1, 1, 4, 4)
    return Images(pixels.contiguous(), (torch.arange(number) % 2).to(y))


def test_its_images_become_a_task():
    data = load_task(READER)
    assert (len(data.train), len(data.validation), len(data.test)) == (192, 48, 60)  # 0.2 is held out
    assert (data.num_classes, data.in_channels, data.image_size) == (3, 1, 8)
    assert torch.equal(data.test.x, custom_extensions.stripes(type("Request", (), {"name": "it"})).test.x)


def test_the_settings_of_a_task_apply_to_it():
    data = load_task(READER, resize=4, subset=120, label_noise=0.5, validation_fraction=0.5)
    assert data.train.x.shape == (60, 1, 4, 4)
    assert data.redrawn > 0


def test_it_gets_the_same_request_as_the_built_in_readers(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(custom_extensions, "stripes", lambda request: asked.append(request) or Source(
        train=part(), test=part(), num_classes=2
    ))  # fmt: skip
    load_task(READER, data_root=tmp_path, download=True, resize=3, validation_fraction=0.5)
    (request,) = asked
    assert (request.name, request.path, request.root) == (READER, None, tmp_path)
    assert (request.download, request.resize) == (True, 3)


@pytest.mark.parametrize(
    ("returned", "lines"),
    [
        (3, [f"must return a vsam_tune.data.source.Source, not int. Fix: {FIX}."]),
        (
            Source(train=part(), test=(1, 2), num_classes=2),
            ["test: must be an Images, not tuple. Fix: make it Images(x, y)."],
        ),
        (
            Source(train=part(x=torch.float32), test=part(y=torch.int32), num_classes=2),
            [
                "train.x = 'float32 (6, 1, 4, 4)': must be a uint8 tensor, (N, C, H, W). Fix: make it one, values 0 to"
                " 255.",
                "test.y = 'int32 (6,)': must be an int64 tensor, (N,). Fix: make it one, from 0.",
            ],
        ),
        (
            Source(train=Images([[1]], torch.zeros(3, 1, dtype=torch.int64)), test=part(), num_classes=2),
            [
                "train.x = 'list': must be a uint8 tensor, (N, C, H, W). Fix: make it one, values 0 to 255.",
                "train.y = 'int64 (3, 1)': must be an int64 tensor, (N,). Fix: make it one, from 0.",
            ],
        ),
        (
            Source(train=Images(part(6).x, part(5).y), test=part(), num_classes=2),
            ["length of train.y = 5: must be one label per image; there are 6 images. Fix: make both from the same"
             " images."],
        ),
        (
            Source(train=part(1), test=part(), num_classes=2),
            ["train: labels must be 0 to K-1, K >= 2, each at least once; 1 of 2 classes occur. Fix: number the"
             " classes without gaps, from 0."],
        ),
        (
            Source(train=part(), test=part(), num_classes=10),
            [f"num_classes = 10: must be 2, the largest training label plus one. Fix: {FIX}."],
        ),
    ],
)  # fmt: skip
def test_each_problem_of_a_source_gives_a_line(returned, lines, monkeypatch):
    monkeypatch.setattr(custom_extensions, "stripes", lambda _: returned)
    with pytest.raises(InputError) as caught:
        load_task(READER)
    assert [line.removeprefix(f"{READER}: ") for line in caught.value.lines] == lines


def test_a_function_that_takes_no_request_is_an_error(monkeypatch):
    monkeypatch.setattr(custom_extensions, "stripes", lambda: None)
    with pytest.raises(InputError) as caught:
        load_task(READER)
    assert caught.value.lines == (
        f"{READER}: too many positional arguments. Fix: add arguments to it, since it has none.",
    )


def test_an_input_error_of_the_reader_passes_through(monkeypatch):
    def read(request):
        raise InputError(f"{request.name}: the disk is not mounted. Fix: mount it.")

    monkeypatch.setattr(custom_extensions, "stripes", read)
    with pytest.raises(InputError, match="the disk is not mounted"):
        load_task(READER)


def test_a_trial_reads_it():
    from trainables.build import data_arguments, load_data

    config = trial_config("", data=READER, subset=None, validation_fraction=None, label_noise=0.0)
    assert len(load_data(data_arguments(config)).train) == 192
