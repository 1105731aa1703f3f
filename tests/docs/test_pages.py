"""The pages agree with the code, their links have targets, their examples run."""

import contextlib
import io
from pathlib import Path

import pytest
import torch

from tests.support.docs import bad_inputs
from tests.support.docs.generated import GENERATED, regenerated, used
from tests.support.docs.pages import DOCS, PAGES, ROOT, anchors, blocks, links
from vsam_tune.registry.metrics import DIRECTIONS
from vsam_tune.study.file.differences import CHANGEABLE
from vsam_tune.study.file.study_file import Export, StudyFile, load_export, load_study

PYTHON = [(page.name, i) for page in DOCS for i, (language, _) in enumerate(blocks(page)) if language == "python"]
YAML = [(page.name, text) for page in DOCS for language, text in blocks(page) if language == "yaml"]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_generated_tables_are_those_of_the_code(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == regenerated(text), "run python -m tests.support.docs.generated"


def test_each_generated_table_is_in_one_place() -> None:
    assert sorted(name for page in DOCS for name in used(page.read_text(encoding="utf-8"))) == sorted(GENERATED)


def test_the_page_of_bad_inputs_shows_ten_of_them() -> None:
    rows = [row for examples in (bad_inputs.commands(), bad_inputs.contents()) for row in examples.splitlines()[2:]]
    assert len(rows) == 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_have_files_and_headings_as_targets(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_names_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    assert {page.name for page in DOCS} - {index.name} <= set(links(index))


@pytest.mark.parametrize(("name", "number"), PYTHON, ids=[f"{name}-{number}" for name, number in PYTHON])
def test_python_examples_run_and_print_the_text_below_them(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = blocks(ROOT / "docs" / name)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), torch.random.fork_rng():
        exec(compile(page[number][1], f"{name}, block {number}", "exec"), {"__name__": "example"})  # noqa: S102 - ours
    language, expected = page[number + 1] if number + 1 < len(page) else ("", "")
    if language == "text":
        assert printed.getvalue() == expected


@pytest.mark.parametrize("text", [text for _, text in YAML], ids=[f"{name}-{i}" for i, (name, _) in enumerate(YAML)])
def test_study_files_are_read(text: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    assert load_study(file).name


def test_the_data_example_is_read_as_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vsam_tune.data.load import load_task

    monkeypatch.chdir(tmp_path)
    written = next(text for language, text in blocks(ROOT / "docs" / "data-and-models.md") if language == "python")
    exec(written, {})  # noqa: S102 - ours
    task = load_task("npz:mine.npz")
    assert (len(task.train), task.num_classes, task.train.x.shape[1:]) == (72, 3, (3, 16, 16))


def test_the_page_of_the_study_file_names_every_key() -> None:
    text = (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8")
    keys = (*StudyFile.model_fields, *Export.model_fields, *CHANGEABLE, *DIRECTIONS)
    for key in (*keys, "budget.trials", "task.data", "task.download"):
        assert f"`{key}`" in text or f"`{key}:" in text, key


def test_the_shortest_export_is_one(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("method: sgd\n")
    assert load_export(file).method.name == "sgd"
