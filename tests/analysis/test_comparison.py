"""The rows of a comparison: what is averaged over which replicates, and what stands beside."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_baselines import CIFAR, TASK, baselines, replicate, result_of
from vsam_tune.analysis.comparison import compare
from vsam_tune.analysis.published_tables import rows_of

PAPER = rows_of("cifar10/resnet18", quantized=False)
KEYS = [  # those that other tools rely on come first
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


def row(comparison, method):
    (found,) = [each for each in comparison.rows if each.method == method]
    return found


def test_json_is_one_object_with_fixed_keys():
    printed = compare(baselines({"sgd": [90.0], "sam": [92.0]}, CIFAR), PAPER).as_json()
    assert list(printed) == ["study", "task", "rows"]
    assert (printed["study"], printed["task"]) == ("mine", CIFAR)
    assert [list(each)[: len(KEYS)] for each in printed["rows"]] == [KEYS, KEYS]
    assert list(printed["rows"][0]["paper"].items()) == [
        ("table", 3),
        ("accuracy", 96.13),
        ("accuracy_std", 0.03),
        ("sampling_number", None),
        ("ais", 3167),
        ("percent_of_sam", 178),
        ("note", ""),
    ]


def test_accuracies_are_averaged_and_times_are_medians():
    trials = [
        replicate(i, "vsam", i, accuracy=accuracy, ais=ais, sampled_fraction=fraction, forward_passes=0.5)
        for i, (accuracy, ais, fraction) in enumerate([(90.0, 1000.0, 0.2), (92.0, 100.0, 0.3), (94.0, 1100.0, 0.25)])
    ]
    found = row(compare(result_of(trials)), "vsam")
    assert (found.seeds, found.incomplete) == (3, 0)
    assert (found.test_accuracy_mean, found.test_accuracy_std) == (92.0, 2.0)
    assert (found.ais, found.seconds) == (1000.0, 44.0)  # the slow replicate does not move them
    assert found.ais_std == pytest.approx(math.sqrt((2667**2 + 6333**2 + 3667**2) / 2) / 10, rel=1e-3)
    assert found.sampled_fraction == pytest.approx(0.25)
    assert found.sampling_number == (144 + 216 + 180) / 3
    assert (found.forward_passes, found.epochs, found.gradient_evaluations) == (0.5, 40.0, 1.25)


def test_what_is_not_known_is_none():
    alone = row(compare(baselines({"vsam": [90.0]})), "vsam")
    assert (alone.test_accuracy_std, alone.ais_std, alone.seconds_std) == (None, None, None)
    assert (alone.percent_of_sam, alone.difference_to_sam, alone.p_value, alone.paper) == (None, None, None, None)
    trials = [replicate(0, "mesa", 0, state="fail"), replicate(1, "mesa", 1, state="pruned")]
    nothing = row(compare(result_of(trials)), "mesa")
    assert (nothing.seeds, nothing.incomplete) == (0, 2)
    assert (nothing.test_accuracy_mean, nothing.ais, nothing.sampling_number, nothing.epochs) == (None,) * 4


def test_a_metric_that_a_trainable_does_not_report_is_none():
    trial = replicate(0, "mine", 0)
    for name in ("sampled_fraction", "iteration", "train_seconds"):
        del trial.metrics[name]
    found = row(compare(result_of([trial])), "mine")
    assert (found.sampled_fraction, found.sampling_number, found.seconds) == (None, None, None)
    assert found.test_accuracy_mean == 90.0


def test_of_a_repeated_replicate_the_newest_complete_trial_counts():
    trials = [
        replicate(0, "sam", 0, state="fail"),
        replicate(1, "sam", 1, accuracy=80.0),
        replicate(2, "sam", 0, accuracy=90.0),
        replicate(3, "sam", 0, accuracy=92.0),
        replicate(4, "sam", 2, state="running"),
    ]
    found = row(compare(result_of(trials)), "sam")
    assert (found.seeds, found.test_accuracy_mean, found.incomplete) == (2, 86.0, 1)


def test_speed_is_in_percent_of_sam_s():
    trials = [replicate(0, "sam", 0, ais=500.0), replicate(1, "sgd", 0, ais=900.0)]
    found = compare(result_of(trials))
    assert [row(found, name).percent_of_sam for name in ("sam", "sgd")] == [100.0, 180.0]


def test_rows_keep_the_order_of_the_baselines_and_name_the_trial_that_was_picked():
    trials = [replicate(0, "sam", 0), replicate(1, "sgd", 0), replicate(2, "the knee", 0)]
    picked = {"method": {"name": "vsam", "beta": 0.2}, "base_optimizer": {"name": "sgd"}, "trial": 17}
    found = compare(result_of(trials, CIFAR, **{"the knee": picked}), PAPER)
    assert [(each.method, each.trial) for each in found.rows] == [("sam", None), ("sgd", None), ("the knee", 17)]
    assert found.rows[2].paper.method == "vsam"


# ---- differences to SAM


def test_differences_are_paired_over_the_replicates_in_common():
    trials = [replicate(n, "sam", n, accuracy=90.0 + n) for n in range(3)]
    trials += [replicate(3 + n, "vsam", n, accuracy=92.0 + 2 * n) for n in (1, 2, 9)]
    found = compare(result_of(trials))
    vsam = row(found, "vsam")
    half = 12.706204736432095 * 0.5  # t's quantile for one degree, and the standard error of 3 and 4
    assert vsam.difference_to_sam == 3.5
    assert (vsam.difference_low, vsam.difference_high) == (pytest.approx(3.5 - half), pytest.approx(3.5 + half))
    assert found.pairs == {"vsam": 2}
    assert row(found, "sam").difference_to_sam is None


@pytest.mark.parametrize(
    ("labels", "sam"),
    [
        (["sam(rho=0.1)", "sam", "sgd"], "sam"),
        (["sgd", "sam(rho=0.1)", "sam(rho=0.2)"], "sam(rho=0.1)"),
        (["sgd"], None),
    ],
)
def test_sam_is_the_row_of_that_name_or_else_the_first_of_the_method(labels, sam):
    trials = [replicate(i, label, 0, ais=100.0 * (i + 1)) for i, label in enumerate(labels)]
    settings = {label: {"method": {"name": label.partition("(")[0]}, "trial": None} for label in labels}
    picked = {"sam trial 3": {"method": {"name": "sam"}, "trial": 3}}
    found = compare(result_of(trials, **picked, **settings))
    assert found.sam == sam
    assert [each.method for each in found.rows if each.percent_of_sam == 100.0] == ([sam] if sam else [])


def test_p_values_come_with_enough_seeds_and_are_corrected_for_all_rows():
    lower = [90.0 + n / 10 for n in range(9)]
    few = compare(baselines({"sam": lower[:8], **{f"m{i}": lower[:8] for i in range(10)}}))
    assert {each.p_value for each in few.rows} == {None}
    better = [value + 1 + value / 100 for value in lower]
    many = compare(baselines({"sam": lower, "better": better, **{f"m{i}": lower for i in range(9)}}))
    assert row(many, "better").p_value == pytest.approx(10 * 2**-8)
    assert row(many, "m3").p_value == 1.0
    assert row(many, "sam").p_value is None


@given(st.lists(st.integers(0, 349), min_size=1, max_size=12))
def test_the_same_configuration_twice_claims_nothing(hits):
    accuracies = [100 * hit / 349 for hit in hits]
    again = row(compare(baselines({"sam": accuracies, "again": accuracies})), "again")
    assert (again.difference_to_sam, again.difference_low, again.difference_high) == (0.0, None, None)
    assert again.p_value in (None, 1.0)


# ---- the paper


def test_what_the_paper_quotes_is_kept_apart():
    found = compare(baselines({"esam": [96.0], "mesa": [96.0], "rst": [96.0]}, CIFAR), PAPER)
    esam, mesa = row(found, "esam"), row(found, "mesa")
    assert (esam.paper.accuracy, esam.quoted.note) == (96.55, "as reported by Du et al. 2022a")
    assert (mesa.paper.note, mesa.quoted) == ("as reported by Du et al. 2022b", None)
    assert (row(found, "rst").paper, row(found, "rst").quoted) == (None, None)


def test_the_rank_correlation_is_over_the_paper_s_own_runs():
    """In the paper sam_10 96.28 < sam_5 96.40 < sam 96.62 < vsam 96.64: one of six pairs is the other way round."""
    here = {"sam_10": [1.0], "sam_5": [2.0], "vsam": [3.0], "sam": [4.0], "mesa": [9.0], "rst": [0.0], "knee": [0.5]}
    knee = {"method": {"name": "vsam"}, "base_optimizer": {"name": "sgd"}, "trial": 3}
    found = compare(baselines(here, CIFAR, knee=knee), PAPER)
    assert found.rank_correlation() == (pytest.approx((5 - 1) / 6), 4)


def test_there_is_no_rank_correlation_without_an_order():
    assert compare(baselines({"sam": [90.0]}, TASK), PAPER).rank_correlation() == (None, 1)
    assert compare(baselines({"sam": [90.0], "sgd": [90.0]}, TASK), PAPER).rank_correlation() == (None, 2)
    assert compare(baselines({"sam": [90.0], "sgd": [80.0]}, TASK)).rank_correlation() == (None, 0)
