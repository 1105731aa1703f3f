"""AIS over SAM's: medians by kind, paired by block, weighted by the exact counts; errors that cover; or no number."""

import math

import numpy as np
import pytest

from vsam_tune.training.speed.ais_vs_sam import FEWEST_BLOCKS, RUN_ERROR, ais_vs_sam
from vsam_tune.training.speed.iteration_timer import Block, IterationTime, Kind, Seconds

PLAIN, SAMPLED = Kind(1.0, 0.0, penalized=False), Kind(2.0, 0.0, penalized=False)


def sam_step(seconds, *, share=0.5):
    return IterationTime(SAMPLED, Seconds(seconds, seconds), Seconds((1 - share) * seconds, (1 - share) * seconds))


def iteration(kind, seconds):
    return IterationTime(kind, Seconds(seconds, seconds))


def blocks(number, *, sam=2.0, plain=1.0, sampled=2.0, slow=None):
    """Return blocks of two SAM steps, nine plain iterations and a sampled one, times the slowness of the block."""
    slow = [1.0] * number if slow is None else slow
    return [
        Block(
            (sam_step(sam * s), sam_step(sam * s)),
            (*[iteration(PLAIN, plain * s)] * 9, iteration(SAMPLED, sampled * s)),
        )
        for s in slow
    ]


COUNTS = {PLAIN: 900, SAMPLED: 100}


def test_the_ratio_weighs_the_kinds_by_their_counts():
    found = ais_vs_sam(blocks(10), COUNTS, "wall")
    mean_time = 0.9 * 0.5 + 0.1 * 1.0
    assert found.ratio == pytest.approx(1 / mean_time, rel=1e-12)  # 1.82; a median over all iterations gives 2.0
    assert found.totals == pytest.approx(found.ratio, rel=1e-12)
    assert found.cpu == pytest.approx(found.ratio, rel=1e-12)
    assert found.error == pytest.approx(RUN_ERROR * found.ratio, rel=1e-9)
    assert found.unreliable_reason == ""


@pytest.mark.parametrize(("clock", "ratio"), [("wall", 4.0), ("cpu", 2.0)])
def test_the_ratio_and_its_ideal_are_by_the_clock_that_is_asked_for(clock, ratio):
    """Half of SAM's time on the wall is another process's; the rest is twice a plain iteration's."""
    sam = IterationTime(SAMPLED, Seconds(4.0, 2.0), Seconds(3.0, 1.0))
    made = [Block((sam,) * 2, (iteration(PLAIN, 1.0),) * 10) for _ in range(10)]
    found = ais_vs_sam(made, {PLAIN: 1000}, clock)
    assert found.ratio == pytest.approx(ratio, rel=1e-12)
    assert found.ideal == pytest.approx(ratio, rel=1e-12)
    assert (found.wall, found.cpu, found.totals) == pytest.approx((4.0, 2.0, 4.0), rel=1e-12)


def test_a_processor_time_of_zero_is_not_known():
    sam = IterationTime(SAMPLED, Seconds(2.0, 0.0), Seconds(1.0, 0.0))
    found = ais_vs_sam([Block((sam,) * 2, (iteration(PLAIN, 1.0),) * 10)] * 10, {PLAIN: 1000}, "wall")
    assert found.ratio == pytest.approx(2.0, rel=1e-12)
    assert math.isnan(found.cpu)


def test_a_gpu_has_no_processor_time():
    nan = float("nan")
    sam = IterationTime(SAMPLED, Seconds(2.0, nan), Seconds(1.0, nan))
    found = ais_vs_sam([Block((sam,) * 2, (IterationTime(PLAIN, Seconds(1.0, nan)),) * 10)] * 10, {PLAIN: 1000}, "wall")
    assert found.ratio == pytest.approx(2.0, rel=1e-12)
    assert math.isnan(found.cpu)


def test_what_slows_a_block_as_a_whole_cancels():
    slow = [1, 3, 1.2, 7, 1, 1, 2, 2.5, 1, 4]
    assert ais_vs_sam(blocks(10, slow=slow), COUNTS, "wall").ratio == pytest.approx(1 / 0.55, rel=1e-12)


def test_the_fraction_of_the_run_counts_and_not_that_of_the_blocks():
    found = ais_vs_sam(blocks(10), {PLAIN: 500, SAMPLED: 500}, "wall")
    assert found.ratio == pytest.approx(1 / 0.75, rel=1e-12)


