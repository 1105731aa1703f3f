"""Every row of the studies of the paper's tables builds, on images of the right shape: `check` without the data."""

from pathlib import Path

import pytest
import torch

from trainables.build import build_trainer
from vsam_tune.data.images import Images
from vsam_tune.data.load import TaskData
from vsam_tune.study.baselines import baselines_plan, wanted_rows
from vsam_tune.study.file.study_file import load_study

PAPER = Path(__file__).parents[2] / "studies" / "paper"
STUDIES = sorted(file for file in PAPER.rglob("*.yaml") if not file.stem.endswith("_full_precision"))
LARGE = [
    file for file in STUDIES if any(f"model: {name}" in file.read_text() for name in ("wrn34_10", "pyramidnet110"))
]
SHAPES = {"digits": (1, 8, 10), "cifar10": (3, 32, 10), "cifar100": (3, 32, 100), "npz": (3, 16, 10)}


def name(file):
    return str(file.relative_to(PAPER))


def images(task):
    channels, side, num_classes = SHAPES[task.data.partition(":")[0]]
    draws = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (136, channels, side, side), generator=draws, dtype=torch.uint8)
    part = Images(x, torch.arange(136) % num_classes)
    statistics = {"mean": torch.full((channels,), 128.0), "std": torch.full((channels,), 64.0)}
    return TaskData(train=part, validation=None, test=part, num_classes=num_classes, redrawn=0, **statistics)


def build(file, labels):
    study = load_study(file)
    rows = wanted_rows(study, root=Path())
    for label in labels or [row.label for row in rows]:
        params = {"label": label, "replicate": 0}
        config = baselines_plan(study, rows, [params], earlier={}).trial_config(params, 0, folder="")
        task = {**config["task"], "initial_checkpoint": None}
        trainer, _ = build_trainer({**config, "task": task}, images(study.task))
        assert trainer.epochs == task["epochs"]


@pytest.mark.parametrize("file", [each for each in STUDIES if each not in LARGE], ids=name)
def test_the_row_of_vsam_builds(file):
    study = load_study(file)
    build(file, [wanted_rows(study, root=Path())[-1].label])


@pytest.mark.slow
@pytest.mark.parametrize("file", STUDIES, ids=name)
def test_every_row_builds(file):
    build(file, None)
