"""A trainer that is cut anywhere, saved to a file and loaded into a fresh one ends with the same bits."""

import pytest
import torch

from tests.support.methods import WITHOUT_PRESETS, others_slow
from tests.support.tiny_trainer import ITERATIONS_PER_EPOCH, ticking, tiny_trainer, train_to_end
from tests.support.tiny_trial import equal_state
from vsam_tune.registry.methods import METHODS
from vsam_tune.training import trainer as trainer_module
from vsam_tune.training.checkpoint import load_checkpoint, save_checkpoint

CUTS = (3, ITERATIONS_PER_EPOCH, 12, 18, 24, 33)  # the second one lies between two epochs, the others within one


@pytest.fixture(autouse=True)
def read_often(monkeypatch):
    monkeypatch.setattr(trainer_module, "READ_INTERVAL", 3)


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_resume_is_exact(name, tmp_path):
    straight, metrics = tiny_trainer(name, clock=ticking()), []

    def save():
        if straight.iteration in CUTS:
            save_checkpoint(straight.state_dict(), tmp_path / f"{straight.iteration}.pt")

    for _ in range(straight.epochs):
        metrics.append(straight.train_epoch(save))
        save()
    end = straight.state_dict()

    for cut in CUTS:
        torch.rand(100)  # whatever the next process did before
        resumed = tiny_trainer(name, clock=ticking())
        resumed.load_state_dict(load_checkpoint(tmp_path / f"{cut}.pt"))
        assert resumed.iteration == cut
        assert train_to_end(resumed) == metrics[cut // ITERATIONS_PER_EPOCH :], cut  # train_loss and ais, too
        assert equal_state(resumed.state_dict(), end), cut


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_a_trainer_that_went_on_by_itself_can_be_set_back(name, tmp_path):
    trainer = tiny_trainer(name, clock=ticking())
    trainer.train_epoch()
    save_checkpoint(trainer.state_dict(), tmp_path / "checkpoint.pt")
    metrics = trainer.train_epoch()
    trainer.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert trainer.train_epoch() == metrics


def test_a_missing_key_is_a_key_error():
    trainer = tiny_trainer()
    trainer.train_epoch()
    complete = trainer.state_dict()
    for key in complete:
        with pytest.raises(KeyError, match=key):
            tiny_trainer().load_state_dict({other: complete[other] for other in complete if other != key})


@pytest.mark.parametrize("name", ["sgd", "mesa"])
def test_a_checkpoint_that_holds_the_state_of_the_base_optimizer_alone_is_gone_on_with(name):
    """As trainers wrote it before every optimizer had a wrapper."""
    straight = tiny_trainer(name, clock=ticking())
    metrics = train_to_end(straight)
    first = tiny_trainer(name, clock=ticking())
    first.train_epoch()
    state = first.state_dict()
    resumed = tiny_trainer(name, clock=ticking())
    resumed.load_state_dict({**state, "optimizer": state["optimizer"]["base"]})
    assert train_to_end(resumed) == metrics[1:]
    assert equal_state(resumed.state_dict(), straight.state_dict())
