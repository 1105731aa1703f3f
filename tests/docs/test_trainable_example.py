"""The trainable of docs/trainables.md keeps the contract of that page, in a worker and in a whole search."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.docs.pages import ROOT, blocks, printed_in
from vsam_tune.errors import InputError
from vsam_tune.study.file.study_file import Study, load_study
from vsam_tune.study.search import search_plan

PAGE = ROOT / "docs" / "trainables.md"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Write the files of the page to a folder, and return its study."""
    texts = dict(blocks(PAGE)[:2])
    (tmp_path / "polynomial.py").write_text(texts["python"])
    (tmp_path / "polynomial.yaml").write_text(texts["yaml"])
    return load_study(tmp_path / "polynomial.yaml")


@pytest.fixture
def polynomial(study: Study, monkeypatch: pytest.MonkeyPatch) -> type[Any]:
    monkeypatch.syspath_prepend(study.file.parent)
    monkeypatch.delitem(sys.modules, "polynomial", raising=False)
    from vsam_tune.study.execution.preflight import resolve

    return resolve(study.trainable)


def config(study: Study, folder: Path, **params: float) -> dict[str, Any]:
    return search_plan(study).trial_config(params, 0, str(folder))


def test_the_page_lists_all_keys_of_the_configuration(study: Study, tmp_path: Path) -> None:
    rows = PAGE.read_text(encoding="utf-8").split("## What it is given")[1].split("##")[0].splitlines()
    listed = {name.strip("` ") for row in rows if row.startswith("| `") for name in row.split("|")[1].split(",")}
    assert listed == set(config(study, tmp_path, degree=2, lr=0.1))


def test_it_reports_to_the_end_and_continues_from_its_checkpoint(
    study: Study, polynomial: type[Any], tmp_path: Path
) -> None:
    settings = config(study, tmp_path / "trial", degree=2, lr=0.1)
    worker = polynomial(config=settings)
    reports = [worker.step() for _ in range(5)]
    assert [report["done"] for report in reports] == [False] * 4 + [True]
    assert reports[-1]["coefficients"] == 3
    (tmp_path / "trial" / "checkpoint.pt").unlink()
    cut = polynomial(config=settings)
    cut.step()
    assert cut.reset_config(settings)
    assert [cut.step() for _ in range(4)] == reports[1:]
    assert polynomial(config=settings).step() == reports[-1]  # the last report again, where it was lost


def test_it_reports_that_it_diverged(study: Study, polynomial: type[Any], tmp_path: Path) -> None:
    worker = polynomial(config=config(study, tmp_path, degree=9, lr=3000.0))
    with pytest.warns(RuntimeWarning):
        report = next(report for _ in range(5) if (report := worker.step())["done"])
    assert report["diverged"] == report["iteration"]


def test_its_check_runs_first(study: Study, polynomial: type[Any], tmp_path: Path) -> None:
    settings = config(study, tmp_path, degree=2, lr=0.1)
    assert polynomial.check(settings, time_iterations=False) == {"iterations_per_epoch": 100}
    with pytest.raises(InputError, match=r"method\.noise = -1: must be a number >= 0"):
        polynomial.check({**settings, "method": {"noise": -1}}, time_iterations=False)


@pytest.mark.slow
@pytest.mark.ray
def test_it_can_be_searched_from_the_folder_that_holds_it(study: Study) -> None:
    run = partial(printed_in, study.file.parent)
    printed = run("search", "polynomial.yaml", "--workers", "1")
    shown = next(text for language, text in blocks(PAGE) if language == "console").split("...\n")[1]
    assert printed.startswith(shown)
    front = json.loads(run("front", "polynomial", "--format", "json"))
    assert front["trials"]["complete"] == 8
