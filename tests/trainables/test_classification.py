"""One trial: what it trains on, what it reports in a search and in a final training, how it ends."""

import dataclasses
import json

import pyarrow.parquet as pq
import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.support.digits_trial import EVALUATED, SEARCH_IMAGES, saved_in, steps, trial_config, without_ais
from tests.support.methods import others_slow
from tests.support.tiny_trial import equal_state
from trainables import build
from trainables.build import data_arguments, load_data
from vsam_tune.registry.methods import METHODS

TRAINING = {
    "train_loss",
    "epoch",
    "iteration",
    "ais",
    "train_seconds",
    "sampled_fraction",
    "gradient_evaluations",
    "forward_passes",
    "sampled_fraction_seed_error",
    "gradient_evaluations_seed_error",
    "ais_error",
    "ais_seed_error",
    "ais_vs_sam",
    "ais_vs_sam_error",
    "ais_vs_sam_seed_error",
    "ais_vs_sam_totals",
    "ais_vs_sam_wall",
    "ais_vs_sam_cpu",
    "ideal_ais_vs_sam",
    "efficiency",
    "reference_steps",
    "reference_seconds",
}


def reported(result):
    """Return the names, but for those that come with the machine or with the iteration."""
    return {*result} - {"unreliable_reason", "adaptation_start"}


def of_training(name):
    return TRAINING | ({"guarded"} if name in {"vsam", "vsam_a"} else set())


def evaluated(worker, part):
    averaged = getattr(worker.trainer.loss_term, "averaged_model", None)
    accuracies = {f"{part}_accuracy"} | (set() if averaged is None else {f"averaged_{part}_accuracy"})
    return {*accuracies, *(f"{name}_error" for name in accuracies), f"{part}_loss"}


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_a_search_reports_the_validation_part_after_every_epoch(name, new_worker, tmp_path):
    worker = new_worker(trial_config(tmp_path, name))
    results = steps(worker)
    assert [result["epoch"] for result in results] == [1, 2, 3, 4, 5, 6]
    assert [result["iteration"] for result in results] == [5, 10, 15, 20, 25, 30]
    for result in results[:-1]:
        assert reported(result) == of_training(name) | evaluated(worker, "val")
    assert reported(results[-1]) == of_training(name) | evaluated(worker, "val") | {"done"}
    assert results[-1]["done"] is True
    correct = results[-1]["val_accuracy"] / 100 * EVALUATED["val"]
    assert correct == pytest.approx(round(correct))
    json.dumps(results)  # plain numbers: they go to other processes
    assert_that_the_trajectory_is_whole(tmp_path, results[-1])


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_a_final_training_reports_the_test_images_once_at_its_end(name, new_worker, tmp_path):
    worker = new_worker(trial_config(tmp_path, name, final=True))
    results = steps(worker)
    assert [result["iteration"] for result in results] == [7, 14, 21, 28, 35, 42]
    for result in results[:-1]:
        assert reported(result) == of_training(name)
    assert reported(results[-1]) == of_training(name) | evaluated(worker, "test") | {"done"}
    correct = results[-1]["test_accuracy"] / 100 * EVALUATED["test"]
    assert correct == pytest.approx(round(correct))
    assert_that_the_trajectory_is_whole(tmp_path, results[-1])


def test_the_average_of_a_model_is_evaluated_beside_it(new_worker, tmp_path):
    """With a decay of 0 it is the model itself, and with 1 the initial one."""
    results = {}
    for decay in (0.0, 1.0):
        method = {"ema_decay": decay, "weight": 0.0}
        results[decay] = steps(new_worker(trial_config(tmp_path / str(decay), "mesa", method=method, lr=0.2)))
    assert all(each["averaged_val_accuracy"] == each["val_accuracy"] for each in results[0.0])
    assert len({each["averaged_val_accuracy"] for each in results[1.0]}) == 1
    assert len({each["val_accuracy"] for each in results[1.0]}) > 1


def test_it_learns(new_worker, tmp_path):
    worker = new_worker(trial_config(tmp_path, "sgd", subset=None, label_noise=0.0, model={"name": "cnn", "width": 8}))
    results = steps(worker)
    assert results[-1]["val_accuracy"] > 90
    assert results[-1]["train_loss"] < 0.5 * results[0]["train_loss"]


