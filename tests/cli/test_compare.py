import csv
import io
import json
from pathlib import Path

import pytest

from tests.support.ended_study import Searched
from tests.support.fake_baselines import CIFAR, baselines, replicate, result_of, store
from tests.support.printed_table import read_heads
from vsam_tune.analysis.results import StudyResult
from vsam_tune.cli.main import main
from vsam_tune.study.storage import stored_study

METHODS = ("sgd", "sam", "esam", "vsam")


def accuracies(seeds: int) -> dict[str, list[float]]:
    """Return accuracies of four methods that differ by a point each, and no two replicates alike."""
    return {name: [90.0 + i + (i + 2) * n / 10 for n in range(seeds)] for i, name in enumerate(METHODS)}


class Compare:
    """`vsam-tune compare mine` on baselines that stand for those of a storage."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, result: StudyResult, *options: str, code: int = 0) -> list[str]:
        """Return the lines on stdout, or on stderr where the exit code is not 0."""
        self.monkeypatch.setattr(stored_study, "load_baselines", lambda _study, _root: result)
        assert main(["compare", "mine", *options]) == code
        out, err = self.capsys.readouterr()
        assert (out if code else err) == ""
        return (err if code else out).splitlines()


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Compare:
    return Compare(monkeypatch, capsys)


CIFAR_3 = baselines(accuracies(3), CIFAR)  # three seeds, on a task of the paper's


def test_json_is_the_object_that_other_tools_rely_on(compare: Compare) -> None:
    printed = json.loads("\n".join(compare(CIFAR_3, "--format", "json")))
    assert list(printed) == ["study", "task", "rows"]
    assert (printed["study"], printed["task"]) == ("mine", CIFAR)
    sgd = printed["rows"][0]
    assert list(sgd)[:9] == [
        "method",
        "seeds",
        "test_accuracy_mean",
        "test_accuracy_std",
        "sampled_fraction",
        "ais",
        "percent_of_sam",
        "gradient_evaluations",
        "paper",
    ]
    assert (sgd["method"], sgd["seeds"], sgd["test_accuracy_mean"]) == ("sgd", 3, pytest.approx(90.2))
    assert sgd["paper"]["accuracy"] == 96.13
    assert printed["rows"][2]["quoted"]["note"] == "as reported by Du et al. 2022a"


def test_a_table_says_what_its_numbers_are(compare: Compare) -> None:
    title, paper, gap, *lines = compare(CIFAR_3)
    first = next(i for i, line in enumerate(lines) if line.startswith("sgd "))
    head, rows = read_heads(lines[:first]), lines[first:]
    assert title == "mine: resnet18 on cifar10, 200 epochs at batch size 128; 4 methods"
    assert paper == "paper: cifar10/resnet18, 200 epochs at batch size 128, three seeds, one RTX 3090"
    assert gap == ""
    assert head[:4] == ["method", "seeds", "test_accuracy", "difference_to_sam"]
    assert head[-4:] == ["paper_accuracy", "paper_sampling_number", "paper_ais", "paper_percent_of_sam"]
    assert "trial" not in head
    assert rows[0].split()[:7] == ["sgd", "3", "90.20", "±", "0.20", "-1.10", "[-1.35,"]
    assert rows[1].split()[:6] == ["sam", "3", "91.30", "±", "0.30", "1.000"]
    assert rows[4:] == [
        "",
        "test_accuracy: mean ± standard deviation over seeds; ais (± standard deviation) and seconds: medians",
        "difference_to_sam: mean over the seeds in common with sam, in percentage points"
        " [95 % t-interval, not corrected for the number of comparisons]",
        "no p-values: 3 seeds in common cannot give one of 0.05 after correction for 3 comparisons; 7 can",
        "esam, as reported by Du et al. 2022a: 96.56 ± 0.08, 140 % of SAM's AIS",
        "order by accuracy here and in the paper's runs: Kendall's tau 0.67 over 4 methods"
        " (1 is the same order, -1 the reverse)",
    ]


VSAM_6_AND_7 = [{"label": "vsam", "replicate": n} for n in (6, 7)]


def test_p_values_stand_where_the_seeds_are_enough(compare: Compare) -> None:
    trials = list(baselines(accuracies(8)).trials)
    printed = compare(result_of([trial for trial in trials if trial.params not in VSAM_6_AND_7]))
    first = next(i for i, line in enumerate(printed) if line.startswith("sgd "))
    assert "p_value" in read_heads(printed[2:first])
    assert "0.0234" in printed[first]  # 3 * 2^-7
    assert printed[-2:] == [
        "p_value: Wilcoxon's signed-rank test, corrected for 3 comparisons (Holm)",
        "no p-value for vsam: 6 seeds in common cannot give one of 0.05 after correction for 3 comparisons; 7 can",
    ]


def test_without_sam_nothing_is_held_against_it(compare: Compare) -> None:
    printed = compare(baselines({"sgd": [90.0, 91.0]}))
    assert "percent_of_sam" not in printed[2]
    assert (
        printed[-1] == "no differences to SAM: no seed is complete for both SAM and another method."
        " Fix: vsam-tune baselines mine"
    )


def test_replicates_that_are_not_complete_are_named(compare: Compare) -> None:
    trials = [replicate(0, "sam", 0), replicate(1, "sgd", 0), replicate(2, "sgd", 1, state="fail")]
    listed = "replicates that are not complete and not counted: sgd (1). Fix: vsam-tune baselines mine"
    assert listed in compare(result_of(trials))


def test_the_numbers_of_another_task_are_marked_as_such(compare: Compare) -> None:
    result = baselines(accuracies(2))
    assert "paper" not in "".join(compare(result))
    printed = compare(result, "--paper", "cifar100/resnet18")
    assert (
        printed[1]
        == "paper: another task, cifar100/resnet18; compare the order of the methods and fractions, not values"
    )
    assert any("80.76 ± 0.15" in line for line in printed)


def test_a_quantized_study_stands_beside_table_5(compare: Compare) -> None:
    result = baselines(accuracies(2), {**CIFAR, "quantization": {"bits": 4}})
    printed = compare(result)
    assert printed[1] == "paper: cifar10/resnet18, table 5, which does not state epochs and batch size"
    sgd = next(line for line in printed if line.startswith("sgd "))
    assert sgd.split()[-4:] == ["88.47", "1,720", "191", "W4A4"]
    assert compare(result, "--paper", "cifar100/resnet18", code=2) == [
        "--paper: 'cifar100/resnet18': the paper has no table of this task with quantization."
        " Fix: write one of cifar10/resnet18, cifar10/mobilenet."
    ]


def test_a_network_that_is_probably_not_the_one_that_the_paper_names_is_named(compare: Compare) -> None:
    for model in ("wrn28_10", "wrn34_10"):
        printed = compare(baselines(accuracies(2), {**CIFAR, "data": "cifar100", "model": {"name": model}}))
        assert printed[1] == (
            "paper: cifar100/wrn28_10, 200 epochs at batch size 128, three seeds, one RTX 3090; its network is probably"
            " wrn34_10, which its authors' program builds under this name"
        )
        assert any("84.45 ± 0.05" in line for line in printed)


def test_a_network_that_only_table_5_has_stands_alone_without_quantization(compare: Compare) -> None:
    mobilenet = {**CIFAR, "model": {"name": "mobilenet_v1", "width_percent": 100}}
    assert "paper" not in "".join(compare(baselines(accuracies(2), mobilenet)))


def test_csv_has_a_column_for_every_number(compare: Compare) -> None:
    text = "\n".join(compare(CIFAR_3, "--format", "csv"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["method"] for row in rows] == list(METHODS)
    assert (rows[2]["paper_accuracy"], rows[2]["quoted_accuracy"], rows[0]["quoted_accuracy"]) == ("96.55", "96.56", "")
    assert float(rows[0]["test_accuracy_mean"]) == sum(accuracies(3)["sgd"]) / 3


def test_markdown_is_a_table_and_two_lists(compare: Compare) -> None:
    printed = compare(CIFAR_3, "--format", "markdown")
    assert printed[0].startswith("- mine: ")
    assert printed[3].startswith("| method | seeds | test_accuracy | ")
    assert set(printed[4]) <= set("|-:")
    assert all(line.startswith("| ") and line.endswith(" |") for line in printed[5:9])
    assert {line[:2] for line in printed[10:]} == {"- "}


def test_latex_is_a_tabular_below_comments(compare: Compare) -> None:
    printed = compare(CIFAR_3, "--format", "latex")
    begin = printed.index(next(line for line in printed if line.startswith(r"\begin{tabular}")))
    assert {line[:2] for line in printed[:begin]} == {"% "}
    assert printed[begin + 2].startswith(r"method & seeds & test\_accuracy & difference\_to\_sam & ")
    assert printed[begin + 4].startswith(r"sgd & 3 & 90.20 $\pm$ 0.20 & $-$1.10 [$-$1.35, $-$0.85] & ")
    assert printed[-1] == r"\end{tabular}"


def test_baselines_of_which_nothing_is_complete_are_no_comparison(compare: Compare) -> None:
    result = result_of([replicate(0, "sam", 0, state="fail")])
    line = "mine: no replicate of a baseline has completed. Fix: vsam-tune baselines mine"
    assert compare(result, code=1) == [line]


def test_it_reads_what_stands_beside_the_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trials = [replicate(0, "sam", 0), replicate(1, "sgd", 0), replicate(2, "sgd", 1, state="fail")]
    store(result_of(trials), tmp_path)
    assert main(["compare", "mine", "--root", str(tmp_path), "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["method"], row["seeds"], row["incomplete"]) for row in rows] == [("sam", 1, 0), ("sgd", 1, 1)]


def test_a_study_without_baselines_says_how_to_train_them(
    searched: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "mine", "--root", str(searched.root)]) == 2
    line = f"{searched.folder / 'optuna.db'}: holds no baselines yet. Fix: vsam-tune baselines mine.\n"
    assert capsys.readouterr() == ("", line)
