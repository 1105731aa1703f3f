import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.printed_table import read_heads
from tests.support.toy_study import on_disk, toy_plan
from vsam_tune.cli.main import main

COLUMNS = ["study", "group", "complete", "front", "epochs", "hours", "hypervolume", "hypervolume_at_equal_epochs"]


def write_study(root: Path, name: str, *values: tuple[float, float], **sections: Any) -> None:
    """Leave a study with these complete trials of 4 epochs each, in the order of loss and cost."""
    folder = root / name
    folder.mkdir(parents=True)
    storage = on_disk(toy_plan(folder, name=name, **sections), folder)
    for pair in values:
        storage.complete(storage.ask(), list(pair)[: len(sections.get("objectives", pair))], {"epoch": 4})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two repeats of `random`, and `other` with a larger budget and one trial more."""
    root = tmp_path_factory.mktemp("studies")
    for seed, loss in ((1, 2.0), (2, 4.0)):
        write_study(root, f"random-{seed}", (loss, 2.0), (10.0, 10.0), sampler={"kind": "random", "seed": seed})
    write_study(root, "other", (8.0, 2.0), (2.0, 2.0), (0.0, 10.0), budget={"trials": 9})
    write_study(root, "started")
    write_study(root, "one", (1.0, 0.0), objectives=[{"name": "loss", "direction": "minimize"}])
    return root


def compare(root: Path, *words: str) -> int:
    return main(["compare-studies", *words, "--root", str(root)])


def test_a_table_of_studies_and_a_line_for_each_group_and_difference(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(root, "random-1", "random-2", "other") == 0
    lines = capsys.readouterr().out.splitlines()
    blank = lines.index("")
    *head, first, second, third = lines[:blank]
    assert read_heads(head) == COLUMNS
    # loss 0 to 10, cost 2 to 10: measured from 11 and 10.8
    assert [row.split()[:5] for row in (first, second, third)] == [
        ["random-1", "random-1", "2", "1", "8"],
        ["random-2", "random-1", "2", "1", "8"],
        ["other", "other", "3", "2", "12"],
    ]
    assert [row.split()[-2:] for row in (first, second, third)] == [["79.2"] * 2, ["61.6"] * 2, ["80.8", "79.2"]]
    # means of 79.2 and 61.6: 70.4 +- 12.706 * 17.6 / 2
    assert lines[blank + 1 :] == [
        "Reference point of all studies: loss 11, cost 10.8.",
        "Equal epochs: 8, as many as the study with the fewest trained.",
        "random-1 (2 repeats: random-1, random-2): hypervolume 70.4 [-41.41, 182.2].",
        "other: hypervolume 80.8, at equal epochs 79.2; differs in budget.trials.",
        "other less random-1: +10.4, at equal epochs +8.8.",
        "Brackets are 95 % t-intervals over the repeats, not corrected for the number of comparisons.",
    ]


def test_json_has_groups_differences_and_attainment_surfaces(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(root, "random-1", "random-2", "other", "--format", "json") == 0
    printed = json.loads(capsys.readouterr().out)
    keys = ["objectives", "reference_point", "closer_reference_point", "equal_epochs", "studies", "groups"]
    assert list(printed) == [*keys, "differences"]
    assert printed["closer_reference_point"] is None
    assert printed["reference_point"] == {"loss": 11.0, "cost": pytest.approx(10.8)}
    assert [list(row) for row in printed["studies"]] == [[*COLUMNS[:2], "seed", *COLUMNS[2:]]] * 3
    repeats, other = printed["groups"]
    assert (repeats["studies"], repeats["differs"]) == (["random-1", "random-2"], [])
    assert repeats["attainment"] == {
        "best": [{"loss": 2.0, "cost": 2.0}],
        "median": [{"loss": 2.0, "cost": 2.0}],
        "worst": [{"loss": 4.0, "cost": 2.0}],
    }
    assert (other["studies"], other["differs"], other["interval"]) == (["other"], ["budget.trials"], None)
    assert [point["loss"] for point in other["attainment"]["worst"]] == [0.0, 2.0]
    assert [(each["group"], each["less"]) for each in printed["differences"]] == [("other", "random-1")]


def test_csv_has_the_rows_with_every_digit(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(root, "random-1", "random-2", "--format", "csv") == 0
    first, second = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert list(first) == COLUMNS
    # loss 2 to 10, cost 2 to 10
    assert float(first["hypervolume"]) == pytest.approx(8.8 * 8.8)
    assert float(second["hypervolume"]) == pytest.approx(6.8 * 8.8)


def test_a_given_reference_point_is_used(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    point = ["--reference-point", "loss=3, cost=5"]
    assert compare(root, "random-1", "random-2", *point, "--format", "json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["reference_point"] == {"loss": 3.0, "cost": 5.0}
    assert [row["hypervolume"] for row in printed["studies"]] == [3.0, 0.0]  # random-2 has a loss of 4 at best


def test_a_reference_point_that_an_exploding_loss_took_away_is_replaced_by_a_closer_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(tmp_path, "a", (1.0, 5.0), (2.0, 1.0))
    write_study(tmp_path, "b", (1.5, 4.0), (1e250, 9.0), budget={"trials": 3})
    assert compare(tmp_path, "a", "b") == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines()[:4])) < 120
    (line,) = [line for line in out.splitlines() if line.startswith("Trials with extreme values")]
    assert line == (
        "Trials with extreme values took the reference point far from the fronts, so the hypervolumes hardly differ."
        " Fix: add --reference-point loss=2.1,cost=5.4"
    )
    assert compare(tmp_path, "a", "b", *line.split()[-2:], "--format", "csv") == 0
    first, second = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert float(first["hypervolume"]) == pytest.approx(1.1 * 0.4 + 0.1 * 4.0)
    assert float(second["hypervolume"]) == pytest.approx(0.6 * 1.4)


def test_a_study_that_has_not_ended_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        write_study(tmp_path, name, (1.0, 2.0), (2.0, 1.0))
    on_disk(toy_plan(tmp_path / "b", name="b"), tmp_path / "b").ask()
    assert compare(tmp_path, "a", "b") == 0
    assert "b has not ended: 1 running." in capsys.readouterr().out.splitlines()


def test_a_study_file_names_its_study_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(root, str(root / "other" / "toy.yaml"), "random-1", "--format", "csv") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("other,other,")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["other"],
            "other: needs a second study to compare with. Fix: vsam-tune compare-studies other OTHER.",
        ),
        (["other", "random-1", "other"], "other: is named twice. Fix: name each study once."),
        (
            ["other", "one"],
            "one: objectives: loss (minimize) differ from those of other, loss (minimize), cost (minimize)."
            " Fix: compare studies with the same objectives, so leave out one.",
        ),
        (
            ["other", "random-1", "--reference-point", "loss=1"],
            "--reference-point: 'loss=1': must be a number for each objective: loss, cost."
            " Fix: write --reference-point loss=8.8,cost=10.8.",
        ),
        (
            ["other", "random-1", "--reference-point", "loss=1,cost=high"],
            "--reference-point: 'loss=1,cost=high': must be a number for each objective: loss, cost."
            " Fix: write --reference-point loss=8.8,cost=10.8.",
        ),
        (
            ["other", "random-1", "--reference-point", "loss=1,cost=2,cost=3"],
            "--reference-point: 'loss=1,cost=2,cost=3': must be a number for each objective: loss, cost."
            " Fix: write --reference-point loss=8.8,cost=10.8.",
        ),
        (["other", "random"], "ROOT: 'random': holds no study of this name. Fix: write random-2."),
    ],
)
def test_studies_that_cannot_be_compared(
    words: list[str], line: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(root, *words) == 2
    out, err = capsys.readouterr()
    assert (out, err.replace(str(root), "ROOT")) == ("", f"{line}\n")


def test_a_study_without_a_complete_trial(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(root, "other", "started") == 1
    fix = f"vsam-tune trials started --root {root} shows the state of the trials"
    assert capsys.readouterr() == ("", f"started: no trial has completed. Fix: {fix}\n")


def test_no_study_at_all(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(root) == 2
    rule = "vsam-tune compare-studies: the following arguments are required: STUDY"
    assert capsys.readouterr().err.startswith(rule)
