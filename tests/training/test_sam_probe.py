"""The SAM probe: SAM's steps among a trial's iterations leave no trace in it."""

import numpy as np
import pytest
import torch

from tests.support.methods import others_slow
from tests.support.tiny_trainer import ITERATIONS_PER_EPOCH, tiny_loader, tiny_sam_probe, tiny_trainer, train_to_end
from tests.support.tiny_trial import equal_state
from vsam_tune.registry.methods import METHODS
from vsam_tune.training import sam_probe as sam_probe_module
from vsam_tune.training.checkpoint import load_checkpoint, save_checkpoint
from vsam_tune.training.sam_probe import FEWEST_STEPS, LEAST_STEPS, undisturbed
from vsam_tune.training.speed.ais_vs_sam import FEWEST_BLOCKS

_CLOCKS = ("ais", "reference")  # what holds seconds
_OWN = ("train_loss", "epoch", "iteration", "sampled_fraction", "gradient_evaluations", "forward_passes")


def without_clocks(trainer):
    return {key: value for key, value in trainer.state_dict().items() if key not in _CLOCKS}


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_a_trial_ends_with_the_same_bits_as_without_it(name):
    """Parameters, buffers, optimizer, random state, data order, trajectory: dropout and augmentation draw as well."""
    alone = tiny_trainer(name)
    metrics_alone, drawn_after_alone = train_to_end(alone), torch.rand(8)
    beside = tiny_trainer(name, with_probe=True)
    metrics_beside, drawn_after_beside = train_to_end(beside), torch.rand(8)
    assert beside.sam_probe.steps >= FEWEST_STEPS
    assert equal_state(without_clocks(beside), without_clocks(alone))
    assert torch.equal(drawn_after_beside, drawn_after_alone)
    for one, other in zip(metrics_alone, metrics_beside, strict=True):
        assert {key: other[key] for key in _OWN} == {key: one[key] for key in _OWN}


def test_the_steps_do_train_in_between():
    """Or the test above would show nothing: the weights that SAM's steps end at are others."""
    trainer = tiny_trainer(with_probe=True)
    sam, ends = trainer.sam_probe._sam, []
    iterate = sam.iterate

    def noted(batches, stop):
        before = [parameter.clone() for parameter in sam.model.parameters()]
        iterate(batches, stop)
        ends.append(any(not torch.equal(a, b) for a, b in zip(before, sam.model.parameters(), strict=True)))

    sam.iterate = noted
    train_to_end(trainer)
    assert len(ends) == len(trainer.sam_probe.blocks) >= 30
    assert all(ends)


