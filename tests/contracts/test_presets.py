"""A preset is a more general method with some settings: what the contracts show of the one holds for the other."""

import pytest

from tests.support.methods import PRESETS, WITHOUT_PRESETS
from tests.support.tiny_trial import TinyTrial, quick_settings, same_trajectory
from vsam_tune.registry.methods import METHODS


@pytest.mark.parametrize(("preset", "general"), PRESETS.items())
def test_a_preset_is_the_class_of_a_more_general_method_with_some_settings(preset, general):
    entry, whole = METHODS[preset], METHODS[general]
    assert (entry.optimizer, entry.loss_term) == (whole.optimizer, whole.loss_term)
    assert entry.synchronises == whole.synchronises
    assert entry.forward_passes == whole.forward_passes
    assert entry.hyperparameters.items() <= whole.hyperparameters.items()
    assert entry.fixed.keys() <= whole.hyperparameters.keys()
    assert not whole.fixed
    assert entry.fixed or entry.epochs != whole.epochs


@pytest.mark.parametrize(("preset", "general"), PRESETS.items())
def test_a_preset_trains_as_the_more_general_method_with_those_settings(preset, general):
    assert same_trajectory(TinyTrial(preset), TinyTrial(general, **quick_settings(preset)))


def test_every_other_method_has_a_class_of_its_own():
    classes = [(METHODS[name].optimizer, METHODS[name].loss_term) for name in WITHOUT_PRESETS]
    assert len(set(classes)) == len(classes)
