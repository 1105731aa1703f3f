"""Whole searches on a real Ray, with a light custom trainable."""

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.toy_study import on_disk, toy_study
from tests.support.trainables.quadratic import read_steps
from vsam_tune.analysis.results import StudyResult, TrialRecord
from vsam_tune.errors import InputError
from vsam_tune.study.search import range_warnings, search, search_plan
from vsam_tune.study.storage.folder import RESOLVED
from vsam_tune.study.storage.learning_curve import read_curve
from vsam_tune.study.storage.stored_study import load_result
from vsam_tune.trial import trial_seed

RAISES, DIES, DIVERGES, ILL = 2, 1, 3, 4  # trial numbers
EVENTFUL: dict[str, Any] = {
    "method": {"name": "toy", "raise": [RAISES], "die": [DIES], "diverge": [DIVERGES], "nan": [ILL], "seconds": 0.02},
    "initial": [{"x": 1.0}, {"x": -1.0}],
    "budget": {"trials": 8},
    "resources": {"retries": 1},
}


@dataclass
class Heard:
    """A listener that remembers."""

    started_trials: list[int] = field(default_factory=list)
    points: list[tuple[int, float]] = field(default_factory=list)
    records: list[TrialRecord] = field(default_factory=list)
    running: set[int] = field(default_factory=set)
    most_running: int = 0
    plan: tuple[int | None, int] | None = None

    def planned(self, total: int | None, ended: int) -> None:
        self.plan = (total, ended)

    def started(self, number: int, config: Mapping[str, Any]) -> None:
        assert config["number"] == number
        self.started_trials.append(number)
        self.running.add(number)
        self.most_running = max(self.most_running, len(self.running))

    def reported(self, number: int, point: Mapping[str, float]) -> None:
        self.points.append((number, point["epoch"]))

    def ended(self, record: TrialRecord) -> None:
        self.records.append(record)
        self.running.discard(record.number)


@dataclass
class Searched:
    folder: Path
    root: Path
    result: StudyResult
    outcome: str
    heard: Heard
    stdout: str

    @property
    def study_folder(self) -> Path:
        return self.root / "toy"

    def epochs(self, number: int) -> list[int]:
        return [step["epoch"] for step in read_steps(self.study_folder / f"trials/{number:05d}")]


def searched(folder: Path, address: str, *, workers: int = 2, **sections: Any) -> Searched:
    heard, root = Heard(), folder / "runs"
    study = toy_study(folder, **sections)
    with redirect_stdout(io.StringIO()) as stdout:
        result, outcome = search(study, root=root, listeners=[heard], workers=workers, address=address)
    return Searched(folder, root, result, outcome, heard, stdout.getvalue())