def test_a_final_training_is_on_training_and_validation_part_together(new_worker, tmp_path):
    searched = new_worker(trial_config(tmp_path / "0"))
    final = new_worker(trial_config(tmp_path / "1", final=True))
    assert searched.trainer.loader.num_images == SEARCH_IMAGES
    assert final.trainer.loader.num_images == SEARCH_IMAGES + EVALUATED["val"] == 200


@pytest.mark.parametrize("final", [False, True])
def test_a_search_never_looks_at_the_test_images_and_a_final_training_has_no_others(
    final, new_worker, tmp_path, monkeypatch
):
    read = build.load_data
    hidden = {"validation": None} if final else {"test": None}
    monkeypatch.setattr(build, "load_data", lambda arguments: dataclasses.replace(read(arguments), **hidden))
    steps(new_worker(trial_config(tmp_path, final=final)))


def test_the_checkpoint_of_a_final_training_is_the_model_that_was_tested(new_worker, tmp_path):
    config = trial_config(tmp_path, final=True)
    results = steps(new_worker(config))
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert saved["config"] == {key: config[key] for key in ("task", "base_optimizer", "method", "seed")}
    assert equal_state(saved["metrics"], {key: value for key, value in results[-1].items() if key != "done"})

    data = load_data(data_arguments(config))
    trainer, _ = build.build_trainer(config, data)
    trainer.model.load_state_dict(saved["trainer"]["model"])
    x = (data.test.x.float() - data.mean[:, None, None]) / data.std[:, None, None]
    with torch.no_grad():
        scores = trainer.model.eval()(x)
    correct = (scores.argmax(1) == data.test.y).float().mean().item()
    assert results[-1]["test_accuracy"] == pytest.approx(100 * correct)
    assert results[-1]["test_loss"] == pytest.approx(cross_entropy(scores, data.test.y).item(), rel=1e-5)


def test_a_search_keeps_no_checkpoint_of_a_trial_that_was_not_interrupted(new_worker, tmp_path):
    steps(new_worker(trial_config(tmp_path / "0")))
    assert {path.name for path in (tmp_path / "0").iterdir()} - {"log.txt"} == {"trajectory.parquet"}


def assert_that_the_trajectory_is_whole(folder, result):
    table = pq.read_table(folder / "trajectory.parquet")
    assert table["iteration"].to_pylist() == list(range(result["iteration"]))
    assert table["sampled"].to_numpy().mean() == pytest.approx(result["sampled_fraction"])


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("name", others_slow(METHODS))
def test_a_trial_that_diverges_ends_with_a_result_that_says_so(name, final, new_worker, tmp_path, caplog):
    results = steps(new_worker(trial_config(tmp_path, name, final=final, lr=1e30)))
    assert len(results) == 1
    iteration = 7 if final else 5
    assert results[0] == {"diverged": iteration, "epoch": 1, "iteration": iteration, "done": True}
    assert f"diverged: the loss is not finite, noticed at iteration {iteration}" in caplog.text
    assert pq.read_table(tmp_path / "trajectory.parquet").num_rows == iteration
    assert not (tmp_path / "error.txt").exists()
    if final:
        assert saved_in(tmp_path)["metrics"] == {"diverged": iteration, "epoch": 1, "iteration": iteration}


@pytest.mark.parametrize(
    ("method", "warned"),
    [
        ({"interval": 40}, True),  # longer than the 30 iterations
        ({"warmup_iterations": 30}, True),
        ({}, False),
    ],
)
def test_a_rate_that_never_adapted_is_a_warning_with_a_fix(method, warned, new_worker, tmp_path, caplog):
    worker = new_worker(trial_config(tmp_path, "vsam", method=method))
    results = steps(worker)
    assert ("the sampling rate never adapted in 30 iterations" in caplog.text) == warned
    assert ("adaptation_start" in results[-1]) != warned
    assert ("Fix: fewer warmup_iterations, or a smaller interval" in caplog.text) == warned


