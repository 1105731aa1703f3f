"""The learning rate: half a cosine from its full value to 0, iteration by iteration."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.methods import others_slow
from tests.support.tiny_trainer import ITERATIONS_PER_EPOCH, tiny_trainer, train_to_end
from vsam_tune.registry.methods import METHODS
from vsam_tune.training.iterations import cosine


@pytest.mark.parametrize(
    ("iteration", "factor"),
    [(0, 1.0), (1, 0.933013), (2, 0.75), (3, 0.5), (4, 0.25), (5, 0.066987), (6, 0.0)],
)
def test_half_a_cosine(iteration, factor):
    assert cosine(iteration, 6) == pytest.approx(factor, abs=1e-6)


@settings(deadline=None)
@given(st.integers(1, 10**6), st.data())
def test_it_falls_from_1_to_0_and_mirrors(num_iterations, data):
    t = data.draw(st.integers(0, num_iterations - 1))
    assert cosine(0, num_iterations) == 1
    assert cosine(num_iterations, num_iterations) == 0
    assert 0 <= cosine(t + 1, num_iterations) <= cosine(t, num_iterations) <= 1
    assert cosine(t, num_iterations) + cosine(num_iterations - t, num_iterations) == pytest.approx(1)


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_each_iteration_has_a_learning_rate_of_its_own(name):
    trainer = tiny_trainer(name, lr=0.2, epochs=2)  # 14 iterations
    base, applied = trainer.optimizer.base, []
    base.register_step_pre_hook(lambda *_: applied.append(base.param_groups[0]["lr"]))
    batches = trainer.loader.batches(0)
    trainer.iterate(batches, 3)
    assert applied == pytest.approx([0.2, 0.197493, 0.190097], abs=1e-6)
    trainer.iterate(batches, ITERATIONS_PER_EPOCH)
    assert base.param_groups[0]["lr"] == pytest.approx(0.1)
    trainer.train_epoch()
    assert len(applied) == 14
    assert applied[-1] == pytest.approx(0.002507, abs=1e-6)
    assert base.param_groups[0]["lr"] == 0


def test_the_schedule_spans_the_whole_budget_wherever_a_trial_is_stopped():
    trainer = tiny_trainer(lr=0.2, epochs=4)
    train_to_end(trainer)
    stopped = tiny_trainer(lr=0.2, epochs=4)
    stopped.train_epoch()
    assert stopped.optimizer.param_groups[0]["lr"] == pytest.approx(0.2 * 0.853553, abs=1e-6)
    assert trainer.optimizer.param_groups[0]["lr"] == 0
