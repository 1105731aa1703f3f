"""The study files and exports of the project are valid, and laid out as tools that change a line of them expect."""

from pathlib import Path

import pytest
import yaml

from vsam_tune.study.file.study_file import load_export, load_study

STUDIES = Path(__file__).parents[3] / "studies"
FILES = sorted(STUDIES.rglob("*.yaml"))
IDS = [str(file.relative_to(STUDIES)) for file in FILES]


def is_study(file):
    return "name" in yaml.safe_load(file.read_text())


def test_there_are_studies_and_exports():
    assert {STUDIES / "quickstart.yaml", STUDIES / "cifar10_10k.yaml"} <= set(filter(is_study, FILES))
    assert len([file for file in FILES if not is_study(file)]) >= 4


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_it_is_valid(file):
    if is_study(file):
        assert load_study(file).name == yaml.safe_load(file.read_text())["name"]
    else:
        assert load_export(file).epochs == yaml.safe_load(file.read_text())["task"]["epochs"]


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_name_and_epochs_stand_on_lines_of_their_own(file):
    keys = [line.split(":")[0].strip() for line in file.read_text().splitlines()]
    assert keys.count("name") == is_study(file)
    assert keys.count("epochs") == 1


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_it_says_how_it_is_run(file):
    by_name = f"vsam-tune search {file.stem}"  # a built-in study
    assert f"studies/{file.relative_to(STUDIES)}" in file.read_text() or (
        file.is_symlink() and by_name in file.read_text()
    )
