"""A trial that is cut anywhere, saved to a file and loaded into fresh objects ends with the same bits."""

import copy
import pickle

import pytest
import torch

from tests.support.methods import WITHOUT_PRESETS
from tests.support.tiny_trial import TinyTrial, equal_state, loaded, saved_and_loaded
from vsam_tune.registry.methods import METHODS

WRAPPERS = [name for name in WITHOUT_PRESETS if METHODS[name].optimizer]
CUTS = (0, 1, 7, 10, 18)  # 10 ends an interval, the others lie within one


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_resume_is_exact(name, tmp_path):
    straight, losses = TinyTrial(name), []
    for iteration in range(30):
        if iteration in CUTS:
            torch.save(straight.state_dict(), tmp_path / f"{iteration}.pt")
        losses.append(straight.step().item())
    for cut in CUTS:
        resumed = loaded(TinyTrial(name), tmp_path / f"{cut}.pt")
        assert resumed.train(30 - cut) == losses[cut:], cut
        assert torch.equal(resumed.weights, straight.weights), cut
        assert equal_state(resumed.state_dict(), straight.state_dict()), cut


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_a_trial_that_is_cut_several_times_is_exact_over_adamw_as_well(name, tmp_path):
    straight, trial = TinyTrial(name, base="adamw"), TinyTrial(name, base="adamw")
    losses, found = straight.train(30), []
    for cut in (*CUTS, 30):
        found += trial.train(cut - len(found))
        trial = saved_and_loaded(trial, TinyTrial(name, base="adamw"), tmp_path / "checkpoint.pt")
    assert found == losses
    assert torch.equal(trial.weights, straight.weights)
    assert equal_state(trial.state_dict(), straight.state_dict())


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_the_trial_that_was_saved_goes_on_undisturbed(name):
    straight, first, second = TinyTrial(name), TinyTrial(name), TinyTrial(name)
    straight.train(20)
    first.train(8)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    second.train(5)
    first.train(12)
    assert torch.equal(first.weights, straight.weights)


@pytest.mark.parametrize("name", WRAPPERS)
def test_loading_shares_no_tensor_with_what_was_loaded(name):
    trial = TinyTrial(name)
    trial.train(8)
    state = trial.optimizer.state_dict()
    before = copy.deepcopy(state)
    loaded = TinyTrial(name)
    loaded.optimizer.load_state_dict(state)
    loaded.train(8)
    assert equal_state(state, before)


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_missing_key_is_a_key_error_and_changes_nothing(name):
    saved, trial = TinyTrial(name), TinyTrial(name)
    saved.train(8)
    complete = saved.optimizer.state_dict()
    before = copy.deepcopy(trial.optimizer.state_dict())
    for key in complete.keys() - {"saved_by"}:  # that is what older states lack
        with pytest.raises(KeyError, match=key):
            trial.optimizer.load_state_dict({other: complete[other] for other in complete if other != key})
    plain = copy.deepcopy(complete)
    del plain["base"]["param_groups"][1]["rho"]
    with pytest.raises(KeyError, match="rho"):
        trial.optimizer.load_state_dict(plain)
    assert equal_state(trial.optimizer.state_dict(), before)


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_copy_of_network_and_optimizer_together_goes_on_by_itself(name):
    straight, trial = TinyTrial(name), TinyTrial(name)
    straight.train(20)
    trial.train(8)
    for copied in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))):  # noqa: S301 - our own bytes
        twin = TinyTrial(name)
        twin.network, twin.optimizer = copied((trial.network, trial.optimizer))
        twin.iterations = trial.iterations
        twin.train(12)
        assert torch.equal(twin.weights, straight.weights)
    trial.train(12)
    assert torch.equal(trial.weights, straight.weights)