def test_an_outlier_moves_the_totals_and_not_the_ratio():
    ordinary = blocks(20)
    hit = Block(ordinary[0].sam, (iteration(PLAIN, 1000.0), *ordinary[0].trial[1:]))
    found = ais_vs_sam([hit, *ordinary[1:]], COUNTS, "wall")
    assert found.ratio == pytest.approx(1 / 0.55, rel=1e-12)
    assert found.totals < 0.5


def test_sam_itself_is_as_fast_as_sam():
    made = [Block((sam_step(2.0),) * 2, (iteration(SAMPLED, 2.0),) * 10) for _ in range(10)]
    found = ais_vs_sam(made, {SAMPLED: 1000}, "wall")
    assert found.ratio == pytest.approx(1, rel=1e-12)
    assert found.ideal == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(("fraction", "share"), [(0.0, 0.5), (0.1, 0.5), (0.3, 0.48), (1.0, 0.52)])
def test_the_ideal_is_linear_in_the_fraction(fraction, share):
    """1 / ((1 - f) T_sgd + f T_sam), over 1 / T_sam, with T_sgd from SAM's own passes."""
    made = [
        Block((sam_step(2.0, share=share),) * 2, (iteration(PLAIN, 1.0), iteration(SAMPLED, 2.0)) * 3)
        for _ in range(10)
    ]
    counts = {PLAIN: 1000 - 1000 * fraction, SAMPLED: 1000 * fraction}
    t_sgd, t_sam = 2.0 * share, 2.0
    expected = t_sam / ((1 - fraction) * t_sgd + fraction * t_sam)
    assert ais_vs_sam(made, counts, "wall").ideal == pytest.approx(expected, rel=1e-12)


def test_a_kind_that_no_block_has_is_taken_at_its_ideal_cost():
    made = [Block(block.sam, block.trial[:9]) for block in blocks(10)]
    assert ais_vs_sam(made, {PLAIN: 990, SAMPLED: 10}, "wall").ratio == pytest.approx(
        1 / (0.99 * 0.5 + 0.01), rel=1e-12
    )


def test_a_loss_term_that_begins_late_is_a_kind_of_its_own():
    penalized = Kind(1.0, 1.0, penalized=True)
    first = [Block((sam_step(2.0),) * 2, (iteration(PLAIN, 1.0),) * 10) for _ in range(2)]
    later = [Block((sam_step(2.0),) * 2, (iteration(penalized, 1.4),) * 10) for _ in range(8)]
    found = ais_vs_sam(first + later, {PLAIN: 200, penalized: 800}, "wall")
    assert found.ratio == pytest.approx(1 / (0.2 * 0.5 + 0.8 * 0.7), rel=1e-12)


@pytest.mark.parametrize("number", [0, 1, FEWEST_BLOCKS - 1])
def test_too_few_blocks_give_a_reason_and_no_number(number):
    found = ais_vs_sam(blocks(number), COUNTS, "wall")
    assert math.isnan(found.ratio)
    assert math.isnan(found.error)
    assert found.unreliable_reason == f"only {number} blocks of SAM's steps, of at least 8"


def test_blocks_without_iterations_of_the_trial_give_a_reason_and_no_number():
    found = ais_vs_sam([Block((sam_step(2.0),) * 2, ())] * 10, COUNTS, "wall")
    assert math.isnan(found.ratio)
    assert found.unreliable_reason == "no block of SAM's steps is next to an iteration over a whole batch"


def test_blocks_that_disagree_give_a_reason_and_no_number():
    made = [Block((sam_step(2.0),) * 2, (iteration(PLAIN, 1.0 if i % 2 else 4.0),) * 10) for i in range(10)]
    found = ais_vs_sam(made, {PLAIN: 1000}, "wall")
    assert math.isnan(found.ratio)
    assert found.unreliable_reason.startswith("the blocks disagree")
    assert not math.isnan(found.ideal)


def test_the_stated_error_is_that_of_repeated_runs():
    """On independent noise of 5 % an iteration the spread of 200 runs is the error that they state, within 15 %."""
    draws = np.random.default_rng(0)
    ratios, errors = [], []
    for _ in range(200):
        made = [
            Block(
                tuple(sam_step(2.0 * draws.lognormal(0, 0.05)) for _ in range(2)),
                tuple(
                    iteration(kind, t * draws.lognormal(0, 0.05)) for kind, t in [(PLAIN, 1.0)] * 9 + [(SAMPLED, 2.0)]
                ),
            )
            for _ in range(30)
        ]
        found = ais_vs_sam(made, COUNTS, "wall")
        ratios.append(found.ratio)
        errors.append(math.sqrt(found.error**2 - (RUN_ERROR * found.ratio) ** 2))
    assert np.mean(ratios) == pytest.approx(1 / 0.55, rel=0.005)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(ratios), rel=0.15)
