"""What becomes of a trial that breaks a constraint: on the front, at a rung, in the sampler, and in the tables."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from tests.support.toy_study import in_memory, toy_plan
from tests.support.without_ray import Toy
from vsam_tune.analysis.results import Objective
from vsam_tune.study.file.feasibility import Constraint
from vsam_tune.study.scheduling.learning_from_rungs import ImputedTrials
from vsam_tune.study.scheduling.rungs import Comparison
from vsam_tune.study.scheduling.searcher import suggest_params

LOSS, COST = Objective("loss", "minimize"), Objective("cost", "minimize")
BOUNDS = [{"metric": "loss", "max": 2.0}, {"metric": "watts", "min": 1.0}]
CONSTRAINTS = (Constraint(metric="loss", max=2.0), Constraint(metric="watts", min=1.0))
ROWS = st.fixed_dictionaries({"time": st.just(0.0)}, optional=dict.fromkeys(("loss", "cost", "watts"), st.floats(0, 4)))


def test_a_complete_trial_that_breaks_a_constraint_is_infeasible_and_off_the_front(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"constraints": BOUNDS})
    for trial_id, metrics in (("a", {"loss": 1.0, "watts": 1.0}), ("b", {"loss": 3.0, "watts": 0.5}), ("c", {})):
        toy.searcher.suggest(trial_id)
        toy.end(trial_id, **{"loss": 0.5, "cost": 0.0, **metrics})
    kept, broken, missing = toy.storage.records()
    assert (kept.state, kept.feasible, kept.why) == ("complete", True, "")
    assert (broken.state, broken.feasible) == ("complete", False)
    assert broken.why == "infeasible: loss 3 > 2; watts 0.5 < 1"
    assert missing.why == "infeasible: no watts was reported"
    assert broken.as_json()["infeasible"] == "loss 3 > 2; watts 0.5 < 1"
    assert [record.number for record in toy.storage.result().front()] == [0]


def test_a_study_of_which_no_trial_is_feasible_says_so(tmp_path: Path) -> None:
    toy = Toy(tmp_path, {"constraints": BOUNDS})
    assert toy.storage.result().no_front_reason == "no trial has completed"
    toy.searcher.suggest("a")
    toy.end("a", loss=3.0)
    assert toy.storage.result().no_front_reason == "no complete trial is feasible"


@given(rung=st.dictionaries(st.integers(0, 20), ROWS, max_size=12), objectives=st.sampled_from([(LOSS,), (LOSS, COST)]))
def test_an_infeasible_row_never_ranks_before_a_feasible_one(rung: dict[int, Any], objectives: Any) -> None:
    with_bounds = Comparison(objectives=objectives, reduction_factor=3, min_rung_size=1, constraints=CONSTRAINTS)
    without = Comparison(objectives=objectives, reduction_factor=3, min_rung_size=1)
    ranked = list(with_bounds.ranked(rung))
    feasible = {number for number, row in rung.items() if not any(each.violation(row) for each in CONSTRAINTS)}
    assert sorted(ranked) == sorted(without.ranked(rung))
    flags = [number in feasible for number in ranked]
    assert flags == sorted(flags, reverse=True)
    assert ranked[: sum(flags)] == list(without.ranked({number: rung[number] for number in rung if number in feasible}))
    for number in rung:
        decision = with_bounds.stopping(rung, number)
        assert decision.rank == (ranked.index(number) if number in ranked else None)


def test_where_all_rows_break_a_bound_the_closest_ones_rank_first() -> None:
    bound = Constraint(metric="accuracy", min=80.0)
    compared = Comparison(objectives=(COST,), reduction_factor=3, min_rung_size=1, constraints=(bound,))
    rung = {number: {"cost": float(number), "accuracy": 10.0 * number} for number in (1, 2, 3)}
    assert list(compared.ranked(rung)) == [3, 2, 1]


def run_past_rung(folder: Path, broken: float) -> list[Any]:
    """Return what the sampler sees of 4 finished trials and of one that was stopped at a rung, with these watts."""
    plan = toy_plan(folder, constraints=BOUNDS, sampler={"kind": "tpe"})
    storage = in_memory(plan)
    for watts in (2.0, 2.0, 2.0, 2.0, broken):
        trial = storage.ask()
        suggest_params(trial, plan.space, {})
        row = {"epoch": 1, "loss": 2.5, "cost": 1.0, "watts": watts}
        storage.record_rung(trial, 1, row)
        if watts == 2.0:
            storage.complete(trial, [1.5, 1.0], {**row, "loss": 1.5})
        else:
            storage.prune(trial, "trial scheduler at epoch 1", row, diverged=False)
    return ImputedTrials().of(storage._study)


@pytest.mark.parametrize(("watts", "infeasible"), [(0.5, True), (1.5, False)])
def test_the_imputed_end_of_a_stopped_trial_is_infeasible_if_its_metrics_are(
    watts: float, infeasible: bool, tmp_path: Path
) -> None:
    """Its loss of 2.5 falls to 1.5 at the end, as that of the others did: only the watts can break a bound."""
    stopped = run_past_rung(tmp_path, watts)[-1]
    assert stopped.state == TrialState.COMPLETE
    assert stopped.constraints["loss"] == 0
    assert (stopped.constraints["watts"] > 0) == infeasible


def test_tpe_does_not_take_what_is_infeasible_for_good(tmp_path: Path) -> None:
    """The loss is best at 1, where the watts are too few: the sampler goes where both are kept."""
    sampler = {"kind": "tpe", "startup_trials": 8, "seed": 2}
    objectives = [{"name": "loss", "direction": "minimize"}]
    drawn = {}
    for bounds in ([], [{"metric": "watts", "min": 1.0}]):
        plan = toy_plan(tmp_path, sampler=sampler, objectives=objectives, constraints=bounds, budget={"trials": 99})
        storage = in_memory(plan)
        for _ in range(40):
            trial = storage.ask()
            x = suggest_params(trial, plan.space, {})["x"]
            storage.complete(trial, [(x - 1) ** 2], {"watts": 0.5 - x})
        drawn[len(bounds)] = [record.params["x"] for record in storage.records()[20:]]
    kept = {bounds: sum(x <= -0.5 for x in xs) for bounds, xs in drawn.items()}
    assert kept[1] > kept[0] + 4
