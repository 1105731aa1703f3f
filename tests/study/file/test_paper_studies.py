"""The studies of the paper's tables: its rows, and the recipe that studies/paper/README.md states."""

import re
from pathlib import Path

import pytest

from vsam_tune.analysis.published_tables import EPOCHS, PaperRow, published_rows_for, rows_of, tables, task_of
from vsam_tune.study.baselines import wanted_rows
from vsam_tune.study.file.baselines import BaselineRow
from vsam_tune.study.file.study_file import Study, load_export, load_study

PAPER = Path(__file__).parents[3] / "studies" / "paper"
STUDIES = sorted(file for file in PAPER.glob("*.yaml") if not file.stem.endswith("_full_precision"))
EXPORTS = sorted(PAPER.glob("*_full_precision.yaml"))
FULL_SIZE = [file for file in STUDIES if not file.stem.startswith("table5")]
AUTHORS = {  # values in their program
    "beta": 0.13,
    "kappa": 0.7,
    "num_slices": 5,
    "warmup_iterations": 1173,
    "interval": 50,
    "max_rate": 0.8,
    "max_age": 6,
    "norm_tensors": 10,
}
RHO = {"resnet18": 0.05, "wrn34_10": 0.1, "pyramidnet110": 0.2}  # ESAM's
WEIGHT_DECAY = {"resnet18": 1e-3, "wrn34_10": 1e-3, "pyramidnet110": 5e-4}  # ESAM's
ITERATIONS = 78_200


def ids(files: list[Path]) -> list[str]:
    return [file.stem for file in files]


def rows(study: Study) -> tuple[BaselineRow, ...]:
    return wanted_rows(study, root=Path())


def table_of(study: Study) -> list[PaperRow]:
    """Return the rows of the paper's table that a study is of."""
    number = int(study.name.removeprefix("paper_table")[0])
    task = task_of(study.task.model_dump())
    return [row for row in tables() if (row.table, row.task) == (number, task)]


@pytest.mark.parametrize("file", FULL_SIZE, ids=ids(FULL_SIZE))
def test_every_row_of_the_paper_s_table_is_a_row_of_the_study(file: Path) -> None:
    study = load_study(file)
    printed = table_of(study)
    assert printed
    found = [published_rows_for(row.label, row.stored()["method"], printed) for row in rows(study)]
    assert {row for pair in found for row in pair if row is not None} == set(printed)


@pytest.mark.parametrize("file", STUDIES, ids=ids(STUDIES))
def test_vsam_has_the_values_of_the_authors_program_but_for_what_the_row_is_about(file: Path) -> None:
    study = load_study(file)
    expected = AUTHORS | ({"kappa": 0.8} if study.name == "paper_table1" else {})
    of_vsam = [row for row in rows(study) if row.method.name.startswith("vsam")]
    assert of_vsam
    for row in of_vsam:
        settings = {name: row.method.settings[name] for name in expected if name in row.method.settings}
        changed = dict(re.findall(r"(\w+)=([\d.]+)", row.label))
        assert settings == {name: expected[name] for name in settings} | {key: float(changed[key]) for key in changed}
        left_out = set(expected) - set(settings)
        assert left_out == ({"kappa", "max_age"} if row.method.name == "vsam_a" else set())


def test_the_rows_of_tables_1_and_2_that_are_the_same_in_the_paper_are_the_same_here() -> None:
    first, second = (
        next(row for row in rows(load_study(PAPER / f"{table}.yaml")) if row.label == label)
        for table, label in (("table1", "vsam(beta=0.13)"), ("table2", "vsam(kappa=0.8)"))
    )
    assert first.settings() == second.settings()
    numbers = [
        (row.accuracy, row.sampling_number, row.ais) for row in tables() if row.method in (first.label, second.label)
    ]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("file", FULL_SIZE, ids=ids(FULL_SIZE))
def test_the_recipe(file: Path) -> None:
    study = load_study(file)
    task, name = study.task, str(study.task.model["name"])
    assert (task.epochs, task.batch_size, task.augmentation) == (EPOCHS, 128, ("crop", "flip", "cutout"))
    assert task.label_smoothing is not None
    assert (task.label_smoothing.epsilon, task.label_smoothing.over) == (0.1, "others")
    base = {"lr": 0.05, "momentum": 0.9, "weight_decay": WEIGHT_DECAY[name], "nesterov": False}
    assert study.base_optimizer.settings == base
    for row in rows(study):
        assert row.base_optimizer.settings == base
        assert row.method.settings.get("rho", RHO[name]) == RHO[name]


def test_table_5_smooths_labels_as_well_and_starts_from_the_same_network() -> None:
    for export in EXPORTS:
        start = load_export(export)
        study = load_study(export.with_stem(export.stem.removesuffix("_full_precision")))
        assert study.task.label_smoothing == start.task.label_smoothing is not None
        assert study.task.model == start.task.model
        assert study.task.initial_checkpoint is not None
        assert Path(study.task.initial_checkpoint).parts[-4] == f"{export.stem}.train"
        assert rows_of(task_of(start.task.model_dump()) or "cifar10/resnet18", quantized=True)


def test_the_sampling_numbers_of_the_tables_can_be_reached() -> None:
    """A warm-up, then 1 to floor(max_rate * interval) samples an interval."""
    intervals = (ITERATIONS - 1173) // 50
    fewest, most = 1173 + intervals - 1, 1173 + (intervals + 1) * 40
    printed = [row.sampling_number for row in tables() if row.method.startswith("vsam") and row.sampling_number]
    assert len(printed) == 15
    assert all(fewest <= number <= most for number in printed)


@pytest.mark.parametrize("file", [*STUDIES, *EXPORTS], ids=ids([*STUDIES, *EXPORTS]))
def test_the_page_of_the_folder_names_the_file(file: Path) -> None:
    assert f"`{file.name}`" in (PAPER / "README.md").read_text(encoding="utf-8")
