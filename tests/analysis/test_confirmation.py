"""The rows of a confirmation: intervals, shrinkage, what remains on the front, and the fair pick; in plain numbers."""

import math
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_confirmation import DEVICE, Made, searched
from vsam_tune.analysis.confirmation import Confirmation, summarize_confirmation
from vsam_tune.analysis.confirmed_row import ConfirmedRow
from vsam_tune.analysis.results import Objective

T_4 = 2.7764451051977987  # t's quantile at 97.5 % for four degrees of freedom
FIVE = (90.0, 90.5, 91.0, 91.5, 92.0)
HALF = T_4 * math.sqrt(2.5 / 4) / math.sqrt(5)  # of their interval: the sample variance is 10 / 4 / 4


def row(found: Confirmation, name: str) -> ConfirmedRow:
    (one,) = [each for each in found.rows if each.label == name]
    return one


def remaining(found: Confirmation) -> dict[str, bool | None]:
    return {each.label: each.on_front for each in found.rows}


# ---- values and their intervals


def test_json_has_the_keys_that_other_tools_rely_on() -> None:
    made = Made().seeds(0, *FIVE).time(0, 1.5).seeds("sgd", *FIVE).time("sgd", 1.9)
    printed = summarize_confirmation(searched((93.0, 1.6)), made.result).as_json()
    assert list(printed) == ["study", "objectives", "seeds", "rows", "front", "pick", "timing"]
    assert (printed["study"], printed["seeds"], printed["front"]) == (
        "mine",
        5,
        {"searched": 1, "remaining": 1, "not_judged": 0},
    )
    assert {"trial", "label", "searched", "confirmed", "interval", "shrinkage", "test_accuracy", "seeds"} <= set(
        printed["rows"][0]
    )
    assert {"on_front", "replicates", "alone", "device"} <= set(printed["rows"][0])
    assert printed["objectives"][0] == {"name": "val_accuracy", "direction": "maximize"}
    assert printed["timing"] == {"timing": 1, "device": DEVICE, "rows": 2, "alone": True}


def test_a_row_is_its_mean_over_seeds_with_a_t_interval() -> None:
    found = row(
        summarize_confirmation(searched((93.0, 1.6)), Made().seeds(0, *FIVE).time(0, 1.5).result), "vsam trial 0"
    )
    assert (found.trial, found.seeds, found.searched) == (0, 5, {"val_accuracy": 93.0, "ais_vs_sam": 1.6})
    assert found.confirmed == {"val_accuracy": 91.0, "ais_vs_sam": 1.5}
    assert found.interval["val_accuracy"] == (pytest.approx(91 - HALF), pytest.approx(91 + HALF))
    assert found.shrinkage == {"val_accuracy": -2.0, "ais_vs_sam": pytest.approx(-0.1)}
    assert found.test_accuracy == {
        "mean": 90.0,
        "std": pytest.approx(math.sqrt(2.5 / 4)),
        "interval": (pytest.approx(90 - HALF), pytest.approx(90 + HALF)),
    }


def test_a_speed_has_the_interval_of_its_timing_where_the_seeds_sample_alike() -> None:
    found = row(
        summarize_confirmation(searched((93.0, 1.6)), Made().seeds(0, *FIVE).time(0, 1.5, 0.02).result), "vsam trial 0"
    )
    assert found.interval["ais_vs_sam"] == (
        pytest.approx(1.5 - 0.0392, abs=1e-5),
        pytest.approx(1.5 + 0.0392, abs=1e-5),
    )
    assert found.timing is not None
    assert found.timing["ais"] == 150.0
    assert (found.alone, found.device) == (True, DEVICE)


@pytest.mark.parametrize("later", [0.0, 0.1])
def test_a_speed_is_widened_by_the_spread_of_the_sampled_fraction(later: float) -> None:
    """Timed at 0.25, with plain iterations at half of SAM's: 1 / (0.75 / 2 + 0.25) = 1.6. Finite differences tell.

    Seeds that were added later may have moved their mean; the timing is still of 0.25.
    """
    fractions = [fraction + later for fraction in (0.21, 0.23, 0.25, 0.27, 0.29)]
    made = Made().seeds(0, *FIVE, sampled_fraction=fractions).time(0, 1.5, 0.02, sampled_fraction=0.25)
    found = row(summarize_confirmation(searched((93.0, 1.6)), made.result), "vsam trial 0")

    def efficient(fraction: float) -> float:
        return 1.5 / 1.6 / ((1 - fraction) / 2 + fraction)

    slope = (efficient(0.25 + 1e-5) - efficient(0.25 - 1e-5)) / 2e-5
    half = math.hypot(1.959964 * 0.02, slope * T_4 * stdev(fractions) / math.sqrt(5))
    assert found.interval["ais_vs_sam"] == (pytest.approx(1.5 - half, rel=1e-5), pytest.approx(1.5 + half, rel=1e-5))


