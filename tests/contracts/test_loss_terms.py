"""What every method that is a loss term holds to."""

import copy

import pytest
import torch

from tests.support.tiny_trial import TinyTrial, equal_state
from vsam_tune.registry.methods import METHODS

LOSS_TERMS = [name for name in METHODS if METHODS[name].loss_term]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LOSS_TERMS)
def test_a_term_is_none_until_it_starts_and_then_one_number_a_batch(name, dtype):
    trial, penalties = TinyTrial(name, dtype=dtype), []
    for _ in range(30):
        trial.step()
        penalties.append(trial.penalty)
    start = next(t for t in range(30) if penalties[t] is not None)
    assert start % 5 == 0  # with an epoch
    assert 5 <= start <= 15
    for penalty in penalties[start:]:
        assert penalty.shape == ()
        assert penalty.dtype == dtype
        assert penalty >= 0
    assert any(penalties[start:])


@pytest.mark.parametrize("name", LOSS_TERMS)
def test_what_it_keeps_is_said_before_the_start_and_stays(name):
    trial = TinyTrial(name)
    kept = trial.loss_term.memory_bytes
    assert kept > 0
    trial.train(30)
    assert trial.loss_term.memory_bytes == kept


@pytest.mark.parametrize("name", LOSS_TERMS)
def test_passes_without_a_backward_are_at_most_those_listed(name):
    trial = TinyTrial(name)
    for iteration in range(1, 31):
        trial.step()
        assert trial.loss_term.forward_passes <= METHODS[name].forward_passes * iteration
    assert (trial.loss_term.forward_passes > 0) == (METHODS[name].forward_passes > 0)


@pytest.mark.parametrize("name", LOSS_TERMS)
def test_loading_shares_no_tensor_with_what_was_loaded(name):
    trial, loaded = TinyTrial(name), TinyTrial(name)
    trial.train(8)
    state = copy.deepcopy(trial.state_dict())
    before = copy.deepcopy(state["loss_term"])
    loaded.load_state_dict(state)
    loaded.train(8)
    assert equal_state(state["loss_term"], before)
    assert not equal_state(loaded.loss_term.state_dict(), before)


@pytest.mark.parametrize("name", LOSS_TERMS)
def test_a_missing_key_is_a_key_error_and_changes_nothing(name):
    saved, trial = TinyTrial(name), TinyTrial(name)
    saved.train(18)
    complete, before = saved.loss_term.state_dict(), copy.deepcopy(trial.loss_term.state_dict())
    for key in complete:
        with pytest.raises(KeyError, match=key):
            trial.loss_term.load_state_dict({other: complete[other] for other in complete if other != key})
    assert equal_state(trial.loss_term.state_dict(), before)


@pytest.mark.parametrize("name", LOSS_TERMS)
def test_saying_a_term_moves_nothing_of_the_network(name):
    """The same iterations with the term left out of the loss are the base optimizer's, dropout included."""
    found, plain, weights = TinyTrial(name, dropout=0.5), TinyTrial("sgd", dropout=0.5), {}
    say = found.loss_term
    found.loss_term = lambda *of_batch, **said: say(*of_batch, **said) and None
    found.loss_term.after_step = say.after_step
    start = torch.get_rng_state()
    for trial in (found, plain):
        torch.set_rng_state(start)
        trial.train(30)
        weights[trial] = (trial.network.state_dict(), torch.get_rng_state())
    assert equal_state(weights[found], weights[plain])


@pytest.mark.parametrize("name", LOSS_TERMS)
def test_a_term_warns_with_a_fix_if_it_added_nothing_in_the_whole_training(name):
    term = TinyTrial(name).loss_term
    assert term.warnings(epochs=6, has_added=True) == []
    (line,) = term.warnings(epochs=6, has_added=False)
    assert line.startswith(
        "the loss term added nothing in 6 epochs: this was the base optimizer's training. Fix: a smal"
    )
    assert {"start_epoch", "weight"} <= {*line.replace(",", "").split()}
    assert ("lag_epochs" in line) == (name == "saf")
