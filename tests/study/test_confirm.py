"""The confirmation of a front on a real Ray, with a light custom trainable; and the plans of the built-in one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from tests.study.test_baselines import NOWHERE, Trained
from tests.support.toy_study import on_disk, toy_study
from tests.support.trainables.quadratic import read_steps
from vsam_tune.analysis.results import StudyResult
from vsam_tune.analysis.row_trials import Replicate, Timing
from vsam_tune.errors import InputError
from vsam_tune.machine.hardware import device
from vsam_tune.study.confirm import TIMING, ConfirmJob, Scope, Wanted, confirm_plan, wanted_trials
from vsam_tune.study.execution.runner import Runner
from vsam_tune.study.file.study_file import Study, load_study
from vsam_tune.study.scheduling.budget import budget_spent
from vsam_tune.study.search import search_plan
from vsam_tune.study.storage.folder import CONFIRM, DATABASE
from vsam_tune.study.storage.stored_study import find_result, load_confirm, load_result
from vsam_tune.study.storage.study_storage import StudyStorage
from vsam_tune.trial import trial_seed

SECTIONS: dict[str, Any] = {
    "trainable": "tests.support.trainables.confirmed:Confirmed",
    "task": {"epochs": 3, "seed": 5},
    "initial": [{"x": -1.0}, {"x": 0.0}, {"x": 1.0}, {"x": 1.4}],
}
FRONT = [1.0, 0.0, -1.0]  # best loss first; x = 1.4 is dominated, whatever the seeds add
TWO = Scope(seeds=2)


class Confirmed(Trained):
    """A study, searched without a training, whose front is confirmed."""

    def study(self, **sections: Any) -> Study:
        return toy_study(self.folder, **{**SECTIONS, **sections})

    def searched(self, xs: list[float], **sections: Any) -> "Confirmed":
        """Store a search that tried these, as `Confirmed` would report them without luck."""
        initial = [{"x": x} for x in xs]
        study = self.study(initial=initial, budget={"trials": len(xs) or 1}, **sections)
        storage = on_disk(search_plan(study), self.home)
        for x in xs[storage.num_trials("complete") :]:
            trial = storage.ask()
            trial.suggest_float("x", -1.5, 1.5)
            storage.complete(trial, [(x - 1) ** 2, (x + 1) ** 2], {"epoch": 3})
        return self

    def confirm(self, address: str = NOWHERE, scope: Scope = TWO, **sections: Any) -> StudyResult:
        sections = {"initial": [{"x": x} for x in (-1.0, 0.0, 1.0, 1.4)], **sections}
        study = self.study(**sections)
        job = ConfirmJob(study=study, scope=scope, root=self.root, address=address)
        return Runner(job.home).run(job, workers=2, address=address)[0]


@pytest.fixture(scope="module")
def confirmed(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> Confirmed:
    made = Confirmed(tmp_path_factory.mktemp("confirmed")).searched([-1.0, 0.0, 1.0, 1.4])
    made.confirm(ray_address)
    return made


def params(result: StudyResult) -> list[tuple[str, int]]:
    return [(record.params["label"], record.params["replicate"]) for record in result.trials]


# ---- what is trained


@pytest.mark.ray
def test_the_front_trains_under_fresh_seeds_that_are_the_same_for_all_rows(confirmed: Confirmed) -> None:
    result = load_confirm("toy", confirmed.root)
    rows = ["toy trial 2", "toy trial 1", "toy trial 0"]
    assert params(result) == [(label, replicate) for replicate in (0, 1) for label in rows]
    for record in result.trials:
        seed = trial_seed(5, "confirm", record.params["replicate"])
        x = FRONT[rows.index(record.params["label"])]
        luck = seed / 2**32
        assert (record.state, record.seed) == ("complete", seed)
        assert record.values == {"loss": pytest.approx((x - 1) ** 2 + luck), "cost": pytest.approx((x + 1) ** 2)}
        assert record.metrics["test_accuracy"] == pytest.approx(90 - x**2 + luck)
    others = {trial_seed(5, "final", 0), trial_seed(5, "final", 1)}
    assert others.isdisjoint(record.seed for record in result.trials)


@pytest.mark.ray
def test_the_storage_says_what_each_row_is_and_the_search_is_left_alone(confirmed: Confirmed) -> None:
    result = load_confirm("toy", confirmed.root)
    assert result.name == "toy"
    assert result.study.keys() == {"objectives", "task", "base_optimizer", "trainable", "timed", "rows"}
    assert result.study["rows"]["toy trial 0"]["trial"] == 0
    assert result.study["rows"]["toy trial 0"]["method"] == {"name": "toy", "x": -1.0}
    assert result.study["timed"] is False
    assert load_result("toy", confirmed.root).counts()["complete"] == 4
    names = optuna.get_all_study_names(storage=f"sqlite:///{confirmed.home / DATABASE}")
    assert sorted(names) == ["toy", "toy.confirm"]
    where = confirmed.home / "confirm"
    assert [len(read_steps(where / f"trials/{number:05d}")) for number in range(6)] == [3] * 6
    assert not list(where.glob("trials/*/checkpoint.pt"))


@pytest.mark.ray
def test_the_same_command_once_more_trains_nothing(confirmed: Confirmed) -> None:
    result = load_confirm("toy", confirmed.root)
    assert confirmed.confirm() == result
    assert confirmed.confirm(scope=Scope(seeds=1)) == result


@pytest.mark.ray
def test_mlflow_has_a_run_for_each_training_in_the_experiment_of_the_search(confirmed: Confirmed) -> None:
    runs = confirmed.runs()
    confirming = {name: run for name, run in runs.items() if run.data.tags["vsam_tune.kind"] == "confirm"}
    assert sorted(confirming) == [f"toy trial {trial} confirm seed {seed}" for trial in (0, 1, 2) for seed in (0, 1)]
    for name, run in confirming.items():
        record = load_confirm("toy", confirmed.root).trials[int(run.data.tags["vsam_tune.confirm"])]
        assert name.startswith(record.params["label"])
        assert (run.info.status, run.data.metrics["test_accuracy"]) == ("FINISHED", record.metrics["test_accuracy"])


@pytest.mark.ray
def test_a_search_that_has_grown_adds_rows_and_trains_nothing_twice(ray_address: str, tmp_path: Path) -> None:
    made = Confirmed(tmp_path).searched([1.0, 0.0])
    initial = [{"x": x} for x in (1.0, 0.0, 0.9, -1.0)]
    first = made.confirm(ray_address, Scope(seeds=1), initial=initial[:2], budget={"trials": 2})
    made.searched([1.0, 0.0, 0.9, -1.0])
    more = made.confirm(ray_address, Scope(seeds=2), initial=initial)
    assert more.trials[:2] == first.trials
    assert list(more.study["rows"])[:2] == list(first.study["rows"])
    assert sorted(params(more)) == [(f"toy trial {trial}", seed) for trial in range(4) for seed in (0, 1)]


@pytest.mark.ray
def test_a_training_that_failed_is_repeated_and_one_that_diverged_is_not(ray_address: str, tmp_path: Path) -> None:
    method = {"name": "toy", "raise": [0], "diverge": [1]}
    made = Confirmed(tmp_path).searched([1.0], method=method)
    sections = {"initial": [{"x": 1.0}], "budget": {"trials": 1}, "method": method, "resources": {"retries": 0}}
    first = made.confirm(ray_address, **sections)
    assert [record.state for record in first.trials] == ["fail", "pruned"]
    again = made.confirm(ray_address, **sections)
    assert again.trials[:2] == first.trials
    assert [(record.params["replicate"], record.state) for record in again.trials[2:]] == [(0, "complete")]


# ---- what is refused


def refused(made: Confirmed, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        made.confirm(**options)
    assert find_result(made.home, CONFIRM) is None
    assert not (made.home / "confirm").exists()
    return str(caught.value).replace(str(made.folder), "DIR")


def test_a_study_that_was_not_searched_has_nothing_to_confirm(tmp_path: Path) -> None:
    assert "holds no study of this name" in refused(Confirmed(tmp_path))


def test_a_search_without_a_complete_trial_has_nothing_to_confirm(tmp_path: Path) -> None:
    made = Confirmed(tmp_path).searched([])
    assert refused(made, initial=[]).startswith("DIR/runs/toy/optuna.db: holds no complete trial to confirm. Fix: ")


def test_a_study_file_that_differs_from_what_was_searched_is_refused(tmp_path: Path) -> None:
    made = Confirmed(tmp_path).searched([-1.0, 0.0, 1.0, 1.4])
    rule = "differs from the study that was searched in DIR/runs/toy (3 there, 4 here)"
    fix = "restore the value, or run vsam-tune confirm toy"
    assert refused(made, task={"epochs": 4, "seed": 5}) == f"DIR/toy.yaml: task.epochs: {rule}. Fix: {fix}."


def test_a_custom_trainable_cannot_be_timed_only(tmp_path: Path) -> None:
    made = Confirmed(tmp_path).searched([-1.0, 0.0, 1.0, 1.4])
    assert "only the default trainable can be timed alone" in refused(made, scope=Scope(timing_only=True))


def test_a_search_that_goes_on_is_confirmed_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = Confirmed(tmp_path).searched([1.0])
    sections = {"initial": [{"x": 1.0}], "budget": {"trials": 9}}
    with pytest.raises(InputError, match="no Ray cluster answers"):
        made.confirm(**sections)
    assert "the search of toy is not finished (1 complete, 0 pruned): its front may change" in caplog.text


# ---- our own trainable: trainings, then timings


STUDY = """\
name: mine
task: {data: digits, model: cnn, epochs: 3}
method: {name: vsam, max_rate: 1.0}
space: {lr: {type: float, low: 0.05, high: 0.2}}
objectives: [val_accuracy, ais]
initial: []
sampler: {kind: random}
budget: {trials: 3}
"""
VALUES = [(90.0, 1000.0), (95.0, 600.0), (85.0, 500.0)]  # of trials 0 to 2; trial 2 is dominated
LABELS = ["vsam trial 1", "vsam trial 0", "sgd", "sam"]


@pytest.fixture
def own(tmp_path: Path) -> Study:
    """A study of images whose search ended, without a training."""
    file = tmp_path / "mine.yaml"
    file.write_text(STUDY)
    study = load_study(file)
    plan = search_plan(study)
    storage = on_disk(plan, tmp_path / "runs" / "mine")
    for number, values in enumerate(VALUES):
        trial = storage.ask()
        trial.suggest_float("lr", 0.05, 0.2)
        storage.complete(trial, values, {"sampled_fraction": 0.2 + number / 100})
    return study


def confirmed_so_far(study: Study) -> StudyResult | None:
    return find_result(study.file.parent / "runs" / "mine", CONFIRM)


def wanted_of(study: Study, **scope: Any) -> Wanted:
    return wanted_trials(study, Scope(**scope), root=study.file.parent / "runs", earlier=confirmed_so_far(study))


def open_confirmation(study: Study, wanted: Wanted, trials: Any) -> StudyStorage:
    home = study.file.parent / "runs" / "mine"
    return on_disk(confirm_plan(study, wanted, trials), home)


def finish(study: Study, wanted: Wanted, trials: Any) -> None:
    storage = open_confirmation(study, wanted, trials)
    for each in trials:
        fraction = {"sampled_fraction": 0.3 + each.replicate / 10} if isinstance(each, Replicate) else {}
        storage.complete(storage.take([each.to_params()]), [1000.0], {"ais": 1000.0, **fraction})


def test_sgd_and_sam_train_beside_the_front_with_the_settings_of_their_baselines(own: Study) -> None:
    wanted = wanted_of(own, seeds=2)
    assert list(wanted.rows) == LABELS
    assert wanted.replicates == [Replicate(label, i) for i in (0, 1) for label in LABELS]
    plan = confirm_plan(own, wanted, wanted.replicates)
    configs = [plan.trial_config(each.to_params(), number, "") for number, each in enumerate(wanted.replicates)]
    assert {each["seed"] for each in configs[:4]} == {trial_seed(own.task.seed, "confirm", 0)}
    assert all(each["test"] and not each["final"] and each["replicates"] == 1 for each in configs)
    assert [each["method"]["name"] for each in configs[:4]] == ["vsam", "vsam", "sgd", "sam"]
    assert configs[0]["base_optimizer"]["lr"] == wanted.searched.trials[1].params["lr"]
    assert (plan.trainable, plan.name, [each.name for each in plan.objectives]) == (
        "trainables.classification:Classification",
        "mine.confirm",
        ["ais"],
    )
    assert plan.resolved["timed"]


def test_possible_trials_are_confirmed_on_request(own: Study) -> None:
    home = own.file.parent / "runs"
    storage = on_disk(search_plan(own), home / "mine")
    trial = storage.ask()
    trial.suggest_float("lr", 0.05, 0.2)
    noisy = {"sampled_fraction": 0.2, "val_accuracy_error": 1.0, "ais_error": 50.0}
    storage.complete(trial, [94.0, 590.0], noisy)
    assert list(wanted_of(own, include_possible=True).rows) == [
        "vsam trial 1",
        "vsam trial 0",
        "vsam trial 3",
        "sgd",
        "sam",
    ]
    assert list(wanted_of(own).rows) == LABELS


def test_rows_are_timed_at_the_mean_fraction_of_their_seeds(own: Study) -> None:
    wanted = wanted_of(own, seeds=2, timing_seconds=7)
    assert wanted.timings == [Timing(label, 1, device()) for label in LABELS]
    searched = confirm_plan(own, wanted, wanted.timings)
    assert [searched.config(each.to_params(), 0)["sampled_fraction"] for each in wanted.timings] == pytest.approx([
        0.21,
        0.2,
        0,
        1,
    ])
    finish(own, wanted, wanted.replicates[:5])
    plan = confirm_plan(own, wanted, wanted.timings, result=load_confirm("mine", own.file.parent / "runs"))
    configs = [plan.config(each.to_params(), 0) for each in wanted.timings]
    assert [each["sampled_fraction"] for each in configs] == pytest.approx([0.35, 0.3, 0.3, 0.3])
    assert {(each["seconds"], each["final"], "test" in each) for each in configs} == {(7, False, False)}
    assert plan.trainable == TIMING


def test_timing_only_times_once_more_whatever_was_timed_before(own: Study) -> None:
    assert wanted_of(own, timing_only=True).replicates == []
    first = wanted_of(own)
    finish(own, first, first.replicates)
    finish(own, first, first.timings)
    assert wanted_of(own).timings == first.timings
    again = wanted_of(own, timing_only=True).timings
    assert again == [replace(each, timing=2) for each in first.timings]
    finish(own, first, again[:2])
    assert wanted_of(own, timing_only=True).timings == again  # it goes on
    assert wanted_of(own).timings == first.timings
    root, so_far = own.file.parent / "runs", confirmed_so_far(own)
    elsewhere = wanted_trials(own, Scope(), root=root, earlier=so_far, address="host:1").timings
    assert elsewhere == [replace(each, timing=3, device="a Ray cluster") for each in first.timings]


def test_a_timing_that_was_left_behind_is_no_trial_of_the_trainings(own: Study) -> None:
    wanted = wanted_of(own, seeds=1)
    finish(own, wanted, wanted.replicates)
    storage = open_confirmation(own, wanted, wanted.timings)
    replicates, timings = ([each.to_params() for each in some] for some in (wanted.replicates, wanted.timings))
    storage.take(timings)
    assert budget_spent(confirm_plan(own, wanted, wanted.replicates), storage)
    assert not budget_spent(confirm_plan(own, wanted, wanted.timings), storage)
    assert storage.unfinished(replicates) == []
    assert len(storage.unfinished(timings)) == len(storage.unfinished()) == 1


def test_a_row_that_was_trained_may_not_change(own: Study) -> None:
    wanted = wanted_of(own, seeds=1)
    finish(own, wanted, wanted.replicates)
    own.file.write_text(STUDY + "baselines: {methods: [{name: sam, rho: 0.2, label: sam}, sgd]}\n")
    with pytest.raises(InputError) as caught:
        wanted_of(load_study(own.file))
    where = own.file.parent / "runs" / "mine" / "confirm"
    rule, fix = (
        f"differs from what sam was trained with in {where}",
        "restore the value, or take another label: or name:",
    )
    assert str(caught.value) == f"{own.file}: baselines.methods[0].rho: {rule}. Fix: {fix}."
