"""AIS, eq. 20: images an epoch times epochs over the seconds of training, and of nothing else."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsam_tune.training.speed.ais import AISMeter


class Clock:
    """Stands still until a test moves it."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def train(meter, clock, *, images, seconds):
    with meter.running():
        meter.images += images
        clock.now += seconds


@settings(deadline=None)
@given(
    images=st.integers(1, 10**6),
    epochs=st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=20),
    between=st.floats(0, 1e5),
)
def test_eq_20(images, epochs, between):
    clock = Clock()
    meter = AISMeter(clock)
    for seconds in epochs:
        train(meter, clock, images=images, seconds=seconds)
        clock.now += between  # evaluation, checkpoints, logging
    total_training_seconds = sum(epochs)
    assert meter.images_per_second == pytest.approx(images * len(epochs) / total_training_seconds, rel=1e-6)


def test_there_is_no_ais_before_the_first_image():
    clock = Clock()
    meter = AISMeter(clock)
    clock.now += 5
    assert math.isnan(meter.images_per_second)


def test_a_block_that_ends_with_an_exception_is_counted():
    clock = Clock()
    meter = AISMeter(clock)

    def fail():
        with meter.running():
            clock.now += 3
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    clock.now += 50
    assert meter.seconds == 3


def test_the_device_is_waited_for_before_each_reading_of_the_clock():
    calls = []
    meter = AISMeter(lambda: calls.append("clock") or 0.0, lambda: calls.append("synchronize"))
    with meter.running():
        calls.append("training")
    assert calls == ["synchronize", "clock", "training", "synchronize", "clock"]


def test_a_resumed_meter_reports_the_ais_of_the_whole():
    clock, later = Clock(), Clock()
    first, resumed = AISMeter(clock), AISMeter(later)
    train(first, clock, images=100, seconds=4)
    later.now = -7  # another process, whose clock started elsewhere
    resumed.load_state_dict(first.state_dict())
    train(resumed, later, images=50, seconds=1)
    assert resumed.state_dict() == {"images": 150, "seconds": 5, "marks": []}
    assert resumed.images_per_second == 30


def test_the_error_is_that_of_a_ratio_of_totals():
    clock = Clock()
    meter = AISMeter(clock)
    stretches = [(100, 2.0), (300, 5.0), (200, 4.0)]
    for images, seconds in stretches:
        train(meter, clock, images=images, seconds=seconds)
        meter.mark()
    rate = 600 / 11
    squares = sum((images - rate * seconds) ** 2 for images, seconds in stretches)
    assert meter.error == pytest.approx(math.sqrt(3 / 2 * squares) / 11, rel=1e-12)


def test_stretches_of_one_speed_have_no_error():
    clock = Clock()
    meter = AISMeter(clock)
    for images in (128, 512, 256):
        train(meter, clock, images=images, seconds=images / 64)
        meter.mark()
    assert meter.error == pytest.approx(0, abs=1e-9)


def test_one_stretch_has_no_known_error_and_a_resumed_meter_keeps_its_stretches():
    clock = Clock()
    first, resumed = AISMeter(clock), AISMeter(clock)
    train(first, clock, images=100, seconds=4)
    assert math.isnan(first.error)
    first.mark()
    resumed.load_state_dict(first.state_dict())
    for meter in (first, resumed):
        train(meter, clock, images=100, seconds=5)
    assert resumed.error == first.error > 0
