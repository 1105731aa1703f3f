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


def test_what_a_method_would_keep_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("vsam_tune.study.search.ask_trainable", lambda *_, **__: {"method_memory_mb": 60.6})
    file = tmp_path / "kept.yaml"
    file.write_text("name: kept\nmethod: saf\n")
    assert main(["check", str(file), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["method_memory_mb"] == 60.6
    assert main(["check", str(file)]) == 0
    assert ["method_memory_mb", "60.6"] in [line.split() for line in capsys.readouterr().out.splitlines()]