def test_a_step_that_raises_leaves_no_trace():
    trainer = tiny_trainer(with_probe=True)
    model = trainer.model
    trainer.iterate(trainer.loader.batches(0), 2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    gradients = [parameter.grad for parameter in model.parameters()]
    random = torch.get_rng_state()

    def fail():
        with undisturbed(model):
            trainer.sam_probe._sam.iterate(trainer.loader.batches(1), 1)
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    assert equal_state(dict(model.state_dict()), before)
    assert all(parameter.grad is kept for parameter, kept in zip(model.parameters(), gradients, strict=True))
    assert torch.equal(torch.get_rng_state(), random)


def test_a_trial_that_goes_on_keeps_what_was_measured(tmp_path):
    first = tiny_trainer("vsam", with_probe=True)
    for _ in range(2):
        first.train_epoch()
    save_checkpoint(first.state_dict(), tmp_path / "checkpoint.pt")
    resumed = tiny_trainer("vsam", with_probe=True)
    resumed.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert repr(resumed.sam_probe.complete_blocks()) == repr(
        first.sam_probe.complete_blocks()
    )  # NaN is not equal to itself
    assert repr(resumed.metrics()) == repr(first.metrics())
    before = resumed.sam_probe.steps
    train_to_end(resumed)
    assert FEWEST_STEPS <= resumed.sam_probe.steps <= FEWEST_STEPS + 1
    assert resumed.sam_probe.steps > before
    assert resumed.timer.counts.total() == 5 * ITERATIONS_PER_EPOCH


def probe(num_iterations, **settings):
    trainer = tiny_trainer()
    return tiny_sam_probe(trainer.model, tiny_loader(), epochs=num_iterations // ITERATIONS_PER_EPOCH, **settings)


def test_one_block_stands_at_random_in_each_stratum():
    made = probe(700)
    strata = len(made._positions)
    assert strata == 700 // 16
    for i, position in enumerate(made._positions):
        assert i * 700 // strata < position <= (i + 1) * 700 // strata
    assert made.next_position(0) == made._positions[0]
    assert made.next_position(made._positions[0]) == made._positions[1]
    assert made.next_position(made._positions[-1]) is None
    within = np.array(made._positions) * strata / 700 % 1
    assert within.std() > 0.2  # a uniform draw has 0.29, a comb 0


@pytest.mark.parametrize(("num_iterations", "strata"), [(7, 7), (35, 30), (700, 43), (70_000, 120)])
def test_there_are_up_to_120_strata(num_iterations, strata):
    assert len(probe(num_iterations)._positions) == strata


class Simulated:
    """A trial whose iterations and steps of SAM take seconds of a simulated clock."""

    def __init__(self, monkeypatch, *, iterations, own, sam):
        self.probe = probe(iterations)
        self.now = 0.0
        monkeypatch.setattr(sam_probe_module.time, "perf_counter", lambda: self.now)
        iterate = self.probe._sam.iterate

        def slow(batches, stop):
            self.now += sam * (stop - self.probe._sam.iteration)
            iterate(batches, stop)

        self.probe._sam.iterate = slow
        self.own = 0.0
        for iteration in range(1, iterations + 1):
            self.own += own
            if iteration in self.probe._positions:
                self.probe.follow(iteration, self.own)


def test_a_trial_of_less_than_a_minute_has_sixty_steps(monkeypatch):
    simulated = Simulated(monkeypatch, iterations=700, own=0.08, sam=0.15)
    assert simulated.own < 60
    assert FEWEST_STEPS <= simulated.probe.steps <= FEWEST_STEPS + 1


@pytest.mark.parametrize(("own", "sam"), [(0.1, 0.19), (1.0, 1.1), (1.0, 2.0), (2.0, 3.7)])
def test_a_trial_of_a_minute_and_more_gives_three_percent_of_its_seconds(own, sam, monkeypatch):
    simulated = Simulated(monkeypatch, iterations=1400, own=own, sam=sam)
    assert simulated.own > 60
    share = simulated.probe.seconds / simulated.own
    assert 0.025 < share <= 0.03


@pytest.mark.parametrize(("iterations", "own", "sam"), [(200, 0.5, 1.0), (100, 3.0, 6.0), (40, 2.0, 4.0)])
def test_a_trial_of_few_long_iterations_has_as_many_steps_as_a_number_takes(iterations, own, sam, monkeypatch):
    simulated = Simulated(monkeypatch, iterations=iterations, own=own, sam=sam)
    assert 0.03 * simulated.own / sam < FEWEST_BLOCKS
    assert simulated.probe.steps == LEAST_STEPS
    assert FEWEST_BLOCKS <= len(simulated.probe.blocks) <= LEAST_STEPS


def test_a_long_trial_has_enough_at_some_point(monkeypatch):
    simulated = Simulated(monkeypatch, iterations=28_000, own=0.1, sam=0.2)
    assert 235 <= simulated.probe.steps <= 240


@pytest.mark.parametrize("blocks", [1, 3, 20])
def test_a_device_without_memory_for_a_block_costs_further_blocks_and_not_the_trial(blocks):
    alone = tiny_trainer("vsam")
    train_to_end(alone)
    beside = tiny_trainer("vsam", with_probe=True)
    iterate, taken = beside.sam_probe._sam.iterate, iter(range(blocks))

    def out_of_memory(batches, stop):
        iterate(batches, stop)
        if next(taken, None) is None:
            raise torch.OutOfMemoryError

    beside.sam_probe._sam.iterate = out_of_memory
    train_to_end(beside)
    assert equal_state(without_clocks(beside), without_clocks(alone))
    assert len(beside.sam_probe.blocks) == blocks
    why = f"only {blocks} blocks of SAM's steps, of at least 8; the device has no memory for more"
    assert (beside.unreliable_reason == why) == (blocks < FEWEST_BLOCKS)
