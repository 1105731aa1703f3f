"""Sizes of networks against published numbers, and against the layer lists of the papers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.multiply_adds import multiply_adds
from tests.support.networks import SMALLEST
from vsam_tune.models.build import build_shapes, count_parameters
from vsam_tune.registry.data_and_models import MODELS


def parameters(name, num_classes, **options):
    return count_parameters(build_shapes(name, num_classes=num_classes, **options))


@pytest.mark.parametrize(
    ("name", "ten", "hundred"),
    [
        ("cnn", 19_242, 22_212),
        ("resnet8", 78_042, 83_892),
        ("resnet20", 272_474, 278_324),
        ("resnet18", 11_173_962, 11_220_132),
        ("resnet18_imagenet_stem", 11_181_642, 11_227_812),
        ("wrn28_10", 36_479_194, 36_536_884),
        ("wrn34_10", 46_160_474, 46_218_164),
        ("pyramidnet110", 28_485_477, 28_511_307),
        ("mobilenet_v1", 3_217_226, 3_309_476),
        ("mobilenet_v1_imagenet_stem", 3_217_226, 3_309_476),
        ("mobilenet_v1_relu6", 3_217_226, 3_309_476),
        ("mobilenet_v2", 2_236_682, 2_351_972),
    ],
)
def test_parameters_for_10_and_100_classes(name, ten, hundred):
    assert (parameters(name, 10), parameters(name, 100)) == (ten, hundred)


@pytest.mark.parametrize(
    ("name", "options", "num_classes", "published"),
    [
        ("cnn", {"width": 16}, 10, 5_018),  # ours, by hand
        ("resnet18_imagenet_stem", {}, 1000, 11_689_512),  # torchvision
        ("wrn", {"depth": 16, "width_factor": 10}, 10, 17_116_634),  # pytorchcv, as the next seven
        ("wrn", {"depth": 40, "width_factor": 8}, 100, 35_794_484),
        ("pyramidnet", {"depth": 110, "alpha": 48}, 10, 1_772_706),
        ("pyramidnet", {"depth": 110, "alpha": 84}, 100, 3_913_536),
        ("mobilenet_v1", {}, 1000, 4_231_976),
        ("mobilenet_v1", {"width_percent": 75}, 1000, 2_585_560),
        ("mobilenet_v1", {"width_percent": 50}, 1000, 1_331_592),
        ("mobilenet_v1", {"width_percent": 25}, 1000, 470_072),
        ("mobilenet_v2", {}, 1000, 3_504_872),  # torchvision
    ],
)
def test_parameters_of_published_variants(name, options, num_classes, published):
    assert parameters(name, num_classes, **options) == published


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("resnet18", 555),
        ("resnet18_imagenet_stem", 37),
        ("wrn28_10", 5243),
        ("wrn34_10", 6659),
        ("pyramidnet110", 4718),
        ("mobilenet_v1_imagenet_stem", 12),
        ("mobilenet_v1", 46),
        ("mobilenet_v1_relu6", 12),
    ],
)
def test_multiply_adds_of_an_image_of_32_pixels(name, millions):
    assert round(multiply_adds(build_shapes(name, num_classes=10), 3, 32) / 1e6) == millions


@pytest.mark.parametrize(
    ("name", "options", "count", "millions"),
    [
        ("wrn", {"depth": 10, "width_factor": 1}, 77_850, 12.5),
        ("pyramidnet", {"depth": 8, "alpha": 24}, 52_170, 15.1),
        ("mobilenet_v1", {"width_percent": 25}, 215_642, 3.3),
        ("mobilenet_v1_imagenet_stem", {"width_percent": 25}, 215_642, 0.8),
    ],
)
def test_sizes_of_the_small_variants_of_the_docs(name, options, count, millions):
    shapes = build_shapes(name, num_classes=10, **options)
    assert (count_parameters(shapes), round(multiply_adds(shapes, 3, 32) / 1e6, 1)) == (count, millions)


def test_multiply_adds_by_hand():
    at_8, at_4 = 8 * 8, 4 * 4
    expected = at_8 * 9 * (1 * 32 + 32 * 32) + at_4 * 9 * 32 * 32 + 32 * 10
    assert multiply_adds(build_shapes("cnn", num_classes=10), 1, 8) == expected


@given(blocks=st.integers(1, 4), width_factor=st.integers(1, 12), num_classes=st.integers(2, 200))
def test_wide_resnets_of_any_size(blocks, width_factor, num_classes):
    count, width = 3 * 3 * 3 * 16, 16
    for stage in (16, 32, 64):
        for _ in range(blocks):
            wider = stage * width_factor
            count += 2 * width + 9 * width * wider + 2 * wider + 9 * wider * wider
            if wider != width:
                count += width * wider
            width = wider
    count += 2 * width + width * num_classes + num_classes
    assert parameters("wrn", num_classes, depth=6 * blocks + 4, width_factor=width_factor) == count


@given(blocks=st.integers(1, 4), step=st.integers(1, 9), num_classes=st.integers(2, 200))
def test_pyramidnets_of_any_size(blocks, step, num_classes):
    count, width = 3 * 3 * 3 * 16 + 2 * 16, 16
    for _ in range(3 * blocks):
        wider = width + step
        count += 2 * width + 9 * width * wider + 2 * wider + 9 * wider * wider + 2 * wider
        width = wider
    count += 2 * width + width * num_classes + num_classes
    assert parameters("pyramidnet", num_classes, depth=6 * blocks + 2, alpha=3 * blocks * step) == count


@given(alpha=st.integers(1, 400), blocks=st.integers(1, 4))
def test_the_last_width_of_a_pyramidnet_is_16_and_alpha(alpha, blocks):
    shapes = build_shapes("pyramidnet", num_classes=10, depth=6 * blocks + 2, alpha=alpha)
    assert shapes.output.in_features == 16 + alpha


def test_the_widths_of_pyramidnet110_grow_by_5():
    shapes = build_shapes("pyramidnet110", num_classes=10)
    widths = [unit.bn.num_features for stage in range(1, 4) for unit in getattr(shapes.features, f"stage{stage}")]
    assert widths == list(range(21, 287, 5))


LAST_TEN = {  # parameter tensors of the networks in the program of vSAM's authors, over which it takes norms
    "resnet18": [(512,), (512,), *[(512, 512, 3, 3), (512,), (512,)] * 2, (10, 512), (10,)],
    "wrn34_10": [*[(640,), (640,), (640, 640, 3, 3)] * 2, (640,), (640,), (10, 640), (10,)],
    "pyramidnet110": [
        *[(286, 281, 3, 3), (286,), (286,), (286, 286, 3, 3), (286,), (286,)],
        *[(286,), (286,), (10, 286), (10,)],
    ],
}


@pytest.mark.parametrize("name", LAST_TEN)
def test_the_last_ten_tensors_are_those_of_the_authors_networks(name):
    shapes = [tuple(parameter.shape) for parameter in build_shapes(name, num_classes=10).parameters()]
    assert shapes[-10:] == LAST_TEN[name]


def test_every_model_documents_its_smallest_images():
    assert list(SMALLEST) == list(MODELS)
