"""What TPE sees of the trials that did not reach their end."""

import copy
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from tests.support.ray_controller import CONTINUE, Controller
from tests.support.toy_study import X, in_memory, on_disk, toy_plan
from vsam_tune.study.scheduling.build import build_sampler, build_trial_scheduler
from vsam_tune.study.scheduling.learning_from_rungs import ImputedTrials
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.scheduling.searcher import suggest_params
from vsam_tune.study.storage.study_storage import StudyStorage

TPE = {"kind": "tpe", "startup_trials": 5}
MO_ASHA = {"kind": "mo_asha", "min_epochs": 1, "reduction_factor": 3, "guard": {"trials": 5, "max_loss": 0.99}}
CONDITIONAL = {"x": X, "kind": {"type": "categorical", "choices": ["a", "b"]}}
CONDITIONAL |= {"y": {"type": "int", "low": 1, "high": 9, "when": {"kind": ["a"]}}}
THREE = [{"name": name, "direction": "minimize"} for name in ("loss", "cost", "size")]


def plan_of(folder: Path, **sections: Any) -> Plan:
    return toy_plan(folder, **{"sampler": TPE, "budget": {"trials": 99}, "trial_scheduler": MO_ASHA, **sections})


def values_of(params: dict[str, Any], epoch: int) -> dict[str, float]:
    """A loss that falls over the epochs, and objectives that do not."""
    x = params["x"]
    return {"loss": (x - 1) ** 2 + 4 / epoch, "cost": (x + 1) ** 2, "size": x**2}


def run(storage: StudyStorage, plan: Plan, count: int, *, workers: int = 1) -> list[dict[str, Any]]:
    """Search with as many trials at a time as there are workers, one epoch each in turn; return what was drawn."""
    driver = Controller(plan, storage, lambda searcher: build_trial_scheduler(plan, storage, searcher))
    running: dict[int, int] = {}
    drawn: dict[int, dict[str, Any]] = {}
    while len(drawn) < count or running:
        while len(running) < workers and len(drawn) < count:
            number = driver.start()
            running[number], drawn[number] = storage.record(number).metrics.get("epoch", 0), {}
        for number in list(running):
            running[number] += 1
            params = drawn[number] = storage.record(number).params
            done = running[number] >= plan.epochs
            report = {"epoch": running[number], "done": done, **values_of(params, running[number])}
            if driver.hand_over(number, report) != CONTINUE:
                del running[number]
    return [drawn[number] for number in sorted(drawn)]


def shown(storage: StudyStorage) -> list[FrozenTrial]:
    return ImputedTrials().of(storage._study)


@pytest.mark.parametrize("space", [{"x": X}, CONDITIONAL])
@pytest.mark.parametrize("scheduler", [{"kind": "fifo"}, MO_ASHA | {"guard": {"trials": 99}}])
def test_while_no_trial_is_stopped_the_suggestions_are_those_of_plain_tpe(
    scheduler: dict[str, Any], space: dict[str, Any], tmp_path: Path
) -> None:
    drawn = []
    for learn_from in ("rungs", "final"):
        sampler = TPE | {"learn_from": learn_from}
        plan = plan_of(tmp_path, sampler=sampler, space=space, trial_scheduler=scheduler)
        drawn.append(run(in_memory(plan), plan, 20, workers=3))
    assert drawn[0] == drawn[1]


def test_trials_that_are_stopped_teach_it_something(tmp_path: Path) -> None:
    drawn = []
    for learn_from in ("rungs", "final"):
        plan = plan_of(tmp_path, sampler=TPE | {"learn_from": learn_from}, objectives=THREE)
        drawn.append(run(in_memory(plan), plan, 40))
    assert drawn[0][:5] == drawn[1][:5]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("objectives", [THREE[:1], THREE[:2], THREE])
def test_a_stopped_trial_is_complete_with_its_imputed_end(objectives: list[Any], tmp_path: Path) -> None:
    plan = plan_of(tmp_path, objectives=objectives)
    storage = in_memory(plan)
    run(storage, plan, 20)
    records = storage.records()
    stopped = [record.number for record in records if record.state == "pruned"]
    assert stopped
    seen = {trial.number: trial for trial in shown(storage)}
    assert all(trial.state == TrialState.COMPLETE for trial in seen.values())
    assert set(seen) == set(range(20))
    for number in stopped:  # cost and size do not change; the loss falls by 4 / epoch - 4 / 4 to the end, but no lower
        row = records[number].rungs[max(records[number].rungs)]
        losses = [seen[record.number].values[0] for record in records if record.state == "complete"]
        fallen = row["loss"] + 1 - 4 / row["epoch"]
        expected = [max(fallen, min(losses)), row["cost"], row["size"]]
        best = [min(record.values[each["name"]] for record in records if record.values) for each in objectives]
        assert seen[number].values == pytest.approx(np.maximum(expected[: len(objectives)], best))


