"""A worker that is reused by the next trial keeps the data where they are the same, and nothing else."""

import pytest
import torch

from tests.support.digits_trial import end_of, steps, trial_config, without_ais
from tests.support.methods import others_slow
from tests.support.tiny_trial import equal_state
from trainables import build
from vsam_tune.registry.methods import METHODS


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_two_trials_in_one_worker_are_those_of_two_fresh_workers(name, new_worker, tmp_path):
    first = {"seed": 7, "batch_size": 20, "model": {"name": "cnn", "width": 6}, "lr": 0.3}
    reused = new_worker(trial_config(tmp_path / "0", "vsam", **first))
    results = [steps(reused)]
    ends = [end_of(reused)]
    assert reused.reset_config(trial_config(tmp_path / "1", name)) is True
    results.append(steps(reused))
    ends.append(end_of(reused))

    for number, config in enumerate([
        trial_config(tmp_path / "2", "vsam", **first),
        trial_config(tmp_path / "3", name),
    ]):
        fresh = new_worker(config)
        assert without_ais(steps(fresh)) == without_ais(results[number])
        assert equal_state(end_of(fresh), ends[number])


@pytest.mark.parametrize("left", ["diverged", "half_way", "failed"])
def test_a_former_trial_that_did_not_end_well_leaves_nothing(left, new_worker, tmp_path, monkeypatch):
    reused = new_worker(trial_config(tmp_path / "0", "vsam", lr=1e30 if left == "diverged" else 0.1))
    if left == "failed":
        monkeypatch.setattr(reused.trainer, "evaluate", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            reused.step()
    else:
        reused.step()
    reused.reset_config(trial_config(tmp_path / "1", "vsam"))
    results = steps(reused)
    fresh = new_worker(trial_config(tmp_path / "2", "vsam"))
    assert without_ais(steps(fresh)) == without_ais(results)
    assert equal_state(end_of(fresh), end_of(reused))


def test_the_clock_of_ais_starts_anew(new_worker, tmp_path):
    worker = new_worker(trial_config(tmp_path / "0"))
    steps(worker)
    worker.reset_config(trial_config(tmp_path / "1"))
    assert worker.trainer.ais.state_dict() == {"images": 0, "seconds": 0, "marks": []}
    worker.reset_config(trial_config(tmp_path / "2", cpus=2))
    assert torch.get_num_threads() == 2
    worker.reset_config(trial_config(tmp_path / "3"))
    assert torch.get_num_threads() == 1


@pytest.fixture
def reads(monkeypatch):
    """Return the arguments with which data have been read."""
    noted, read = [], build.load_data
    monkeypatch.setattr(build, "load_data", lambda arguments: noted.append(arguments) or read(arguments))
    return noted


def test_the_same_data_are_read_once(new_worker, tmp_path, reads):
    worker = new_worker(trial_config(tmp_path / "0", "vsam"))
    steps(worker)
    model = {"name": "resnet8", "width": 2}
    for number, changes in enumerate([{"seed": 9}, {"epochs": 2}, {"batch_size": 10}, {"model": model}], start=1):
        worker.reset_config(trial_config(tmp_path / str(number), "sam", **changes))
        worker.step()
    assert len(reads) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"label_noise": 0.3},
        {"validation_fraction": 0.3},
        {"subset": 180},
        {"resize": 7},
        {"final": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_other_data_are_read_anew(changes, new_worker, tmp_path, reads):
    worker = new_worker(trial_config(tmp_path / "0"))
    first = steps(worker)
    worker.reset_config(trial_config(tmp_path / "1", **changes))
    results = steps(worker)
    assert len(reads) == 2
    assert without_ais(steps(new_worker(trial_config(tmp_path / "2", **changes)))) == without_ais(results)
    worker.reset_config(trial_config(tmp_path / "3"))
    assert without_ais(steps(worker)) == without_ais(first)
    assert len(reads) == 4


def test_the_seed_of_the_task_decides_on_the_data_and_the_seed_of_the_trial_does_not(new_worker, tmp_path, reads):
    config = trial_config(tmp_path / "0")
    worker = new_worker(config)
    first = worker._data[1]
    worker.reset_config({**config, "seed": 5})
    assert worker._data[1] is first
    worker.reset_config({**config, "task": {**config["task"], "seed": 5}})
    assert len(reads) == 2
    assert not torch.equal(worker._data[1].train.x, first.train.x)


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_a_trial_never_writes_to_the_data(name, new_worker, tmp_path):
    worker = new_worker(trial_config(tmp_path, name, augmentation=["crop", "flip", "cutout"]))
    data = worker._data[1]
    parts = [data.train.x, data.train.y, data.validation.x, data.validation.y, data.mean, data.std]
    before = [part.clone() for part in parts]
    steps(worker)
    assert all(torch.equal(part, copy) for part, copy in zip(parts, before, strict=True))


def test_data_that_cannot_be_read_leave_a_worker_that_can_go_on(new_worker, tmp_path):
    from vsam_tune.errors import InputError

    worker = new_worker(trial_config(tmp_path / "0"))
    with pytest.raises(InputError):
        worker.reset_config(trial_config(tmp_path / "1", data=f"npz:{tmp_path}/missing.npz"))
    worker.reset_config(trial_config(tmp_path / "2"))
    assert steps(worker)[-1]["done"]
