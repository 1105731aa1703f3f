"""A trial of the user's own data, model and method, in a worker."""

import pytest

from tests.support.digits_trial import end_of, steps, trial_config
from tests.support.tiny_trial import equal_state
from trainables.dry_run import dry_run

TASK = {
    "data": "tests.support.custom_extensions:stripes",
    "model": {"name": "tests.support.custom_extensions:tiny", "width": 2},
    "subset": None,
    "validation_fraction": None,
    "label_noise": 0.0,
}
METHODS = {"Timid": {"share": 0.5}, "Confidence": {"weight": 0.1}}


def own_config(folder, name, **changes):
    config = trial_config(folder, **TASK, **changes)
    return {**config, "method": {"name": f"tests.support.custom_extensions:{name}", **METHODS[name]}}


def test_a_dry_run_builds_it():
    facts = dry_run(own_config("", "Confidence"), time_iterations=False)
    wanted = {"train_images": 192, "iterations_per_epoch": 6, "parameters": 407, "method_memory_mb": 0.0}
    assert facts.items() >= wanted.items()


@pytest.mark.parametrize("name", METHODS)
def test_it_learns_and_resumes_exactly(name, new_worker, tmp_path):
    straight = new_worker(own_config(tmp_path / "0", name))
    results = steps(straight)
    assert results[-1]["val_accuracy"] > 90
    assert results[-1]["gradient_evaluations"] == (2 if name == "Timid" else 1)
    cut = new_worker(own_config(tmp_path / "1", name))
    cut.step()
    cut.save_checkpoint(str(tmp_path / "1"))
    resumed = new_worker(own_config(tmp_path / "1", name))
    assert resumed.trainer.epoch == 1
    steps(resumed)
    assert equal_state(end_of(resumed), end_of(straight))