def test_nothing_of_it_is_stored(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    storage = on_disk(plan, tmp_path / "toy")
    run(storage, plan, 12)
    before = [(trial.state, trial.values, trial.user_attrs) for trial in storage._study.get_trials()]
    assert any(state == TrialState.PRUNED for state, _, _ in before)
    suggest_params(storage.ask(), plan.space, {})
    again = optuna.load_study(study_name="toy", storage=storage._study._storage).get_trials()
    assert [(trial.state, trial.values, trial.user_attrs) for trial in again[:-1]] == before
    assert {trial.state for trial in again} <= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING}


@pytest.mark.parametrize("variant", ["stopping", "promotion"])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_restart_changes_nothing_of_what_it_sees(workers: int, variant: str, tmp_path: Path) -> None:
    """What a sampler that saw the whole search sees before each suggestion is what a new one sees."""
    plan = plan_of(tmp_path, trial_scheduler=MO_ASHA | {"variant": variant})
    storage = in_memory(plan)
    sampler = cast("Any", storage._study.sampler)
    compared = []

    class Both(ImputedTrials):
        def of(self, study: optuna.Study) -> list[FrozenTrial]:
            seen = super().of(study)
            compared.append([trial.number for trial in seen])
            assert [each.__dict__ for each in seen] == [each.__dict__ for each in ImputedTrials().of(study)]
            return seen

    sampler._imputed = Both()
    run(storage, plan, 20, workers=workers)
    assert len(compared) > 20


def test_a_restarted_search_suggests_what_it_would_have_suggested(tmp_path: Path) -> None:
    """Both go on with random numbers from the same seed."""
    plan = plan_of(tmp_path)
    storage = in_memory(plan)
    run(storage, plan, 14)
    drawn = []
    for restarted in (False, True):
        study = copy.deepcopy(storage._study)
        if restarted:
            study.sampler = build_sampler(plan.sampler, space=plan.space, trials_so_far=0)
        sampler = cast("Any", study.sampler)
        sampler._inner._rng.rng.seed(5)
        drawn.append([suggest_params(study.ask(), plan.space, {}) for _ in range(3)])
    assert drawn[0] == drawn[1]


def test_while_too_few_have_finished_a_stopped_trial_is_not_shown(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, trial_scheduler=MO_ASHA | {"guard": "off"})
    storage = in_memory(plan)
    run(storage, plan, 30)
    records = storage.records()
    few = StudyStorage(copy.deepcopy(storage._study))
    complete = [record.number for record in records if record.state == "complete"]
    for number in complete[3:]:
        trials = few._study._storage._studies[few._study._study_id].trials  # type: ignore[attr-defined] # in memory
        trials[number].state = TrialState.FAIL
    states = {trial.number: trial.state for trial in shown(few)}
    pruned = {record.number for record in records if record.state == "pruned"}
    assert pruned
    assert not pruned & set(states)


def test_a_trial_that_waits_for_a_promotion_is_complete_for_the_sampler(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, trial_scheduler=MO_ASHA | {"variant": "promotion"})
    storage = in_memory(plan)
    run(storage, plan, 14)
    waiting = [record.number for record in storage.records() if record.paused is not None]
    assert waiting
    seen = {trial.number: trial for trial in shown(storage)}
    assert all(seen[number].state == TrialState.COMPLETE for number in waiting)
    assert all(storage.record(number).state == "running" for number in waiting)


def test_a_trial_that_went_on_and_waits_again_has_the_end_of_its_new_rung(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    storage = in_memory(plan)
    run(storage, plan, 5)
    trial, sampler = storage.ask(), ImputedTrials()
    suggest_params(trial, plan.space, {})
    ends = []
    for epoch, cost in ((1, 50.0), (3, 60.0)):
        storage.record_rung(trial, epoch, {"epoch": epoch, "loss": 9.0, "cost": cost})
        storage.annotate(trial, paused=epoch)
        ends.append(sampler.of(storage._study)[-1].values[1])
    assert ends == pytest.approx([50.0, 60.0])


def test_a_trial_that_diverged_stays_infeasible(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    storage = in_memory(plan)
    run(storage, plan, 8)
    trial = storage.ask()
    suggest_params(trial, plan.space, {})
    storage.record_rung(trial, 1, {"loss": 1.0, "cost": 1.0})
    storage.prune(trial, "diverged at iteration 9", {}, diverged=True)
    assert shown(storage)[-1].state == TrialState.PRUNED


def test_a_trial_that_lacked_an_objective_at_its_last_rung_stays_pruned(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    storage = in_memory(plan)
    run(storage, plan, 8)
    trial = storage.ask()
    suggest_params(trial, plan.space, {})
    storage.record_rung(trial, 1, {"loss": 1.0})
    storage.prune(trial, "trial scheduler at epoch 1: no finite cost was reported", {}, diverged=False)
    assert shown(storage)[-1].state == TrialState.PRUNED
