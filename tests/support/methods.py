"""Which methods a test runs with."""

from collections.abc import Iterable

import pytest

from vsam_tune.registry.methods import METHODS

# One method of each kind: the base optimizer alone, the losses of single samples, a loss term with an averaged model,
# and a state that adapts to the training.
REPRESENTATIVES = ("sgd", "esam", "mesa", "vsam")
# Each preset is a more general method with some settings: tests/contracts/test_presets.py shows it.
PRESETS = {"sgd_long": "sgd", "sam_5": "periodic_sam", "sam_10": "periodic_sam", "vsam_a": "vsam"}
WITHOUT_PRESETS = [name for name in METHODS if name not in PRESETS]


def others_slow(names: Iterable[str]):
    """Return the names as parameters of a test; all but the representatives are marked as slow."""
    return [name if name in REPRESENTATIVES else pytest.param(name, marks=pytest.mark.slow) for name in names]
