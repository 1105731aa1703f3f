"""Timing: a configuration's speed beside SAM's in seconds, with the sampled fraction of a training done elsewhere."""

import pytest

from tests.support.digits_trial import trial_config
from trainables.timing import FEWEST_BLOCKS, STEPS, Timing, speed_of, with_fraction
from vsam_tune.training.speed.iteration_timer import Block, IterationTime, Kind, Seconds

PLAIN, SAMPLED = Kind(1.0, 0.0, penalized=False), Kind(2.0, 0.0, penalized=False)


def timed(folder, name="vsam", **settings):
    worker = Timing({**trial_config(folder, name), "seconds": 0.6, "sampled_fraction": None, **settings})
    return worker.step()


def test_a_timing_says_how_fast_and_whether_it_was_alone(tmp_path):
    result = timed(tmp_path, sampled_fraction=0.25)
    assert result["done"]
    assert result["ais"] > 0 < result["ais_error"]
    assert result["gradient_evaluations"] == pytest.approx(1.25)
    assert result["sampled_fraction"] == 0.25
    assert 1 < result["ideal_ais_vs_sam"] < 2
    assert result["ais_vs_sam"] > 0 or result["unreliable_reason"]  # of tiny steps, beside any neighbours
    assert result["others_cores"] >= 0
    assert result["alone"] in (0.0, 1.0)
    assert result["seconds"] >= 0.6


def test_a_short_trial_is_begun_again_until_there_are_enough_blocks(tmp_path):
    result = timed(tmp_path, seconds=0.0)
    assert result["reference_steps"] == FEWEST_BLOCKS * STEPS  # of three trials, which have six epochs each
    assert 1.0 < result["gradient_evaluations"] < 2.0  # the trial's own


@pytest.mark.parametrize(("name", "evaluations"), [("sgd", 1.0), ("sam", 2.0)])
def test_the_ends_of_the_scale(name, evaluations, tmp_path):
    result = timed(tmp_path, name, sampled_fraction=evaluations - 1)
    assert result["gradient_evaluations"] == evaluations


def test_the_counts_are_weighed_by_the_fraction():
    assert with_fraction({PLAIN: 30, SAMPLED: 10}, 0.5) == {PLAIN: 0.5, SAMPLED: 0.5}


def test_within_the_plain_iterations_the_kinds_keep_their_shares():
    late = Kind(1.0, 1.0, penalized=True)
    assert with_fraction({PLAIN: 10, late: 30}, 0.0) == {PLAIN: 0.25, late: 0.75}


@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [({PLAIN: 8}, 0.25, {PLAIN: 0.75, SAMPLED: 0.25}), ({SAMPLED: 8}, 0.25, {PLAIN: 0.75, SAMPLED: 0.25})],
)
def test_a_kind_that_did_not_come_stands_for_a_whole_iteration(counts, fraction, expected):
    assert with_fraction(counts, fraction) == expected


def iteration(kind, seconds):
    return IterationTime(kind, Seconds(seconds, seconds), Seconds(seconds / 2, seconds / 2))


def test_ais_is_images_over_the_medians_of_the_kinds_also_where_the_ratio_is_unreliable():
    block = Block(
        (iteration(SAMPLED, 0.2),),
        (iteration(PLAIN, 0.1), iteration(PLAIN, 0.1), iteration(PLAIN, 0.9), iteration(SAMPLED, 0.22)),
    )
    speed = speed_of([block], {PLAIN: 3, SAMPLED: 1}, "wall", images=64)
    assert speed["ais"] == pytest.approx(64 / (0.75 * 0.1 + 0.25 * 0.22))
    assert speed["ais_error"] > 0
    assert speed["unreliable_reason"] == "only 1 blocks of SAM's steps, of at least 8"


def test_a_kind_that_did_not_come_is_timed_at_its_ideal_cost():
    block = Block((iteration(SAMPLED, 0.2),), (iteration(PLAIN, 0.1),))
    assert speed_of([block], {PLAIN: 0.5, SAMPLED: 0.5}, "wall", images=64)["ais"] == pytest.approx(64 / 0.15)
