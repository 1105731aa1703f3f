"""The functions of docs/training-functions.md: with checkpoints in a worker, and without in a whole search."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.docs.pages import ROOT, blocks, printed_in
from vsam_tune.study.file.study_file import Study, load_study
from vsam_tune.study.search import search_plan

PAGE = ROOT / "docs" / "training-functions.md"
PYTHON = [text for language, text in blocks(PAGE) if language == "python"]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Write the files of the page to a folder, and return its study."""
    (tmp_path / "digits.py").write_text(PYTHON[0])
    (tmp_path / "digits.yaml").write_text(next(text for language, text in blocks(PAGE) if language == "yaml"))
    return load_study(tmp_path / "digits.yaml")


def trial(study: Study, folder: Path, text: str) -> Any:
    from vsam_tune.study.execution.training_function import trainable_of

    module: dict[str, Any] = {}
    exec(text, module)  # noqa: S102 - ours
    config = search_plan(study).trial_config({"width": 4, "rate": 0.05}, 0, str(folder))
    return trainable_of(module["train"], "digits:train")(config=config)


def reports(worker: Any, number: int) -> list[dict[str, Any]]:
    return [worker.step() for _ in range(number)]


def test_the_example_has_twenty_lines() -> None:
    assert len([line for line in PYTHON[0].splitlines() if line.strip()]) <= 20


def test_both_functions_train_the_same_and_the_second_continues_from_its_checkpoint(
    study: Study, tmp_path: Path
) -> None:
    straight = reports(trial(study, tmp_path / "straight", PYTHON[0]), 10)
    assert [each["epoch"] for each in straight] == [*range(1, 10), 9]
    assert reports(trial(study, tmp_path / "saved", PYTHON[1]), 10) == straight
    cut = trial(study, tmp_path / "cut", PYTHON[1])
    assert reports(cut, 4) == straight[:4]  # it dies after the report of epoch 4: its checkpoint is of epoch 3
    cut.cleanup()
    assert reports(trial(study, tmp_path / "cut", PYTHON[1]), 7) == straight[3:]


@pytest.mark.slow
@pytest.mark.ray
def test_it_can_be_searched_from_the_folder_that_holds_it(study: Study) -> None:
    run = partial(printed_in, study.file.parent)
    assert "digits.yaml is valid." in run("check", "digits.yaml")
    printed = run("search", "digits.yaml", "--workers", "1")
    shown = next(text for language, text in blocks(PAGE) if language == "console").split("...\n")[-2]

    def kind(text: str) -> list[str]:
        """Leave out the numbers: they are those of one processor's floating point."""
        lines = [re.sub(r"[\d.,]+", "0", line) for line in text.splitlines()]
        return [" ".join(lines[0].split()), re.sub(r"^0 trials? (is|are)", "0 trials are", lines[-1])]

    assert kind(printed[: printed.index("Hypervolume")]) == kind(shown)
    trials = json.loads(run("front", "digits", "--format", "json"))["trials"]
    assert trials["complete"] + trials["pruned"] == 16
    assert trials["pruned"] > 0
    assert "completed. Last result" not in printed