def test_what_is_not_known_is_none() -> None:
    found = summarize_confirmation(
        searched((93.0, 1.6), (90.0, 1.9)), Made().seeds(0, 90.0, 91.0).seeds(1, state="fail").result
    )
    trial = row(found, "vsam trial 0")
    assert (trial.confirmed["ais_vs_sam"], trial.interval["ais_vs_sam"], trial.timing) == (None, None, None)
    assert trial.shrinkage == {"val_accuracy": pytest.approx(-2.5), "ais_vs_sam": None}
    assert (trial.on_front, trial.replicates, trial.alone, trial.device) == (None, None, None, None)
    assert (found.pick, found.timing) == (None, None)
    one = row(summarize_confirmation(searched((93.0, 1.6)), Made().seeds(0, 90.0).time(0, 1.5).result), "vsam trial 0")
    assert (one.confirmed["val_accuracy"], one.interval["val_accuracy"]) == (90.0, None)
    assert one.test_accuracy == {"mean": 89.0, "std": None, "interval": None}


def test_a_timing_that_withheld_its_ratio_gives_none() -> None:
    made = Made().seeds(0, *FIVE).time(0, math.nan)
    assert (
        row(summarize_confirmation(searched((93.0, 1.6)), made.result), "vsam trial 0").confirmed["ais_vs_sam"] is None
    )


def test_methods_that_the_front_is_held_against_come_last_and_were_not_searched() -> None:
    made = Made().seeds("sgd", *FIVE).seeds(0, *FIVE).time("sgd", 1.9).time(0, 1.5)
    found = summarize_confirmation(searched((93.0, 1.6)), made.result)
    assert [each.label for each in found.rows] == ["vsam trial 0", "sgd"]
    sgd = row(found, "sgd")
    assert (sgd.trial, sgd.searched, sgd.shrinkage, sgd.replicates, sgd.plain_front) == (None, None, None, None, False)


def test_contention_while_a_row_is_timed_is_reported() -> None:
    made = Made().seeds(0, *FIVE).seeds(1, *FIVE).time(0, 1.5).time(1, 1.4, alone=0.0, others_cores=0.9)
    found = summarize_confirmation(searched((93.0, 1.6), (90.0, 1.9)), made.result)
    assert [each.alone for each in found.rows] == [True, False]
    assert found.timing == {"timing": 1, "device": DEVICE, "rows": 2, "alone": False}


def test_of_several_timings_the_newest_that_has_most_rows_is_shown() -> None:
    made = Made().seeds(0, *FIVE).seeds(1, *FIVE).time(0, 1.5).time(1, 1.4)
    made.time(0, 1.6, timing=2, device="a desk").time(1, 1.7, timing=2, device="a desk")
    made.time(0, 1.8, timing=3, device="a cluster").time(1, 1.8, timing=3, device="a cluster", state="fail")
    found = summarize_confirmation(searched((93.0, 1.6), (90.0, 1.9)), made.result)
    assert [each.confirmed["ais_vs_sam"] for each in found.rows] == [1.6, 1.7]
    assert found.timing == {"timing": 2, "device": "a desk", "rows": 2, "alone": True}


def test_a_custom_trainable_has_all_values_from_its_seeds() -> None:
    objectives = (Objective("val_accuracy", "maximize"), Objective("ais", "maximize"))
    made = Made(timed=False).seeds(0, 90.0, 91.0, ais=[100.0, 300.0])
    found = summarize_confirmation(searched((93.0, 400.0), objectives=objectives), made.result)
    assert not found.timed
    assert found.rows[0].confirmed == {"val_accuracy": 90.5, "ais": 200.0}


# ---- the front


