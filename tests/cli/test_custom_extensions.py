"""From the command line: data, model and method of the user's own; four bits from full precision."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.support import custom_extensions

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(900)]  # several starts of Ray

OWN = """\
name: own
task:
  data: extensions:stripes
  model: {name: extensions:tiny, width: 2}
  epochs: 3
  batch_size: 32
method: extensions:Timid
space: {share: {type: float, low: 0.1, high: 1.0}}
budget: {trials: 2}
"""
FULL_PRECISION = """\
task: {data: digits, model: {name: cnn, width: 8}, epochs: 6, batch_size: 64}
base_optimizer: {lr: 0.1}
method: sgd
"""
W4A4 = """\
name: w4a4
task:
  data: digits
  model: {name: cnn, width: 8}
  epochs: 2
  batch_size: 64
  quantization: {weight_bits: 4, activation_bits: 4}
  initial_checkpoint: runs/full_precision.train/trials/00000/checkpoint.pt
base_optimizer: {lr: 0.01, weight_decay: 1.0e-4}
method: sam
budget: {trials: 2}
"""


def run(folder: Path, *arguments: str) -> str:
    program = [sys.executable, "-m", "vsam_tune.cli.main", *arguments]
    answer = subprocess.run(program, cwd=folder, check=False, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def rows(folder: Path, *arguments: str) -> dict:
    return json.loads(run(folder, *arguments, "--format", "json"))


def test_own_data_model_and_methods_are_checked_searched_and_trained(tmp_path):
    shutil.copy(custom_extensions.__file__, tmp_path / "extensions.py")
    (tmp_path / "own.yaml").write_text(OWN)
    facts = rows(tmp_path, "check", "own.yaml")
    assert (facts["train_images"], facts["parameters"]) == (192, 407)
    run(tmp_path, "search", "own.yaml", "--workers", "1")
    run(tmp_path, "front", "own", "--pick", "knee", "--export", "best.yaml")
    (replicate,) = rows(tmp_path, "train", "best.yaml")["seeds"]
    assert replicate["test_accuracy"] > 90
    assert replicate["gradient_evaluations"] == 2

    (tmp_path / "term.yaml").write_text("task: {epochs: 1}\nmethod: {name: extensions:Confidence, weight: 0.2}\n")
    (replicate,) = rows(tmp_path, "train", "term.yaml")["seeds"]
    assert replicate["gradient_evaluations"] == 1


def test_four_bits_are_tuned_from_what_was_trained_in_full_precision(tmp_path):
    (tmp_path / "full_precision.yaml").write_text(FULL_PRECISION)
    (tmp_path / "w4a4.yaml").write_text(W4A4)
    (trained,) = rows(tmp_path, "train", "full_precision.yaml")["seeds"]
    facts = rows(tmp_path, "check", "w4a4.yaml")
    assert facts["starts_from_final_training"] == 1
    run(tmp_path, "search", "w4a4.yaml", "--workers", "1")
    run(tmp_path, "front", "w4a4", "--pick", "knee", "--export", "best.yaml")
    (tuned,) = rows(tmp_path, "train", "best.yaml")["seeds"]
    assert tuned["test_accuracy"] > trained["test_accuracy"] - 5
    state = torch.load(tmp_path / tuned["checkpoint"], weights_only=True)["trainer"]["model"]
    steps = [value for name, value in state.items() if name.endswith("weight_quantizer.step")]
    assert len(steps) == 4