@pytest.fixture(scope="module")
def eventful(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    return searched(tmp_path_factory.mktemp("eventful"), ray_address, **EVENTFUL)


@pytest.mark.ray
def test_the_budget_is_met_whatever_happens_to_trials(eventful: Searched) -> None:
    assert eventful.outcome == "finished"
    assert eventful.result.counts() == {"complete": 6, "pruned": 2, "fail": 1, "running": 0, "waiting": 0}
    assert [record.number for record in eventful.result.trials] == list(range(9))


@pytest.mark.ray
def test_a_complete_trial_has_what_its_trainable_reported_last(eventful: Searched) -> None:
    for record in eventful.result.trials:
        if record.state == "complete":
            x = record.params["x"]
            assert record.values == {"loss": (x - 1) ** 2 + 1 / 4, "cost": (x + 1) ** 2}
            assert record.metrics == {**record.values, "epoch": 4, "iteration": 40}
            assert record.epochs == 4


@pytest.mark.ray
def test_starting_points_are_tried_first_and_all_trials_are_seeded_by_number(eventful: Searched) -> None:
    assert [record.params["x"] for record in eventful.result.trials[:2]] == [1.0, -1.0]
    assert [record.seed for record in eventful.result.trials] == [trial_seed(0, "trial", number) for number in range(9)]


@pytest.mark.ray
def test_a_trial_that_raises_is_tried_again_and_then_fails_with_its_error(eventful: Searched) -> None:
    record = eventful.result.trials[RAISES]
    assert (record.state, record.values, record.epochs) == ("fail", {}, 1)
    assert record.error is not None
    assert record.error.splitlines()[-1] == f"ArithmeticError: trial {RAISES} raises on request"
    assert "\x1b" not in record.error
    assert eventful.epochs(RAISES) == [1, 2, 2]


@pytest.mark.ray
def test_a_trial_whose_worker_is_killed_goes_on_from_its_checkpoint(eventful: Searched) -> None:
    steps = read_steps(eventful.study_folder / f"trials/{DIES:05d}")
    assert [step["epoch"] for step in steps] == [1, 2, 2, 3, 4]
    assert steps[1]["pid"] != steps[2]["pid"]
    assert eventful.result.trials[DIES].state == "complete"


@pytest.mark.ray
@pytest.mark.parametrize(
    ("number", "reason", "epochs"),
    [(DIVERGES, "diverged at iteration 20", 2), (ILL, "no finite loss was reported", 2)],
)
def test_a_trial_without_finite_objectives_is_pruned(number: int, reason: str, epochs: int, eventful: Searched) -> None:
    record = eventful.result.trials[number]
    assert (record.state, record.feasible, record.values) == ("pruned", False, {})
    assert (record.stopped, record.epochs) == (reason, epochs)


@pytest.mark.ray
def test_each_point_of_a_learning_curve_stands_there_once(eventful: Searched) -> None:
    for number, last in {0: 4, DIES: 4, RAISES: 1, DIVERGES: 2}.items():
        curve = read_curve(eventful.study_folder / f"trials/{number:05d}")
        assert [point["epoch"] for point in curve] == list(range(1, last + 1))
        assert [epoch for trial, epoch in eventful.heard.points if trial == number] == list(range(1, last + 1))


@pytest.mark.ray
def test_listeners_hear_each_trial_end_once_as_it_is_stored(eventful: Searched) -> None:
    heard = {record.number: record for record in eventful.heard.records}
    assert len(heard) == len(eventful.heard.records) == 9
    assert [heard[number] for number in range(9)] == list(eventful.result.trials)
    assert eventful.heard.started_trials.count(DIES) == 2


@pytest.mark.ray
def test_no_more_trials_run_than_there_are_workers(eventful: Searched) -> None:
    assert 1 <= eventful.heard.most_running <= 2  # one alone where the second worker starts late


@pytest.mark.ray
def test_a_worker_is_used_for_several_trials(eventful: Searched) -> None:
    pids = [read_steps(eventful.study_folder / f"trials/{number:05d}")[-1]["pid"] for number in range(9)]
    assert len(set(pids)) <= 4  # two, and one more for each that was killed or raised


@pytest.mark.ray
def test_no_checkpoint_stays_of_trials_that_ended(eventful: Searched) -> None:
    assert not list(eventful.study_folder.glob("trials/*/checkpoint.pt"))


@pytest.mark.ray
def test_what_ray_says_of_a_killed_worker_is_not_on_stdout(eventful: Searched) -> None:
    assert eventful.stdout == ""


@pytest.mark.ray
def test_the_reference_point_is_fixed_when_the_budget_is_spent(eventful: Searched) -> None:
    point = eventful.result.reference_point
    assert point is not None
    worst = {name: max(r.values[name] for r in eventful.result.trials if r.values) for name in ("loss", "cost")}
    assert all(point[name] > worst[name] for name in worst)


@pytest.mark.ray
def test_the_study_can_be_read_from_its_folder_alone(eventful: Searched) -> None:
    assert load_result("toy", eventful.root) == eventful.result
    assert yaml.safe_load((eventful.study_folder / RESOLVED).read_text()) == eventful.result.study
    assert (eventful.study_folder / "mlflow.db").exists()


@pytest.mark.ray
def test_a_finished_study_says_so_without_running_anything(eventful: Searched) -> None:
    again = searched(eventful.folder, "127.0.0.1:1", **EVENTFUL)  # where no cluster answers
    assert (again.outcome, again.result) == ("finished before", eventful.result)
    assert (again.heard.started_trials, again.heard.plan) == ([], (8, 8))


@pytest.mark.ray
def test_a_larger_budget_goes_on_and_touches_nothing_that_was_there(eventful: Searched, ray_address: str) -> None:
    larger = searched(eventful.folder, ray_address, **{**EVENTFUL, "budget": {"trials": 10}})
    assert larger.outcome == "finished"
    assert larger.result.trials[:9] == eventful.result.trials
    assert [record.state for record in larger.result.trials[9:]] == ["complete"] * 2
    assert sorted(larger.heard.started_trials) == [9, 10]  # at a time, on two workers
    assert larger.result.reference_point == eventful.result.reference_point
    assert len({record.params["x"] for record in larger.result.trials}) == 11


@pytest.mark.ray
def test_a_study_that_differs_is_refused_by_key(eventful: Searched) -> None:
    before = (eventful.study_folder / RESOLVED).read_text()
    changed = {**EVENTFUL, "task": {"epochs": 5}, "method": {**EVENTFUL["method"], "seconds": 1}}
    with pytest.raises(InputError) as caught:
        searched(eventful.folder, "127.0.0.1:1", **changed)
    rule = f"differs from the study that was started in {eventful.study_folder}"
    fix = "Fix: restore the value, or take another name:."
    file = eventful.folder / "toy.yaml"
    assert caught.value.lines == (
        f"{file}: method.seconds: {rule} (0.02 there, 1 here). {fix}",
        f"{file}: task.epochs: {rule} (4 there, 5 here). {fix}",
    )
    assert (eventful.study_folder / RESOLVED).read_text() == before


@pytest.mark.ray
def test_fresh_refuses_a_study_that_exists(eventful: Searched) -> None:
    with pytest.raises(InputError, match="nothing is ever deleted"):
        search(toy_study(eventful.folder, **EVENTFUL), root=eventful.root, no_resume=True)


def test_a_driver_killed_after_the_last_trial_leaves_the_reference_point_to_the_next(tmp_path: Path) -> None:
    study = toy_study(tmp_path, budget={"trials": 2})
    storage = on_disk(search_plan(study), tmp_path / "runs" / "toy")
    for value in (1.0, 2.0):
        storage.complete(storage.ask(), [value, -value], {"epoch": 4})
    result, outcome = search(study, root=tmp_path / "runs", address="127.0.0.1:1")
    assert (outcome, result.reference_point) == ("finished before", {"loss": 2.1, "cost": -0.9})


@pytest.mark.ray
def test_asha_stops_what_is_not_among_the_best_third(ray_address: str, tmp_path: Path) -> None:
    found = searched(
        tmp_path,
        ray_address,
        workers=1,
        task={"epochs": 5},
        trial_scheduler={"kind": "asha", "metric": "loss", "guard": "off"},
        initial=[{"x": x} for x in (1.0, 0.5, 0.0, -0.5, 0.75)],
        budget={"trials": 5},
    )
    # One after the other: below three rows all go on; then a trial's rank has to be below ceil(m / 3).
    first, second = "trial scheduler at epoch 1", "trial scheduler at epoch 3"
    assert [record.stopped for record in found.result.trials] == [None, None, first, first, second]
    assert [record.state for record in found.result.trials] == ["complete"] * 2 + ["pruned"] * 3
    assert [len(found.epochs(number)) for number in range(5)] == [5, 5, 1, 1, 3]
    assert found.outcome == "finished"


@pytest.mark.ray
def test_paused_trials_go_on_from_their_checkpoint_on_one_worker(ray_address: str, tmp_path: Path) -> None:
    found = searched(
        tmp_path,
        ray_address,
        workers=1,
        task={"epochs": 4},
        trial_scheduler={"kind": "mo_asha", "variant": "promotion", "reduction_factor": 2, "guard": "off"},
        objectives=[{"name": "loss", "direction": "minimize"}],
        initial=[{"x": x} for x in (0.0, 0.5, 1.0, -1.0)],
        budget={"trials": 4},
    )
    # 0 waits. 1 is better, and waits at epoch 2. 2 is better still, at epoch 2 too: it runs to its end. 3 waits.
    # No trial is left to start, and half of each rung, rounded up, has gone on.
    assert [found.epochs(number) for number in range(4)] == [[1], [1, 2], [1, 2, 3, 4], [1]]
    assert [record.state for record in found.result.trials] == ["pruned", "pruned", "complete", "pruned"]
    assert [record.stopped for record in found.result.trials] == [
        "trial scheduler at epoch 1",
        "trial scheduler at epoch 2",
        None,
        "trial scheduler at epoch 1",
    ]
    assert sorted(record.number for record in found.heard.records) == [0, 1, 2, 3]
    assert not list(found.study_folder.glob("trials/*/checkpoint.pt"))


@pytest.mark.ray
def test_a_search_whose_trials_all_fail_gives_up(ray_address: str, tmp_path: Path) -> None:
    always = {"method": {"name": "toy", "raise": list(range(9))}, "resources": {"retries": 0}}
    found = searched(tmp_path, ray_address, workers=1, **always)
    assert found.outcome == "interrupted"
    assert found.result.counts() == {"complete": 0, "pruned": 0, "fail": 3, "running": 0, "waiting": 0}
    assert found.result.reference_point is None


def test_a_range_that_is_too_long_for_a_trial_is_warned_of(tmp_path: Path) -> None:
    study = toy_study(
        tmp_path,
        trainable="trainables.classification:Classification",
        method={"name": "vsam", "interval": 50},
        space={"warmup_iterations": {"type": "int", "low": 36, "high": 700}},
        objectives=["val_accuracy", "ais"],
    )
    (line,) = range_warnings(study, {"iterations_per_epoch": 180})
    assert line.startswith(f"{study.file}: space.warmup_iterations.high = 700: a trial has 720 iterations, ")
    assert range_warnings(study, {}) == []
    assert range_warnings(study, {"iterations_per_epoch": 250}) == []
