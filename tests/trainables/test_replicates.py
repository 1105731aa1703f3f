"""A trial of several replicates: what it reports, that it is what its replicates are, and that it resumes exactly."""

import math
import statistics

import pyarrow.parquet as pq
import pytest

from tests.support.digits_trial import EVALUATED, end_of, steps, trial_config, without_ais
from tests.support.tiny_trial import equal_state
from tests.trainables.test_files import crash_in
from vsam_tune.training.standard_errors import accuracy_error
from vsam_tune.trial import trial_seed

EPOCHS = 2
ITERATIONS = 5 * EPOCHS  # of a replicate


def config(folder, name="vsam", **settings):
    return trial_config(folder, name, **{"replicates": 3, "epochs": EPOCHS, **settings})


def test_the_replicates_are_trials_under_seeds_of_their_own_and_the_first_under_the_trials(new_worker, tmp_path):
    worker = new_worker(config(tmp_path / "all"))
    results = steps(worker)
    seeds = [1, *(trial_seed(1, "replicate", replicate) for replicate in (1, 2))]
    own = ("epoch", "iteration", "replicates", "replicate_ended", "done")
    ends = []
    for replicate, seed in enumerate(seeds):
        alone = steps(new_worker(config(tmp_path / str(seed), seed=seed, replicates=1)))
        ends.append(alone[-1])
        before = without_ais(results[EPOCHS * replicate : EPOCHS * (replicate + 1) - 1])
        for reported, single in zip(before, without_ais(alone[:-1]), strict=True):
            assert {**reported, **dict.fromkeys(own)} == {**single, **dict.fromkeys(own)}
        name = f"trajectory-{replicate}.parquet" if replicate else "trajectory.parquet"
        trajectory = (tmp_path / str(seed) / "trajectory.parquet").read_bytes()
        assert (tmp_path / "all" / name).read_bytes() == trajectory
    for name in ("val_accuracy", "val_loss", "train_loss", "gradient_evaluations", "sampled_fraction"):
        values = [end[name] for end in ends]
        assert results[-1][name] == pytest.approx(sum(values) / 3)
        assert results[-1][f"{name}_std"] == pytest.approx(statistics.stdev(values))


def test_epochs_iterations_and_replicates_are_counted(new_worker, tmp_path):
    results = steps(new_worker(config(tmp_path)))
    assert [result["epoch"] for result in results] == [1, 2, 3, 4, 5, 6]
    assert [result["iteration"] for result in results] == [5, 10, 15, 20, 25, 30]
    assert [result["replicates"] for result in results] == [0, 1, 1, 2, 2, 3]
    assert [result.get("replicate_ended", False) for result in results] == [False, True] * 3
    assert [result.get("done", False) for result in results] == [False] * 5 + [True]
    assert pq.read_table(tmp_path / "trajectory-2.parquet").num_rows == ITERATIONS


def test_the_error_of_the_mean_is_the_larger_of_the_spreads_and_the_replicates_own(new_worker, tmp_path):
    results = steps(new_worker(config(tmp_path)))
    first, mean = results[1], results[-1]
    assert first["val_accuracy_error"] == accuracy_error(first["val_accuracy"], EVALUATED["val"])
    assert "val_accuracy_std" not in first
    assert mean["val_accuracy_error"] >= mean["val_accuracy_std"] / math.sqrt(3)
    assert mean["val_accuracy_error"] >= 0.8 * accuracy_error(mean["val_accuracy"], EVALUATED["val"]) / math.sqrt(3)


def test_a_single_replicate_says_nothing_of_replicates(new_worker, tmp_path):
    results = steps(new_worker(config(tmp_path, replicates=1)))
    assert len(results) == EPOCHS
    assert not any("replicate" in name or name.endswith("_std") for result in results for name in result)


@pytest.mark.usefixtures("checkpoint_always")
@pytest.mark.parametrize("name", ["sgd", "vsam", "mesa"])
@pytest.mark.parametrize(("iteration", "at"), [(4, 3), (7, 6)])  # of the second replicate; `at` stands a checkpoint
def test_a_trial_goes_on_within_a_replicate(name, iteration, at, new_worker, tmp_path):
    straight = new_worker(config(tmp_path / "0", name))
    results, end = without_ais(steps(straight)), end_of(straight)
    worker = new_worker(config(tmp_path / "1", name))
    worker.step()
    worker.step()
    worker._begin_replicate([worker._last])  # as the next step would, so that its network can be made to crash
    crash_in(worker, iteration)
    resumed = new_worker(config(tmp_path / "1", name))
    assert (len(resumed._ended), resumed.trainer.iteration) == (1, at)
    assert f"resumed at iteration {ITERATIONS + at}" in (tmp_path / "1" / "log.txt").read_text()
    assert without_ais(steps(resumed)) == results[2 + at // 5 :]
    assert equal_state(end_of(resumed), end)
    for file in ("trajectory.parquet", "trajectory-1.parquet", "trajectory-2.parquet"):
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "0" / file).read_bytes()


@pytest.mark.usefixtures("checkpoint_always")
def test_the_end_of_a_replicate_whose_report_was_lost_is_reported_again(new_worker, tmp_path):
    worker = new_worker(config(tmp_path))
    worker.step()
    ended = worker.step()
    assert ended["replicate_ended"]
    again = new_worker(config(tmp_path))
    assert without_ais([again.step()]) == without_ais([ended])
    assert again.step()["iteration"] == ITERATIONS + 5


def test_a_replicate_that_diverges_ends_the_trial(new_worker, tmp_path):
    worker = new_worker(config(tmp_path, "sgd"))
    worker.step()
    worker.step()
    worker._settings = {**worker._settings, "base_optimizer": {**worker._settings["base_optimizer"], "lr": 1e30}}
    result = worker.step()
    at = ITERATIONS + 5
    assert result == {"diverged": at, "epoch": EPOCHS + 1, "iteration": at, "replicates": 1, "done": True}
    assert pq.read_table(tmp_path / "trajectory-1.parquet").num_rows == 5


def test_a_worker_that_is_reused_forgets_the_replicates(new_worker, tmp_path):
    worker = new_worker(config(tmp_path / "0"))
    steps(worker)
    worker.reset_config(config(tmp_path / "1", replicates=1))
    fresh = new_worker(config(tmp_path / "2", replicates=1))
    assert without_ais(steps(worker)) == without_ais(steps(fresh))


@pytest.mark.usefixtures("checkpoint_always")
def test_the_checkpoints_that_ray_asks_for_know_the_replicates(new_worker, tmp_path):
    straight = new_worker(config(tmp_path / "0"))
    end = steps(straight) and end_of(straight)
    first = new_worker(config(tmp_path / "1"))
    for _ in range(3):
        first.step()
    (tmp_path / "saved").mkdir()
    first.save_checkpoint(str(tmp_path / "saved"))
    other = new_worker(config(tmp_path / "2"))
    other.load_checkpoint(str(tmp_path / "saved"))
    assert [result["epoch"] for result in steps(other)] == [4, 5, 6]
    assert equal_state(end_of(other), end)
