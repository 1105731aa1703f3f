"""Custom networks: built like those of MODELS; one that does not fit gives an error of one line."""

import pytest
import torch
from torch import nn

from tests.support import custom_extensions
from vsam_tune.errors import InputError
from vsam_tune.models.build import build_model

BUILDER = "tests.support.custom_extensions:tiny"


def build(*, seed=0, **options):
    return build_model(BUILDER, in_channels=1, image_size=8, num_classes=3, seed=seed, **options)


def refused(monkeypatch, builder, **options):
    monkeypatch.setattr(custom_extensions, "tiny", builder)
    with pytest.raises(InputError) as caught:
        build(**options)
    (line,) = caught.value.lines
    assert line.startswith(f"model {BUILDER}: ")
    return line.removeprefix(f"model {BUILDER}: ")


def test_the_builder_gets_the_shape_of_the_images_and_its_options():
    model = build(width=2, bias=False)
    assert model[0].weight.shape == (2, 1, 3, 3)
    assert model[0].bias is None
    assert model[3].weight.shape == (3, 128)
    assert model.training


def test_options_need_not_be_numbers(monkeypatch):
    seen = []
    tiny = custom_extensions.tiny
    monkeypatch.setattr(
        custom_extensions, "tiny", lambda *images, **options: seen.append((images, options)) or tiny(*images)
    )
    build(stages=[1, 2], kind="wide", extra=None)
    assert seen == [((1, 8, 3), {"stages": [1, 2], "kind": "wide", "extra": None})]


def test_its_weights_depend_on_the_seed_alone_and_the_global_generator_does_not_change():
    state = torch.get_rng_state()
    first, again, other = build(), build(), build(seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first[3].weight, again[3].weight)
    assert not torch.equal(first[3].weight, other[3].weight)


def test_layers_that_learn_their_shapes_from_the_first_images_have_them(monkeypatch):
    monkeypatch.setattr(custom_extensions, "tiny", lambda *_: nn.Sequential(nn.Flatten(), nn.LazyLinear(3)))
    first, again = build(), build()
    assert first[1].weight.shape == (3, 64)
    assert torch.equal(first[1].weight, again[1].weight)


def test_the_check_changes_no_statistics(monkeypatch):
    monkeypatch.setattr(
        custom_extensions, "tiny", lambda *_: nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 3))
    )
    norm = build()[0]
    assert norm.num_batches_tracked == 0
    assert torch.equal(norm.running_var, torch.ones(1))


def test_an_option_that_the_builder_does_not_take(monkeypatch):
    line = refused(monkeypatch, custom_extensions.tiny, depth=3)
    assert line == (
        "got an unexpected keyword argument 'depth'. Fix: use its arguments: in_channels, image_size, num_classes, "
        "width, bias."
    )


def test_a_builder_of_something_else(monkeypatch):
    assert refused(monkeypatch, lambda *_: 3) == ("must return a torch.nn.Module, not int. Fix: return the network.")


SHAPES = "Fix: make it take (B, C, H, W) float32 images, and return (B, num_classes) logits."


@pytest.mark.parametrize(
    ("model", "rule"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), "returns float32 (2, 10) for 2 images of 3 classes"),
        (nn.Conv2d(1, 3, 8), "returns float32 (2, 3, 1, 1) for 2 images of 3 classes"),
        (nn.LSTM(8, 3), "fails on images of the shape (2, 1, 8, 8): "),
        (nn.Linear(3, 3), "fails on images of the shape (2, 1, 8, 8): mat1 and mat2 shapes cannot be multiplied"),
        (nn.Module(), "fails on images of the shape (2, 1, 8, 8): Module [Module] is missing the required"),
        (nn.Bilinear(8, 8, 3), "fails on images of the shape (2, 1, 8, 8): Bilinear.forward() missing 1 required"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_network_that_does_not_fit(model, rule, monkeypatch):
    line = refused(monkeypatch, lambda *_: model)
    assert line.startswith(rule)
    assert line.endswith(SHAPES)


class TwoOutputs(nn.Module):
    def forward(self, x):
        return x, x


def test_a_network_of_two_outputs(monkeypatch):
    assert refused(monkeypatch, lambda *_: TwoOutputs()) == f"must return a tensor, not tuple. {SHAPES}"


def test_an_error_of_the_builder_itself_is_not_hidden(monkeypatch):
    def tiny(*_):
        raise TypeError("mine")

    monkeypatch.setattr(custom_extensions, "tiny", tiny)
    with pytest.raises(TypeError, match="mine"):
        build()
