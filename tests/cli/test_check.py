"""What `check` says that trainings cost: from timed iterations, and from the paper's AIS."""

import json
from pathlib import Path

import pytest

from vsam_tune.cli.check import cost
from vsam_tune.cli.main import main
from vsam_tune.study.file.study_file import load_study

FACTS = {"train_images": 45_000, "iterations_per_epoch": 352, "plain_seconds": 0.1, "sampled_seconds": 0.2}


def study(folder: Path, *, data: str = "cifar10", model: str = "resnet18", methods: str = "[sgd, sam, sam_5]", more=""):
    file = folder / "costs.yaml"
    file.write_text(
        f"name: costs\ntask: {{data: {data}, model: {model}, epochs: 200}}\nbudget: {{trials: 6}}\n"
        f"baselines: {{seeds: 2, methods: {methods}}}\n{more}"
    )
    return load_study(file)


def test_a_trial_lies_between_one_gradient_an_iteration_and_two(tmp_path):
    costs = cost(study(tmp_path), FACTS)
    assert costs["seconds_per_trial_sgd"] == pytest.approx(352 * 200 * 0.1)
    assert costs["seconds_per_trial_sam"] == pytest.approx(352 * 200 * 0.2)
    assert costs["worker_hours"] == pytest.approx(6 * 352 * 200 * 0.15 / 3600)


def test_a_trial_costs_all_its_replicates_and_baselines_what_they_did(tmp_path):
    one = cost(study(tmp_path), FACTS)
    three = cost(study(tmp_path, more="replicates: 3\n"), FACTS)
    for name in ("seconds_per_trial_sgd", "seconds_per_trial_sam", "worker_hours"):
        assert three[name] == pytest.approx(3 * one[name])
    assert three["baselines_worker_hours"] == one["baselines_worker_hours"]


def test_baselines_cost_what_their_methods_are_listed_with_on_all_images(tmp_path):
    costs = cost(study(tmp_path), FACTS)
    iterations = 352 * 200 / 0.9
    assert costs["baselines_worker_hours"] == pytest.approx(2 * (1 + 2 + 1.2) * iterations * 0.1 / 3600)


def test_a_longer_training_and_a_forward_pass_count(tmp_path):
    costs = cost(study(tmp_path, methods="[sgd_long, mesa]"), FACTS)
    assert costs["baselines_worker_hours"] == pytest.approx(2 * (2 + 4 / 3) * 352 * 200 / 0.9 * 0.1 / 3600)


@pytest.mark.parametrize("data", ["cifar10", "random_cifar10"])
def test_hours_of_the_papers_gpu_come_from_its_images_a_second(tmp_path, data):
    costs = cost(study(tmp_path, data=data, methods="[sgd, sam]"), FACTS)
    assert costs["baselines_paper_gpu_hours"] == pytest.approx(2 * 50_000 * 200 * (1 / 3167 + 1 / 1780) / 3600)


def test_another_task_has_no_hours_of_the_papers_gpu(tmp_path):
    assert "baselines_paper_gpu_hours" not in cost(study(tmp_path, data="digits", model="cnn"), FACTS)


def test_what_was_not_timed_has_no_cost(tmp_path):
    assert cost(study(tmp_path), {"train_images": 45_000}) == {}


def test_a_study_is_described_in_words(tmp_path, monkeypatch, capsys):
    facts = {"train_images": 1_100, "validation_images": 348, "test_images": 349, "channels": 1, "image_size": 8}
    facts |= {"classes": 10, "redrawn_labels": 206, "iterations_per_epoch": 18, "parameters": 19_242}
    facts |= {"plain_seconds": 0.01, "sampled_seconds": 0.02}
    monkeypatch.setattr("vsam_tune.study.search.ask_trainable", lambda *_, **__: facts)
    file = tmp_path / "words.yaml"
    space = "{kappa: {high: 0.99}, num_slices: {low: 2}, warmup_iterations: {high: 0.25}, reuse: true}"
    more = f"space: {space}\nbudget: {{trials: 24}}\nbaselines: {{seeds: 2, methods: [sgd]}}\n"
    file.write_text(f"name: words\ntask: {{epochs: 40, label_noise: 0.2}}\n{more}")
    assert main(["check", str(file)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines()[2:-2] == [
        "data        digits: 1,100 training, 348 validation and 349 test images of 8 x 8 pixels, 1 channel, in 10"
        " classes; label noise changed 206 training labels",
        "training    cnn with 19,242 parameters; 40 epochs of 18 iterations, 720 in all, of 128 images each",
        "method      vsam around sgd",
        "searches    beta 0.05 to 1 (log), num_slices 2 to 8, warmup_iterations 0.005 to 0.25 of the run (log), reuse"
        " geometric | none, kappa 0.5 to 0.99 if reuse is geometric",
        "objectives  maximize val_accuracy, maximize ais_vs_sam",
        "cost        a trial trains for 7 s at the cost of sgd alone, and for 14 s at SAM's; 24 trials take about"
        " 4 min 19 s on one worker of this machine",
        "            the baselines take 19 s on one worker",
    ]


def test_a_study_of_baselines_alone_searches_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("vsam_tune.study.search.ask_trainable", lambda *_, **__: {"iterations_per_epoch": 18.0})
    file = tmp_path / "rows.yaml"
    file.write_text(
        "name: rows\ntask: {epochs: 40}\nbaselines: {methods: [sgd, {name: vsam, warmup_iterations: 1173}]}\n"
    )
    assert main(["check", str(file)]) == 0
    printed = capsys.readouterr()
    assert "searches" not in printed.out
    assert " baselines " in printed.out.rpartition("next: ")[2]
    assert "baselines.methods[1].warmup_iterations = 1173: a trial has 720 iterations" in printed.err


def test_the_next_step_repeats_the_settings(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("vsam_tune.study.search.ask_trainable", lambda *_, **__: {})
    file = tmp_path / "a.yaml"
    file.write_text("name: a\n")
    assert main(["check", str(file), "name=b", "--trials", "3", "objectives=[val_accuracy, ais]"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"next: vsam-tune search {file} name=b 'objectives=[val_accuracy, ais]' --trials 3"


def test_what_a_method_would_keep_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("vsam_tune.study.search.ask_trainable", lambda *_, **__: {"method_memory_mb": 60.6})
    file = tmp_path / "kept.yaml"
    file.write_text("name: kept\nmethod: saf\n")
    assert main(["check", str(file), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["method_memory_mb"] == 60.6
    assert main(["check", str(file)]) == 0
    assert ["method_memory_mb", "60.6"] in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_gpus_that_this_machine_lacks_are_a_warning(tmp_path, monkeypatch, capsys):
    """A cluster may have them, so that it is no error."""
    monkeypatch.setattr("vsam_tune.study.search.ask_trainable", lambda *_, **__: {"train_images": 1_100})
    monkeypatch.setattr("vsam_tune.machine.hardware.gpus", list)
    file = tmp_path / "a.yaml"
    file.write_text("name: a\nmethod: sam\nresources: {gpus: 1}\n")
    assert main(["check", str(file), "--format", "json"]) == 0
    assert capsys.readouterr().err == (
        f"warning: {file}: resources.gpus = 1.0: this machine has no GPU: the check ran on its CPU, and a search here "
        "cannot start. Fix: start the search with --address of a cluster with GPUs, or write gpus: 0.\n"
    )
