"""A trainer that is cut within an epoch, saved to a file and loaded into a fresh one ends with the same bits."""

import pytest
import torch

from tests.support.tiny_trainer import ITERATIONS_PER_EPOCH, ticking, tiny_trainer, train_to_end
from tests.support.tiny_trial import equal_state
from vsam_tune.registry.methods import METHODS
from vsam_tune.training import trainer as trainer_module
from vsam_tune.training.checkpoint import load_checkpoint, save_checkpoint


class KilledError(Exception):
    pass


@pytest.fixture(autouse=True)
def read_often(monkeypatch):
    monkeypatch.setattr(trainer_module, "READ_INTERVAL", 3)


def killed_after(trainer, iterations, path):
    """Train, and be killed right after the checkpoint at that iteration, a multiple of 3."""

    def between():
        if trainer.iteration == iterations:
            save_checkpoint(trainer.state_dict(), path)
            raise KilledError

    with pytest.raises(KilledError):
        train_to_end(trainer, between)


@pytest.mark.parametrize("cut", [3, 12, 18, 24, 33])
@pytest.mark.parametrize("name", METHODS)
def test_resume_within_an_epoch_is_exact(name, cut, tmp_path):
    assert cut % ITERATIONS_PER_EPOCH
    straight = tiny_trainer(name, clock=ticking())
    metrics = train_to_end(straight)
    end = straight.state_dict()
    killed_after(tiny_trainer(name, clock=ticking()), cut, tmp_path / "checkpoint.pt")

    torch.rand(100)  # whatever the next process did before
    resumed = tiny_trainer(name, clock=ticking())
    resumed.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert resumed.iteration == cut
    assert train_to_end(resumed) == metrics[cut // ITERATIONS_PER_EPOCH :]  # train_loss of the cut epoch, and ais, too
    assert equal_state(resumed.state_dict(), end)


@pytest.mark.parametrize("name", METHODS)
def test_resume_between_two_epochs_is_exact(name, tmp_path):
    straight = tiny_trainer(name, clock=ticking())
    metrics = train_to_end(straight)
    end = straight.state_dict()
    first = tiny_trainer(name, clock=ticking())
    first.train_epoch()
    save_checkpoint(first.state_dict(), tmp_path / "checkpoint.pt")
    resumed = tiny_trainer(name, clock=ticking())
    resumed.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert train_to_end(resumed) == metrics[1:]
    assert equal_state(resumed.state_dict(), end)


@pytest.mark.parametrize("name", METHODS)
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
