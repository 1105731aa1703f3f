"""Label smoothing of a trial: every loss that trains has it, the SAM probe's too, and no evaluation does."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.support.digits_trial import end_of, steps, trial_config, without_ais
from tests.support.tiny_trial import equal_state
from trainables.build import build_trainer, data_arguments, load_data
from vsam_tune.errors import InputError
from vsam_tune.training import closures

OTHERS, ALL = {"epsilon": 0.1, "over": "others"}, {"epsilon": 1 / 9, "over": "all"}  # the same for ten classes
METHODS = ("sgd", "esam", "mesa", "vsam")  # one pass, sample losses, a loss term, two passes


@pytest.fixture(scope="module")
def data():
    return load_data(data_arguments(trial_config("")))


@pytest.fixture
def smoothings(monkeypatch):
    """Return the label smoothing of each loss that trains, in order."""
    seen = []

    def noted(*arguments, **settings):
        seen.append(settings["label_smoothing"])
        return cross_entropy(*arguments, **settings)

    monkeypatch.setattr(closures, "cross_entropy", noted)
    return seen


@pytest.mark.parametrize("name", METHODS)
def test_every_loss_that_trains_has_it(name, data, smoothings):
    trainer, _ = build_trainer(trial_config("", name, label_smoothing=OTHERS), data)
    trainer.train_epoch()
    assert set(smoothings) == {1 / 9}
    of_trial = len(smoothings)
    trainer.sam_probe.take_block(2)
    assert smoothings[of_trial:] == [1 / 9] * 4


def test_without_it_no_loss_has_it(data, smoothings):
    trainer, _ = build_trainer(trial_config("", "sam"), data)
    trainer.train_epoch()
    assert set(smoothings) == {0.0}


@pytest.mark.parametrize("name", METHODS)
def test_both_forms_train_to_the_same_bits_and_none_to_others(name, data):
    ends = []
    for smoothing in (OTHERS, ALL, None):
        trainer, _ = build_trainer(trial_config("", name, label_smoothing=smoothing), data)
        trainer.train_epoch()
        ends.append(trainer.model.state_dict())
    assert equal_state(dict(ends[0]), dict(ends[1]))
    assert not equal_state(dict(ends[0]), dict(ends[2]))


@pytest.mark.usefixtures("checkpoint_always")
@pytest.mark.parametrize("name", METHODS)
def test_a_trial_resumed_ends_with_the_same_bits(name, new_worker, tmp_path):
    straight = new_worker(trial_config(tmp_path / "straight", name, label_smoothing=OTHERS))
    expected = steps(straight)
    interrupted = new_worker(trial_config(tmp_path / "resumed", name, label_smoothing=OTHERS))
    interrupted.step()
    resumed = new_worker(trial_config(tmp_path / "resumed", name, label_smoothing=OTHERS))
    assert resumed.trainer.iteration > 0
    assert without_ais(steps(resumed)) == without_ais(expected[1:])
    assert equal_state(end_of(resumed), end_of(straight))


def test_the_losses_of_an_evaluation_are_plain(new_worker, tmp_path, data):
    worker = new_worker(trial_config(tmp_path, "sgd", label_smoothing=OTHERS))
    result = steps(worker)[-1]
    x = (data.validation.x.float() - data.mean[:, None, None]) / data.std[:, None, None]
    with torch.no_grad():
        scores = worker.trainer.model.eval()(x)
    assert result["val_loss"] == pytest.approx(cross_entropy(scores, data.validation.y).item(), rel=1e-5)


def test_a_smoothing_that_is_too_strong_for_the_classes_of_the_data(data):
    with pytest.raises(InputError) as error:
        build_trainer(trial_config("", label_smoothing={"epsilon": 0.9, "over": "others"}), data)
    assert error.value.lines == (
        "task: label_smoothing = 0.9: must be below 0.9 for 10 classes; a wrong class must get less of the target than "
        "the label's class. Fix: write a number such as 0.1.",
    )
    build_trainer(trial_config("", label_smoothing={"epsilon": 0.9, "over": "all"}), data)