def test_a_point_that_is_significantly_worse_and_no_faster_leaves_the_front() -> None:
    made = Made().seeds(0, 93.0, 93.2, 92.9).seeds(1, 91.0, 91.1, 91.0).time(0, 1.5).time(1, 1.49)
    found = summarize_confirmation(searched((93.0, 1.6), (92.0, 1.7)), made.result)
    assert remaining(found) == {"vsam trial 0": True, "vsam trial 1": False}
    assert found.front == {"searched": 2, "remaining": 1, "not_judged": 0}


def test_a_point_that_is_faster_by_less_than_noise_stays() -> None:
    made = Made().seeds(0, 93.0, 93.2, 92.9).seeds(1, 91.0, 91.1, 91.0).time(0, 1.5).time(1, 1.501)
    found = summarize_confirmation(searched((93.0, 1.6), (92.0, 1.7)), made.result)
    assert remaining(found) == {"vsam trial 0": True, "vsam trial 1": True}


def test_a_point_that_is_faster_beyond_its_error_remains() -> None:
    made = Made().seeds(0, 93.0, 93.2, 92.9).seeds(1, 91.0, 91.1, 91.0).time(0, 1.5).time(1, 1.6)
    assert all(remaining(summarize_confirmation(searched((93.0, 1.6), (92.0, 1.7)), made.result)).values())


def test_seeds_are_paired() -> None:
    """Both spread over ten points, but one is better under every seed by about one."""
    made = Made().seeds(0, 80.0, 85.0, 90.0).seeds(1, 81.0, 86.1, 90.9).time(0, 1.5).time(1, 1.5)
    found = summarize_confirmation(searched((93.0, 1.7), (94.0, 1.6)), made.result)
    assert remaining(found) == {"vsam trial 0": False, "vsam trial 1": True}


def test_equal_differences_are_judged_by_the_errors_that_the_trials_state() -> None:
    def found(error: float) -> Confirmation:
        made = Made().seeds(0, 91.0, 92.0, val_accuracy_error=error).seeds(1, 90.0, 91.0, val_accuracy_error=error)
        return summarize_confirmation(searched((93.0, 1.6), (92.0, 1.7)), made.time(0, 1.5).time(1, 1.5).result)

    assert remaining(found(1.0)) == {"vsam trial 0": True, "vsam trial 1": True}  # 1 point, and 1.96 of its errors
    assert remaining(found(0.1)) == {"vsam trial 0": True, "vsam trial 1": False}


def test_a_count_that_is_the_same_under_every_seed_is_exact() -> None:
    """The dearer point is more accurate under every seed, and takes the cheaper one off no front."""
    objectives = (Objective("val_accuracy", "maximize"), Objective("gradient_evaluations", "minimize"))
    made = Made(timed=False).seeds(0, 93.0, 93.2, 92.9, gradient_evaluations=2.0)
    made.seeds(1, 91.0, 91.1, 91.0, gradient_evaluations=1.1)
    found = summarize_confirmation(searched((93.0, 2.0), (91.0, 1.1), objectives=objectives), made.result)
    assert remaining(found) == {"vsam trial 0": True, "vsam trial 1": True}
    assert found.rows[0].replicates


def test_methods_beside_the_front_take_no_point_off_it() -> None:
    made = Made().seeds(0, 90.0, 90.1, 90.2).seeds("sam", 95.0, 95.1, 95.0).time(0, 1.0).time("sam", 1.5)
    assert remaining(summarize_confirmation(searched((93.0, 1.6)), made.result)) == {"vsam trial 0": True, "sam": True}


def test_points_beside_the_plain_front_do_not_count_among_it() -> None:
    made = Made().seeds(0, *FIVE).seeds(1, *FIVE).time(0, 1.5).time(1, 1.5)
    found = summarize_confirmation(searched((93.0, 1.6), (92.9, 1.5)), made.result)
    assert [each.plain_front for each in found.rows] == [True, False]
    assert found.front == {"searched": 1, "remaining": 1, "not_judged": 0}


