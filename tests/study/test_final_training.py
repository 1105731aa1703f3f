"""Final training on a real Ray: the embedded digits, two epochs, a network of a few thousand weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from vsam_tune.analysis.results import StudyResult
from vsam_tune.cli.main import main
from vsam_tune.errors import InputError
from vsam_tune.study.file.sections import Resources
from vsam_tune.study.file.study_file import load_export
from vsam_tune.study.final_training import final_plan, train
from vsam_tune.trial import trial_seed

TASK = "task: {data: digits, model: {name: cnn, width: 4}, epochs: 2, batch_size: 128}\n"
SAM = TASK + "base_optimizer: {name: sgd, lr: 0.1}\nmethod: {name: sam, rho: 0.1}\n"
SGD = TASK + "method: sgd\n"
NOWHERE = "127.0.0.1:1"  # where no cluster answers: whoever needs none does not ask


def write(folder: Path, text: str) -> Path:
    file = folder / "by_hand.yaml"
    file.write_text(text)
    return file


def trained(file: Path, out: Path, *, seeds: int, address: str) -> StudyResult:
    export = load_export(file)
    plan = final_plan(export, out.name, seeds=seeds, resources=Resources())
    return train(export, plan, out, workers=1, address=address)


@dataclass
class Training:
    file: Path
    out: Path
    result: StudyResult


@pytest.fixture(scope="module")
def sam(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> Training:
    folder = tmp_path_factory.mktemp("sam")
    file, out = write(folder, SAM), folder / "out"
    return Training(file, out, trained(file, out, seeds=2, address=ray_address))


def checkpoint(training: Training, number: int) -> dict[str, Any]:
    path = training.out / f"trials/{number:05d}" / "checkpoint.pt"
    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


@pytest.mark.ray
def test_each_seed_is_a_replicate_with_a_test_accuracy(sam: Training) -> None:
    assert [record.state for record in sam.result.trials] == ["complete"] * 2
    assert [record.params for record in sam.result.trials] == [{"replicate": 0}, {"replicate": 1}]
    for record in sam.result.trials:
        assert record.seed == trial_seed(0, "final", record.params["replicate"])
        assert 0 <= record.metrics["test_accuracy"] <= 100
        assert record.metrics["ais"] > 0
        assert (record.metrics["sampled_fraction"], record.metrics["gradient_evaluations"]) == (1.0, 2.0)


@pytest.mark.ray
def test_it_trains_on_the_validation_part_too(sam: Training) -> None:
    images = 1100 + 348
    assert sam.result.trials[0].metrics["iteration"] == 2 * -(-images // 128)


@pytest.mark.ray
def test_the_checkpoint_of_each_replicate_stays_and_holds_only_weights_and_plain_values(sam: Training) -> None:
    for record in sam.result.trials:
        held = checkpoint(sam, record.number)
        assert held.keys() == {"trainer", "replicates", "config", "metrics"}
        assert held["config"]["method"] == {"name": "sam", "rho": 0.1}
        assert held["config"]["seed"] == record.seed
        assert held["metrics"]["test_accuracy"] == record.metrics["test_accuracy"]
        assert all(weights.isfinite().all() for weights in held["trainer"]["model"].values())
    first, second = (checkpoint(sam, number)["trainer"]["model"] for number in (0, 1))
    assert not all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.ray
def test_the_same_command_once_more_trains_nothing(sam: Training) -> None:
    assert trained(sam.file, sam.out, seeds=2, address=NOWHERE) == sam.result
    assert trained(sam.file, sam.out, seeds=1, address=NOWHERE) == sam.result


@pytest.mark.ray
def test_the_command_prints_the_replicates_and_what_they_have_in_common(
    sam: Training, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--seeds", "2", "--out", str(sam.out), "--address", NOWHERE]
    assert main(["train", str(sam.file), *options, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    spread = ("test_accuracy", "ais", "ais_vs_sam", "sampled_fraction", "gradient_evaluations")
    beside = ("test_accuracy_error", "ais_error", "ais_vs_sam_error", "ideal_ais_vs_sam", "efficiency")
    reported = [set(record.metrics) for record in sam.result.trials]
    known = [name for name in (*spread, *beside) if any(name in each for each in reported)]
    assert {*spread, *beside} - {*known} <= {"ais_vs_sam", "ais_vs_sam_error", "efficiency"}  # withheld in a crowd
    assert list(printed) == ["file", "seeds", *known]
    assert printed["file"] == str(sam.file)
    row = ["replicate", "state", "seed", *spread, *beside, "checkpoint", "why"]
    assert [list(each) for each in printed["seeds"]] == [row] * 2
    for name in known:
        if not all(name in each for each in reported):
            continue
        first, second = (record.metrics[name] for record in sam.result.trials)
        assert printed[name] == {
            "mean": pytest.approx((first + second) / 2),
            "std": pytest.approx(abs(first - second) / 2**0.5),
        }
    for each, record in zip(printed["seeds"], sam.result.trials, strict=True):
        assert each["checkpoint"] == str(sam.out / f"trials/{record.number:05d}/checkpoint.pt")
        assert Path(each["checkpoint"]).is_file()
    assert main(["train", str(sam.file), *options]) == 0
    table = capsys.readouterr().out
    assert any(line.split()[:2] == ["replicate", "state"] for line in table.splitlines()[:4])  # a head of some lines
    assert "standard deviation" in table
    assert main(["train", str(sam.file), *options, "--format", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.ray
def test_another_configuration_in_the_same_folder_is_refused(sam: Training, capsys: pytest.CaptureFixture[str]) -> None:
    other = write(sam.out.parent / "out", SAM.replace("0.1}", "0.2}"))
    with pytest.raises(InputError, match="differs from the configuration"):
        trained(other, sam.out, seeds=2, address=NOWHERE)
    assert main(["train", str(other), "--out", str(sam.out)]) == 2
    rule, fix = "differs from the configuration that is trained there", "another --out DIR; nothing is ever deleted"
    assert capsys.readouterr().err == "".join(
        f"{sam.out}: {key}: {rule} (0.1 there, 0.2 here). Fix: {fix}.\n" for key in ("base_optimizer.lr", "method.rho")
    )


@pytest.mark.ray
def test_more_seeds_add_replicates_and_touch_nothing_that_was_there(sam: Training, ray_address: str) -> None:
    before = [(sam.out / f"trials/{number:05d}" / "checkpoint.pt").read_bytes() for number in (0, 1)]
    result = trained(sam.file, sam.out, seeds=3, address=ray_address)
    assert result.trials[:2] == sam.result.trials
    assert [record.params["replicate"] for record in result.trials] == [0, 1, 2]
    assert result.trials[2].state == "complete"
    assert [(sam.out / f"trials/{number:05d}" / "checkpoint.pt").read_bytes() for number in (0, 1)] == before
    assert checkpoint(sam, 2)["config"]["seed"] == trial_seed(0, "final", 2)


@pytest.mark.ray
def test_a_method_without_perturbation_trains_from_two_lines(
    ray_address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, SGD)
    options = ["--out", str(tmp_path / "out"), "--address", ray_address, "--format", "json"]
    assert main(["train", str(file), *options]) == 0
    printed = json.loads(capsys.readouterr().out)
    (row,) = printed["seeds"]
    assert (row["replicate"], row["state"], row["why"]) == (0, "complete", "")
    assert (row["sampled_fraction"], row["gradient_evaluations"]) == (0.0, 1.0)
    assert printed["test_accuracy"] == {"mean": row["test_accuracy"], "std": None}
    assert torch.load(row["checkpoint"], weights_only=True)["config"]["method"] == {"name": "sgd"}