@pytest.mark.parametrize(
    ("name", "method", "warned"),
    [
        ("saf", {"start_epoch": 5}, True),  # of 6 epochs, counted from 0
        ("saf", {"lag_epochs": 6}, True),
        ("mesa", {"weight": 0.0}, True),
        ("mesa", {"start_epoch": 4}, False),
        ("saf", {"lag_epochs": 5}, False),
    ],
)
def test_a_loss_term_that_never_began_is_a_warning_with_a_fix(name, method, warned, new_worker, tmp_path, caplog):
    steps(new_worker(trial_config(tmp_path, name, method=method)))
    assert ("the loss term added nothing in 6 epochs" in caplog.text) == warned
    assert ("Fix: a smaller start_epoch" in caplog.text) == warned


@pytest.mark.parametrize("name", ["sgd", "sam"])
def test_a_method_without_a_rate_or_a_term_warns_of_none(name, new_worker, tmp_path, caplog):
    steps(new_worker(trial_config(tmp_path, name)))
    assert "adapted" not in caplog.text
    assert "loss term" not in caplog.text


def test_a_training_that_diverges_before_its_term_begins_warns_of_that_alone(new_worker, tmp_path, caplog):
    steps(new_worker(trial_config(tmp_path, "saf", lr=1e30, method={"start_epoch": 5})))
    assert "diverged" in caplog.text
    assert "loss term" not in caplog.text


def test_the_same_config_gives_the_same_bits_and_another_seed_others(new_worker, tmp_path):
    weights = []
    for number, seed in enumerate([1, 1, 2]):
        steps(new_worker(trial_config(tmp_path / str(number), final=True, seed=seed)))
        weights.append(saved_in(tmp_path / str(number))["trainer"]["model"])
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert not torch.equal(weights[0]["0.weight"], weights[2]["0.weight"])


def test_a_confirmation_is_a_search_that_is_tested_once_at_its_end(new_worker, tmp_path):
    config = trial_config(tmp_path / "0", "mesa", test=True)
    worker, searched = new_worker(config), new_worker(trial_config(tmp_path / "1", "mesa"))
    results = steps(worker)
    tested = evaluated(worker, "test")
    assert [tested & {*result} for result in results] == [set()] * 5 + [tested]
    left = [{name: value for name, value in result.items() if name not in tested} for result in results]
    assert without_ais(left) == without_ais(steps(searched))
    accuracy, loss = worker.trainer.evaluate(build.build_trainer({**config, "final": True}, final_data(config))[1])
    assert (results[-1]["test_accuracy"], results[-1]["test_loss"]) == (accuracy, pytest.approx(loss, rel=1e-6))


def final_data(config):
    """Return the data of a search, with its test part in the place of the validation part."""
    data = load_data(data_arguments(config))
    return dataclasses.replace(data, validation=data.test)


@pytest.mark.parametrize(("final", "part"), [(False, "val"), (True, "test")])
def test_an_accuracy_has_the_error_of_its_part(final, part, new_worker, tmp_path):
    last = steps(new_worker(trial_config(tmp_path, "mesa", final=final)))[-1]
    for name in (f"{part}_accuracy", f"averaged_{part}_accuracy"):
        correct = last[name] / 100 * EVALUATED[part]
        p = (correct + 1) / (EVALUATED[part] + 2)
        assert last[f"{name}_error"] == pytest.approx(100 * (p * (1 - p) / EVALUATED[part]) ** 0.5)


def test_an_unreliable_speed_is_reported_with_its_reason_and_logged(new_worker, tmp_path, monkeypatch, caplog):
    worker = new_worker(trial_config(tmp_path, "sgd"))
    measured = worker.trainer.metrics
    monkeypatch.setattr(worker.trainer, "metrics", lambda: {**measured(), "ais_vs_sam": float("nan")})
    monkeypatch.setattr(type(worker.trainer), "unreliable_reason", "3 blocks, of 8 at least")
    results = steps(worker)
    assert {result["unreliable_reason"] for result in results} == {"3 blocks, of 8 at least"}
    assert "no ais_vs_sam: 3 blocks, of 8 at least" in caplog.text
