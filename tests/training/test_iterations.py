"""The loop's own part: each iteration is counted and timed by its kind, and stands in the trajectory."""

import pytest

from tests.support.tiny_trainer import ITERATIONS_PER_EPOCH, tiny_trainer, train_to_end
from vsam_tune.training.speed.iteration_timer import IterationTimer, Kind

PLAIN = Kind(1.0, 0.0, penalized=False)
WITH_TERM = Kind(1.0, 1.0, penalized=True)


def timed(name, **settings):
    trainer = tiny_trainer(name, **settings)
    trainer.timer = IterationTimer(trainer.loader.device)
    return trainer


def test_an_iteration_is_counted_by_what_optimizer_and_loss_term_did():
    trainer = timed("mesa", start_epoch=1)
    metrics = train_to_end(trainer)[-1]
    assert trainer.timer.counts == {PLAIN: 2 * ITERATIONS_PER_EPOCH, WITH_TERM: 3 * ITERATIONS_PER_EPOCH}
    assert metrics["forward_passes"] == 3 / 5
    assert trainer.trajectory.has_penalty()


def test_the_iterations_over_whole_batches_are_timed():
    trainer = timed("sgd")
    trainer.iterate(trainer.loader.batches(0), ITERATIONS_PER_EPOCH)
    times = trainer.timer.take()
    assert [each.kind for each in times] == [PLAIN] * (ITERATIONS_PER_EPOCH - 1)  # the last batch is smaller
    assert all(each.seconds.wall > 0 for each in times)
    assert trainer.timer.counts == {PLAIN: ITERATIONS_PER_EPOCH}


@pytest.mark.parametrize(("name", "sampled"), [("sgd", 0), ("sam", 7)])
def test_the_trajectory_has_a_row_for_each_iteration(name, sampled):
    trainer = tiny_trainer(name)
    trainer.iterate(trainer.loader.batches(0), ITERATIONS_PER_EPOCH)
    assert (len(trainer.trajectory), trainer.trajectory.num_sampled) == (ITERATIONS_PER_EPOCH, sampled)
    assert not trainer.trajectory.has_penalty()