@given(st.lists(st.integers(0, 349), min_size=2, max_size=6), st.floats(0.5, 2), st.floats(0, 0.1))
def test_the_same_configuration_twice_takes_nothing_off_the_front(hits: list[int], speed: float, error: float) -> None:
    accuracies = [100 * hit / 349 for hit in hits]
    made = Made().seeds(0, *accuracies).seeds(1, *accuracies).time(0, speed, error).time(1, speed, error)
    assert all(remaining(summarize_confirmation(searched((93.0, 1.6), (92.0, 1.7)), made.result)).values())


# ---- what replicates


def test_a_point_replicates_where_its_searched_values_meet_their_intervals() -> None:
    made = Made().seeds(0, *FIVE).time(0, 1.59)
    assert row(summarize_confirmation(searched((91.5, 1.6)), made.result), "vsam trial 0").replicates
    lucky = searched((93.0, 1.6))  # the interval ends at 91.98
    assert row(summarize_confirmation(lucky, made.result), "vsam trial 0").replicates is False
    noisy = searched((93.0, 1.6), errors=0.6)
    assert row(summarize_confirmation(noisy, made.result), "vsam trial 0").replicates
    slower = Made().seeds(0, *FIVE).time(0, 1.5)
    assert row(summarize_confirmation(searched((91.5, 1.6)), slower.result), "vsam trial 0").replicates is False


def test_a_point_that_another_beats_in_all_objectives_does_not_replicate() -> None:
    made = Made().seeds(0, 93.0, 93.2, 92.9).seeds(1, 91.0, 91.1, 91.0).time(0, 1.6).time(1, 1.5)
    found = summarize_confirmation(searched((93.0, 1.6), (91.0, 1.5)), made.result)
    assert [each.replicates for each in found.rows] == [True, False]
    slower = Made().seeds(0, 93.0, 93.2, 92.9).seeds(1, 91.0, 91.1, 91.0).time(0, 1.5).time(1, 1.5)
    assert [
        each.replicates for each in summarize_confirmation(searched((93.0, 1.5), (91.0, 1.5)), slower.result).rows
    ] == [True] * 2


# ---- the pick


def three() -> Made:
    """Return points of which the middle one is the knee."""
    made = Made().seeds(0, 94.0, 94.2).seeds(1, 93.8, 93.8).seeds(2, 85.0, 85.2)
    return made.time(0, 1.1).time(1, 1.7).time(2, 1.8)


def test_the_pick_is_the_knee_of_the_confirmed_means_with_its_test_accuracy() -> None:
    found = summarize_confirmation(searched((94.0, 1.1), (90.0, 1.2), (89.0, 1.8)), three().result)
    assert found.pick is not None
    assert (found.pick["trial"], found.pick["label"]) == (1, "vsam trial 1")
    assert found.pick["confirmed"] == {"val_accuracy": 93.8, "ais_vs_sam": 1.7}
    assert found.pick["test_accuracy"] == {"mean": pytest.approx(92.8), "std": 0.0, "interval": None}


def test_test_accuracies_choose_nothing() -> None:
    result = three().result
    before = summarize_confirmation(searched((94.0, 1.1), (90.0, 1.2), (89.0, 1.8)), result)
    for trial in result.trials:
        trial.metrics["test_accuracy"] = 10.0 * trial.number
    after = summarize_confirmation(searched((94.0, 1.1), (90.0, 1.2), (89.0, 1.8)), result)
    assert before.pick is not None
    assert after.pick is not None
    assert after.pick["label"] == before.pick["label"]
    assert remaining(after) == remaining(before)


def test_a_seed_that_is_left_out_judges_what_the_others_pick() -> None:
    """Two points at one speed: seeds 0 and 1 favour the first, seed 2 the other by far."""
    made = Made().seeds(0, 92.0, 92.0, 80.0).seeds(1, 91.0, 91.0, 90.0).time(0, 1.5).time(1, 1.5)
    found = summarize_confirmation(searched((92.0, 1.5), (91.0, 1.6)), made.result)
    assert found.pick is not None
    assert found.pick["label"] == "vsam trial 1"
    # without seed 0 or 1 trial 1 is best; without seed 2 trial 0, which then gives 80
    assert found.pick["left_out"] == {"val_accuracy": pytest.approx(mean([91.0, 91.0, 80.0]))}
    one = Made().seeds(0, 92.0).time(0, 1.5)
    alone = summarize_confirmation(searched((92.0, 1.5)), one.result).pick
    assert alone is not None
    assert alone["left_out"] is None
