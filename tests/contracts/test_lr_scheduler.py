"""Learning-rate schedulers move what the base optimizer uses, attached to either, before or after loading."""

import copy

import pytest
import torch

from tests.support.methods import WITHOUT_PRESETS
from tests.support.tiny_trial import TinyTrial


def cosine(optimizer):
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)


def scheduled(trial, scheduler, iterations):
    for _ in range(iterations):
        trial.step()
        scheduler.step()
    return trial.weights


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_a_scheduled_trial_resumes_exactly(name):
    straight = TinyTrial(name)
    expected = scheduled(straight, cosine(straight.base), 16)
    for attached_to in ("optimizer", "base"):
        first = TinyTrial(name)
        scheduler = cosine(getattr(first, attached_to))
        scheduled(first, scheduler, 8)
        state, rates = copy.deepcopy(first.state_dict()), [group["lr"] for group in first.base.param_groups]
        for attached in ("before loading", "after loading"):
            resumed = TinyTrial(name)
            if attached == "before loading":
                resumed_scheduler = cosine(getattr(resumed, attached_to))
                resumed.load_state_dict(copy.deepcopy(state))  # torch's SGD keeps the tensors that it loads
            else:
                resumed.load_state_dict(copy.deepcopy(state))
                resumed_scheduler = cosine(getattr(resumed, attached_to))
            resumed_scheduler.load_state_dict(scheduler.state_dict())
            if attached == "after loading":  # torch: making a scheduler sets the rate of its first step
                for group, rate in zip(resumed.base.param_groups, rates, strict=True):
                    group["lr"] = rate
            assert torch.equal(scheduled(resumed, resumed_scheduler, 8), expected), (attached_to, attached)
            assert resumed.base.param_groups[0]["lr"] == straight.base.param_groups[0]["lr"] != 0.1


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_a_scheduler_that_moves_the_momentum_finds_it(name):
    trial = TinyTrial(name)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(trial.optimizer, max_lr=0.1, total_steps=20)
    scheduled(trial, scheduler, 3)
    assert trial.base.param_groups[0]["momentum"] not in (0.85, 0.95)
