"""The paper's numbers as printed, and which of them stand beside a method."""

import pytest

from vsam_tune.analysis.published_tables import (
    PaperRow,
    doubt_about,
    published_rows_for,
    rows_of,
    tables,
    task_of,
    tasks,
)
from vsam_tune.registry.data_and_models import MODELS

R18 = rows_of("cifar10/resnet18", quantized=False)
WRN100 = rows_of("cifar100/wrn28_10", quantized=False)
QUANTIZED = rows_of("cifar10/resnet18", quantized=True)
TASK = {"data": "cifar10", "model": {"name": "resnet18"}, "epochs": 200, "batch_size": 128}


def own(label, rows, method=None):
    return published_rows_for(label, method or {"name": label}, rows)[0]


def test_the_tables_are_all_there():
    counts = {table: sum(row.table == table for row in tables()) for table in range(1, 6)}
    assert counts == {1: 6, 2: 4, 3: 72, 4: 6, 5: 8}
    assert tasks()[:2] == ("cifar10/resnet18", "cifar100/resnet18")
    assert len(tasks()) == 7


def test_a_row_holds_what_is_printed():
    (row,) = [each for each in tables() if (each.table, each.task, each.method) == (3, "cifar10/wrn28_10", "vsam")]
    assert (row.accuracy, row.accuracy_std, row.sampling_number, row.ais, row.percent_of_sam) == (
        97.29,
        0.08,
        33251,
        468,
        139,
    )
    assert not row.quoted
    assert list(row.as_json()) == [
        "table",
        "accuracy",
        "accuracy_std",
        "sampling_number",
        "ais",
        "percent_of_sam",
        "note",
    ]


def speeds(row: PaperRow) -> tuple[float, float] | None:
    """Return a row's AIS in percent of SAM's, as printed and as computed, where both can be."""
    (sam,) = [each for each in tables() if each.table == 3 and each.task == row.task and each.method == "sam"]
    return (row.percent_of_sam, 100 * row.ais / sam.ais) if row.ais and row.percent_of_sam else None


def test_the_paper_s_own_speeds_agree_with_each_other():
    """The percentages of table 3 follow from its AIS to within two points, but for what is quoted."""
    pairs = [speeds(row) for row in tables() if row.table == 3 and not row.quoted]
    assert all(abs(printed - computed) <= 2 for printed, computed in filter(None, pairs))


# ---- the task


@pytest.mark.parametrize(
    ("changes", "task"),
    [
        ({}, "cifar10/resnet18"),
        ({"epochs": 2, "batch_size": 64}, "cifar10/resnet18"),
        ({"data": "cifar100", "model": {"name": "wrn28_10"}}, "cifar100/wrn28_10"),
        ({"data": "cifar100", "model": {"name": "wrn34_10"}}, "cifar100/wrn28_10"),
        ({"model": {"name": "mobilenet_v1", "width_percent": 100}}, "cifar10/mobilenet"),
        ({"model": {"name": "mobilenet_v1_relu6", "width_percent": 100}}, "cifar10/mobilenet"),
        ({"model": {"name": "mobilenet_v1", "width_percent": 50}}, None),
        ({"data": "digits"}, None),
        ({"data": "npz:/some/where.npz"}, None),
        ({"model": {"name": "resnet8", "width": 16}}, None),
        ({"model": {"name": "mine:Net"}}, None),
        ({"model": {"width": 3}}, None),
        ({"subset": 1000}, None),
        ({"resize": 16}, None),
        ({"label_noise": 0.2}, None),
    ],
)
def test_a_task_is_the_paper_s_if_data_and_network_are(changes, task):
    assert task_of({**TASK, **changes}) == task


def test_the_networks_that_the_paper_names_and_its_program_does_not_have():
    doubtful = {task: doubt_about(task) for task in tasks() if doubt_about(task)}
    assert set(doubtful) == {"cifar10/wrn28_10", "cifar100/wrn28_10", "cifar10/mobilenet"}
    for task, doubt in doubtful.items():
        (named,) = [name for name in MODELS if f" {name}," in doubt]
        options = MODELS[named].options
        assert task_of({**TASK, "data": task.partition("/")[0], "model": {"name": named, **options}}) == task


def test_table_5_is_of_quantized_networks_and_the_others_are_not():
    assert {row.table for row in R18} == {3, 4}
    assert {row.method: row.percent_of_sam for row in QUANTIZED} == {
        "full_precision": None,
        "sgd": 191,
        "sam": 100,
        "vsam": 165,
    }
    assert rows_of("cifar10/mobilenet", quantized=False) == ()
    assert rows_of("cifar100/resnet18", quantized=True) == ()
    assert rows_of(None, quantized=False) == ()


# ---- the method


def test_a_method_has_its_own_run_and_what_is_quoted_apart():
    run, quoted = published_rows_for("esam", {"name": "esam"}, R18)
    assert (run.accuracy, run.note) == (96.55, "")
    assert (quoted.accuracy, quoted.note) == (96.56, "as reported by Du et al. 2022a")
    assert published_rows_for("mesa", {"name": "mesa"}, R18)[0] is None
    assert published_rows_for("mesa", {"name": "mesa"}, R18)[1].accuracy == 96.24
    assert published_rows_for("msam", {"name": "msam"}, R18) == (None, None)
    assert published_rows_for("mine:Optimizer", {"name": "mine:Optimizer"}, R18) == (None, None)


def test_table_3_comes_first_and_the_others_fill_in():
    assert (own("sam", WRN100).table, own("sam", WRN100).accuracy_std) == (3, 0.05)
    assert own("vsam_a", R18).table == 4


def test_a_label_goes_before_the_method_s_name():
    found = own("vsam(beta=0.05)", WRN100, {"name": "vsam", "beta": 0.05})
    assert (found.table, found.sampling_number) == (1, 5224)
    assert own("vsam(beta=0.3)", WRN100, {"name": "vsam", "beta": 0.3}) == own("vsam", WRN100)
    assert own("trial 7", WRN100, {"name": "vsam", "beta": 0.3}) == own("vsam", WRN100)


def test_a_period_is_a_part_of_the_paper_s_name():
    assert own("looksam", R18).method == "looksam_5"
    assert own("looksam", R18, {"name": "looksam", "period": 10}) is None
    assert own("periodic_sam", R18).method == "sam_5"
    assert own("slow", R18, {"name": "periodic_sam", "period": 10}).method == "sam_10"
