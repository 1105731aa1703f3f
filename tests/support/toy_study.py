"""The study that tests of the search use: one parameter, two objectives, trials of milliseconds."""

from pathlib import Path
from typing import Any

import optuna
import yaml

from vsam_tune.study.execution.runner import open_storage
from vsam_tune.study.file.study_file import Study, load_study
from vsam_tune.study.scheduling.build import build_sampler
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.search import search_plan
from vsam_tune.study.storage.study_storage import StudyStorage

TRAINABLE = "tests.support.trainables.quadratic:Quadratic"
X = {"type": "float", "low": -1.5, "high": 1.5}


def write_toy(folder: Path, **sections: Any) -> Path:
    """Write the study file, with these sections instead of its own; return its path."""
    content = {
        "name": "toy",
        "trainable": TRAINABLE,
        "method": {"name": "toy"},
        "task": {"epochs": 4},
        "space": {"x": X},
        "objectives": [{"name": "loss", "direction": "minimize"}, {"name": "cost", "direction": "minimize"}],
        "initial": [],
        "sampler": {"kind": "random"},
        "budget": {"trials": 4},
    }
    file = folder / "toy.yaml"
    file.write_text(yaml.safe_dump({**content, **sections}, sort_keys=False))
    return file


def toy_study(folder: Path, **sections: Any) -> Study:
    return load_study(write_toy(folder, **sections))


def toy_plan(folder: Path, **sections: Any) -> Plan:
    return search_plan(toy_study(folder, **sections))


def in_memory(plan: Plan) -> StudyStorage:
    """Return a storage for the plan, with its sampler, that takes no time."""
    study = optuna.create_study(
        study_name=plan.name,
        directions=[each.direction for each in plan.objectives],
        sampler=build_sampler(plan.sampler, space=plan.space, trials_so_far=0),
    )
    study.set_user_attr("study", dict(plan.resolved))
    storage = StudyStorage(study)
    storage.enqueue(plan.enqueued, again=plan.fixed_trials is not None)
    return storage


def on_disk(plan: Plan, folder: Path) -> StudyStorage:
    """Return the storage of the plan in a study's folder, opened as a driver does."""
    folder.mkdir(parents=True, exist_ok=True)
    return open_storage(plan, folder)
