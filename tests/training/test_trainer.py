"""The training loop: what an epoch does, what it reports, when it gives up, and what evaluating leaves alone."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tests.support.methods import others_slow
from tests.support.tiny_trainer import (
    ITERATIONS_PER_EPOCH,
    NUM_IMAGES,
    images,
    ticking,
    tiny_loader,
    tiny_trainer,
    train_to_end,
    weights,
)
from tests.support.tiny_trial import equal_state, optimizer_class
from tests.support.value_reads import NoValueIsRead
from vsam_tune.registry.methods import METHODS
from vsam_tune.training import trainer as trainer_module
from vsam_tune.training.trainer import DivergedError

AT_THE_WEIGHTS = [name for name in METHODS if not getattr(optimizer_class(name), "perturbs_first", False)]
WITHOUT_READS = [name for name in METHODS if not METHODS[name].synchronises]


@pytest.fixture
def read_every_5(monkeypatch):
    """Read the device at iterations 5, 7 (an epoch's end), 10, 14, 15, 20, 21, ..."""
    monkeypatch.setattr(trainer_module, "READ_INTERVAL", 5)


def linear(bias=None):
    """Return a network without batch norm or dropout; with `bias`, one whose scores are these 5 for any image."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 5))
    nn.init.normal_(network[1].weight, std=0.1, generator=torch.Generator().manual_seed(6))
    nn.init.zeros_(network[1].bias)
    if bias is not None:
        nn.init.zeros_(network[1].weight)
        network[1].bias.data.copy_(torch.tensor(bias))
    return network


def test_an_epoch_is_the_loop_that_anyone_would_write():
    trainer = tiny_trainer("sgd", model=linear(), epochs=2, lr=0.1)
    network = copy.deepcopy(trainer.model)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-3)
    for epoch in range(2):
        losses = []
        for position, batch in enumerate(trainer.loader.batches(epoch)):
            iteration = epoch * ITERATIONS_PER_EPOCH + position
            optimizer.param_groups[0]["lr"] = 0.1 * 0.5 * (1 + math.cos(math.pi * iteration / 14))
            optimizer.zero_grad()
            loss = cross_entropy(network(batch.x), batch.y)
            loss.backward()
            optimizer.step()
            losses += [loss.item()] * len(batch.y)  # a mean over images: the last batch is smaller
        metrics = trainer.train_epoch()
        assert metrics["train_loss"] == pytest.approx(sum(losses) / NUM_IMAGES, rel=1e-6)
        assert torch.equal(weights(trainer.model), weights(network))


@pytest.mark.parametrize("name", others_slow(AT_THE_WEIGHTS))
def test_train_loss_is_that_of_the_first_pass(name):
    trainer = tiny_trainer(name, model=linear(), lr=0.0, rho=5.0)
    with torch.no_grad():
        losses = [cross_entropy(trainer.model(x), y, reduction="sum") for x, y, _ in trainer.loader.batches(0)]
    assert trainer.train_epoch()["train_loss"] == pytest.approx(sum(losses).item() / NUM_IMAGES, rel=1e-6)


@pytest.mark.usefixtures("read_every_5")
@pytest.mark.parametrize("name", others_slow(METHODS))
def test_the_same_arguments_give_the_same_bits_whether_the_state_is_saved_or_not(name):
    first = tiny_trainer(name, clock=ticking())
    metrics, end = train_to_end(first), first.state_dict()
    second = tiny_trainer(name, clock=ticking())
    assert train_to_end(second, between=second.state_dict) == metrics
    assert equal_state(second.state_dict(), end)


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_how_often_the_device_is_read_moves_no_bit(name, monkeypatch):
    seldom = tiny_trainer(name)
    train_to_end(seldom)
    monkeypatch.setattr(trainer_module, "READ_INTERVAL", 2)
    often = tiny_trainer(name)
    train_to_end(often)
    assert equal_state({**seldom.state_dict(), "ais": None}, {**often.state_dict(), "ais": None})


@pytest.mark.parametrize("name", others_slow(WITHOUT_READS))
def test_nothing_is_read_from_the_device_within_an_iteration(name):
    trainer = tiny_trainer(name, interval=100)  # vSAM reads its norms at an interval's end
    with NoValueIsRead():
        trainer.iterate(trainer.loader.batches(0), ITERATIONS_PER_EPOCH)
    assert trainer.iteration == ITERATIONS_PER_EPOCH


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", others_slow(WITHOUT_READS))
def test_cuda_does_not_synchronise_within_an_iteration(name):
    trainer = tiny_trainer(name, device="cuda", interval=100)
    batches = trainer.loader.batches(0)
    trainer.iterate(batches, 1)
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer.iterate(batches, ITERATIONS_PER_EPOCH)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(("name", "evaluations", "fraction"), [("sgd", 1, 0), ("sam", 2, 1)])
def test_what_sgd_and_sam_cost(name, evaluations, fraction):
    for metrics in train_to_end(tiny_trainer(name)):
        assert metrics["gradient_evaluations"] == evaluations
        assert metrics["sampled_fraction"] == fraction


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_metrics_count_what_the_trajectory_shows(name):
    trainer = tiny_trainer(name)
    for epoch in range(1, 6):
        metrics = trainer.train_epoch()
        table = trainer.trajectory.table()
        assert table["iteration"].tolist() == list(range(epoch * ITERATIONS_PER_EPOCH))
        assert metrics["epoch"] == trainer.epoch == epoch
        assert metrics["iteration"] == epoch * ITERATIONS_PER_EPOCH
        assert metrics["sampled_fraction"] == table["sampled"].mean()
        assert metrics["train_seconds"] == trainer.ais.seconds
        assert {*metrics} - {"adaptation_start"} == {
            "train_loss",
            "epoch",
            "iteration",
            "ais",
            "train_seconds",
            "sampled_fraction",
            "gradient_evaluations",
            "forward_passes",
            "sampled_fraction_seed_error",
            "gradient_evaluations_seed_error",
            *({"guarded"} if name in {"vsam", "vsam_a"} else ()),
        }


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_gradient_evaluations_are_the_backward_passes(name):
    trainer, backwards, sizes = tiny_trainer(name), [], []
    makes = trainer.closures.closure

    def noted(batch, *, epoch):
        sizes.append(len(batch.y))
        return makes(batch, epoch=epoch)

    def watch(_module, _inputs, logits):
        if logits.requires_grad:
            size = sizes[-1]
            logits.register_hook(lambda gradient: backwards.append(len(gradient) / size))

    trainer.closures.closure = noted
    trainer.model.register_forward_hook(watch)
    metrics = train_to_end(trainer)[-1]
    assert metrics["gradient_evaluations"] == pytest.approx(sum(backwards) / 35, abs=1e-12)


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_batch_norm_sees_each_batch_once_whatever_the_iteration_costs(name):
    trainer = tiny_trainer(name)
    train_to_end(trainer)
    assert trainer.model[1].num_batches_tracked == trainer.model[4].num_batches_tracked == 35


@pytest.mark.usefixtures("read_every_5")
@pytest.mark.parametrize("name", others_slow(METHODS))
def test_norms_stand_in_the_rows_of_their_iterations(name):
    trainer, seen = tiny_trainer(name), []
    step = trainer.lr_scheduler.step
    trainer.lr_scheduler.step = lambda: seen.append(trainer.optimizer.observation) or step()
    trainer.train_epoch()
    table = trainer.trajectory.table()
    for row, observation in enumerate(seen):
        psf, sgd = (getattr(observation, column, None) for column in ("l2_psf", "l2_sgd"))
        assert table["l2_psf"][row] == pytest.approx(math.nan if psf is None else psf.item(), nan_ok=True, rel=1e-12)
        assert table["l2_sgd"][row] == pytest.approx(math.nan if sgd is None else sgd.item(), nan_ok=True, rel=1e-12)


@pytest.mark.usefixtures("read_every_5")
@pytest.mark.parametrize("name", others_slow(METHODS))
def test_ais_counts_an_image_once_a_pass_whatever_the_iteration_costs(name):
    trainer = tiny_trainer(name, clock=ticking())
    assert trainer.train_epoch()["ais"] == NUM_IMAGES / 2  # read twice, each block is a second of this clock
    assert trainer.train_epoch()["ais"] == 2 * NUM_IMAGES / 4


@pytest.mark.usefixtures("read_every_5")
def test_ais_leaves_out_evaluation_and_what_happens_between():
    class Clock:
        now = 0.0

    trainer = tiny_trainer(clock=lambda: Clock.now)
    trainer.model.register_forward_hook(lambda *_: setattr(Clock, "now", Clock.now + 2))

    def checkpoint():
        Clock.now += 1000

    for _ in range(trainer.epochs):
        metrics = trainer.train_epoch(checkpoint)
        trainer.evaluate(tiny_loader())
    assert metrics["ais"] == NUM_IMAGES / (ITERATIONS_PER_EPOCH * 2)  # the loader's time would be inside as well


@pytest.mark.usefixtures("read_every_5")
def test_between_is_called_within_an_epoch_whenever_the_device_was_read():
    trainer, called = tiny_trainer(), []

    def between():
        called.append(trainer.iteration)
        assert not trainer.trajectory.pending()

    train_to_end(trainer, between)
    assert called == [5, 10, 15, 20, 25, 30]  # not at the ends of epochs, which the caller sees


class Breaking(nn.Module):
    """A network whose scores are no longer finite from one iteration on."""

    def __init__(self, iteration):
        super().__init__()
        self.network, self.left = linear(), iteration

    def forward(self, x):
        self.left -= 1
        return self.network(x) * (math.inf if self.left < 0 else 1)


@pytest.mark.usefixtures("read_every_5")
@pytest.mark.parametrize(("breaks", "noticed"), [(0, 5), (4, 5), (5, 7), (6, 7), (7, 10), (30, 35), (34, 35)])
def test_a_loss_that_is_not_finite_is_noticed_when_the_device_is_read(breaks, noticed):
    trainer = tiny_trainer("sgd", model=Breaking(breaks))
    with pytest.raises(DivergedError, match=f"the loss is not finite, noticed at iteration {noticed}") as caught:
        train_to_end(trainer)
    assert caught.value.iteration == trainer.iteration == noticed
    assert len(trainer.trajectory) == noticed
    assert not trainer.trajectory.pending()


@pytest.mark.usefixtures("read_every_5")
@pytest.mark.parametrize("name", others_slow(METHODS))
def test_a_learning_rate_that_is_too_large_diverges_and_nothing_else(name):
    trainer = tiny_trainer(name, lr=1e30)
    with pytest.raises(DivergedError):
        train_to_end(trainer)
    rates = trainer.trajectory.table()["sampling_rate"]
    assert ((rates >= 0) & (rates <= 1) | math.isnan(rates[0])).all()


@pytest.mark.parametrize(("scores", "accuracy"), [([1.0, 0, 0, 0, 0], 6 / 27), ([0, 0, 2.0, 0, 0], 5 / 27)])
def test_accuracy_in_percent_and_mean_loss(scores, accuracy):
    trainer = tiny_trainer(model=linear(bias=scores))
    log_sum = math.log(sum(math.exp(score) for score in scores))
    losses = [log_sum - scores[label] for label in images().y.tolist()]
    for batch_size in (4, 27, 100):
        found = trainer.evaluate(tiny_loader(batch_size=batch_size))
        assert found == pytest.approx((100 * accuracy, sum(losses) / NUM_IMAGES), rel=1e-6)


def test_evaluation_is_in_evaluation_mode():
    trainer = tiny_trainer()
    train_to_end(trainer)
    network = copy.deepcopy(trainer.model).eval()
    (batch,) = tiny_loader(batch_size=NUM_IMAGES, shuffle=False).batches(0)
    with torch.no_grad():
        scores = network(batch.x)
    accuracy, loss = trainer.evaluate(tiny_loader(batch_size=10))
    assert accuracy == pytest.approx(100 * (scores.argmax(1) == batch.y).float().mean().item())
    assert loss == pytest.approx(cross_entropy(scores, batch.y).item(), rel=1e-5)


@pytest.mark.usefixtures("read_every_5")
@pytest.mark.parametrize("name", others_slow(METHODS))
def test_evaluation_leaves_no_trace(name):
    with_evaluation = tiny_trainer(name, clock=ticking())
    before = copy.deepcopy(with_evaluation.state_dict())
    with_evaluation.evaluate(tiny_loader())
    assert equal_state(with_evaluation.state_dict(), before)
    assert all(parameter.grad is None for parameter in with_evaluation.model.parameters())
    for _ in range(5):
        with_evaluation.train_epoch()
        with_evaluation.evaluate(tiny_loader())
    end = copy.deepcopy(with_evaluation.state_dict())
    without = tiny_trainer(name, clock=ticking())
    train_to_end(without)
    assert equal_state(end, without.state_dict())
