"""Learning-rate schedulers move what the base optimizer uses, attached to either, before or after loading."""

import pytest
import torch

from tests.support.tiny_trial import TinyTrial
from vsam_tune.registry.methods import METHODS


def cosine(optimizer):
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)


def scheduled(trial, scheduler, iterations):
    for _ in range(iterations):
        trial.step()
        scheduler.step()
    return trial.weights


@pytest.mark.parametrize("attached_to", ["optimizer", "base"])
@pytest.mark.parametrize("attached", ["before", "after"])
@pytest.mark.parametrize("name", METHODS)
def test_a_scheduled_trial_resumes_exactly(name, attached, attached_to):
    straight, first, resumed = TinyTrial(name), TinyTrial(name), TinyTrial(name)
    expected = scheduled(straight, cosine(getattr(straight, attached_to)), 16)
    scheduler = cosine(getattr(first, attached_to))
    scheduled(first, scheduler, 8)
    if attached == "before":
        resumed_scheduler = cosine(getattr(resumed, attached_to))
        resumed.load_state_dict(first.state_dict())
    else:
        resumed.load_state_dict(first.state_dict())
        resumed_scheduler = cosine(getattr(resumed, attached_to))
    resumed_scheduler.load_state_dict(scheduler.state_dict())
    if attached == "after":  # torch: making a scheduler sets the rate of its first step
        for group, saved in zip(resumed.base.param_groups, first.base.param_groups, strict=True):
            group["lr"] = saved["lr"]
    assert torch.equal(scheduled(resumed, resumed_scheduler, 8), expected)
    assert resumed.base.param_groups[0]["lr"] == straight.base.param_groups[0]["lr"] != 0.1


@pytest.mark.parametrize("name", METHODS)
def test_a_scheduler_that_moves_the_momentum_finds_it(name):
    trial = TinyTrial(name)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(trial.optimizer, max_lr=0.1, total_steps=20)
    scheduled(trial, scheduler, 3)
    assert trial.base.param_groups[0]["momentum"] not in (0.85, 0.95)
