"""The baselines of a study on a real Ray, with a light custom trainable."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun

from tests.support.fake_study import empty_store
from tests.support.toy_study import on_disk, toy_study
from tests.support.trainables.quadratic import read_steps
from vsam_tune.analysis.results import StudyResult
from vsam_tune.errors import InputError
from vsam_tune.study.baselines import BaselinesJob, baselines, past_the_end, wanted_rows
from vsam_tune.study.execution import runner
from vsam_tune.study.file.study_file import load_study
from vsam_tune.study.search import search, search_plan
from vsam_tune.study.storage.folder import BASELINES, DATABASE
from vsam_tune.study.storage.stored_study import find_result, load_baselines, load_result
from vsam_tune.study.tracking.mlflow_client import find_experiment
from vsam_tune.study.tracking.tracking_state import default_uri, lacks_a_part, read_tracking_state
from vsam_tune.trial import trial_seed

NOWHERE = "127.0.0.1:1"  # where no cluster answers: whoever needs none does not ask
LOW, HIGH = {"name": "toy", "label": "low", "x": 0.0}, {"name": "toy", "label": "high", "x": 1.5}
SECTIONS: dict[str, Any] = {
    "trainable": "tests.support.trainables.replicate:Replicate",
    "task": {"epochs": 3, "seed": 5},
    "baselines": {"seeds": 2, "methods": [LOW, HIGH]},
}


def with_rows(*rows: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return {**SECTIONS, "baselines": {"seeds": 2, "methods": list(rows)}, **sections}


@dataclass
class Trained:
    """A folder with the study file, and the root of the study's; MLflow's store has its tables, which takes seconds."""

    folder: Path

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True)
        (self.home / "mlflow.db").write_bytes(empty_store())

    @property
    def root(self) -> Path:
        return self.folder / "runs"

    @property
    def home(self) -> Path:
        return self.root / "toy"

    def train(self, address: str = NOWHERE, sections: dict[str, Any] = SECTIONS, **options: Any) -> StudyResult:
        study = toy_study(self.folder, **sections)
        return baselines(study, root=self.root, address=address, **{"workers": 2, **options})

    def search(self, address: str, **sections: Any) -> StudyResult:
        return search(toy_study(self.folder, **{**SECTIONS, **sections}), root=self.root, workers=2, address=address)[0]

    def runs(self) -> dict[str, MlflowRun]:
        """Return all MLflow runs of the study by name, from one experiment."""
        client, tracked = MlflowClient(tracking_uri=default_uri(self.home)), read_tracking_state(self.home)
        assert tracked is not None
        experiments = client.search_experiments(filter_string=f"tags.`vsam_tune.study` = '{tracked.study_id}'")
        assert [each.name for each in experiments] == ["toy"]
        runs = client.search_runs([find_experiment(client, tracked.study_id)], max_results=1000)
        assert len({run.info.run_name for run in runs}) == len(runs)
        return {run.info.run_name: run for run in runs}

    def columns(self) -> list[str]:
        """Return the columns of the saved view."""
        client, tracked = MlflowClient(tracking_uri=default_uri(self.home)), read_tracking_state(self.home)
        assert tracked is not None
        tags = client.get_experiment(find_experiment(client, tracked.study_id)).tags
        columns: list[str] = json.loads(json.loads(tags["mlflow.sharedViewState.study"])["state"])["selectedColumns"]
        return columns


@pytest.fixture(scope="module")
def trained(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    made = Trained(tmp_path_factory.mktemp("trained"))
    made.train(ray_address)
    return made


def params(result: StudyResult) -> list[tuple[str, int]]:
    return [(record.params["label"], record.params["replicate"]) for record in result.trials]


# ---- what is trained


@pytest.mark.ray
def test_all_rows_train_under_one_replicate_then_under_the_next(trained: Trained) -> None:
    result = load_baselines("toy", trained.root)
    assert params(result) == [("low", 0), ("high", 0), ("low", 1), ("high", 1)]
    assert [record.state for record in result.trials] == ["complete"] * 4
    assert [record.epochs for record in result.trials] == [3] * 4


@pytest.mark.ray
def test_a_replicate_has_one_seed_for_all_rows(trained: Trained) -> None:
    for record in load_baselines("toy", trained.root).trials:
        seed = trial_seed(5, "final", record.params["replicate"])  # that of `vsam-tune train` as well
        assert record.seed == seed
        x = {"low": 0.0, "high": 1.5}[record.params["label"]]
        assert record.values == {"test_accuracy": pytest.approx(90 - x**2 + seed / 2**32), "ais": 3000.0}


@pytest.mark.ray
def test_the_storage_says_what_each_row_is(trained: Trained) -> None:
    result = load_baselines("toy", trained.root)
    base = {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.001, "nesterov": False}
    assert result.name == "toy"
    assert result.study.keys() == {"objectives", "task", "base_optimizer", "trainable", "rows"}
    assert result.study["rows"] == {
        "low": {"method": {"name": "toy", "x": 0.0}, "base_optimizer": base, "trial": None},
        "high": {"method": {"name": "toy", "x": 1.5}, "base_optimizer": base, "trial": None},
    }
    assert result.study["task"]["epochs"] == 3
    assert result.study["base_optimizer"] == base
    assert [each["name"] for each in result.study["objectives"]] == ["test_accuracy", "ais"]


@pytest.mark.ray
def test_files_of_trials_stand_below_the_studys_folder_without_checkpoints(trained: Trained) -> None:
    where = trained.home / "baselines"
    assert [len(read_steps(where / f"trials/{number:05d}")) for number in range(4)] == [3] * 4
    assert not list(where.glob("trials/*/checkpoint.pt"))
    assert not (trained.home / "trials").exists()
    assert not (where / DATABASE).exists()


@pytest.mark.ray
def test_the_same_command_once_more_trains_nothing(trained: Trained) -> None:
    result = load_baselines("toy", trained.root)
    assert trained.train() == result
    assert trained.train(methods=["low"], seeds=1) == result


@pytest.mark.ray
def test_a_training_that_failed_is_repeated_and_one_that_diverged_is_not(ray_address: str, tmp_path: Path) -> None:
    made = Trained(tmp_path)
    eventful = {**LOW, "raise": [0], "diverge": [1]}
    sections = with_rows(eventful, resources={"retries": 0})
    first = made.train(ray_address, sections)
    assert [record.state for record in first.trials] == ["fail", "pruned"]
    again = made.train(ray_address, sections)
    assert again.trials[:2] == first.trials
    assert [(record.params["replicate"], record.state) for record in again.trials[2:]] == [(0, "complete")]


# ---- growth


@pytest.mark.ray
def test_more_rows_and_seeds_are_added_to_what_is_there(ray_address: str, tmp_path: Path) -> None:
    made = Trained(tmp_path)
    first = made.train(ray_address, methods=["high"])
    assert params(first) == [("high", 0), ("high", 1)]
    more = made.train(ray_address, with_rows(LOW, HIGH, {"name": "toy", "x": 1.0}), seeds=3)
    assert more.trials[:2] == first.trials
    assert sorted(params(more)) == sorted((label, i) for label in ("low", "high", "toy(x=1)") for i in range(3))
    assert [record.state for record in more.trials] == ["complete"] * 9
    assert list(more.study["rows"]) == ["high", "low", "toy(x=1)"]
    steps = {number: len(read_steps(made.home / "baselines" / f"trials/{number:05d}")) for number in range(9)}
    assert set(steps.values()) == {3}


def started(folder: Path, *, complete: int) -> Trained:
    """Return baselines of which so many trials are complete, one was left behind, and the others wait."""
    made = Trained(folder)
    study = toy_study(folder, **SECTIONS)
    (plan,) = BaselinesJob(study=study, home=made.home, rows=wanted_rows(study, root=made.root)).plans()
    storage = on_disk(plan, made.home)
    for _ in range(complete):
        storage.complete(storage.take(plan.enqueued), [90.0, 1000.0], {"test_accuracy": 90.0, "ais": 1000.0})
    storage.take(plan.enqueued)
    return made


@pytest.mark.ray
def test_what_a_former_start_left_waiting_waits_on_unless_it_is_wanted(ray_address: str, tmp_path: Path) -> None:
    made = started(tmp_path, complete=0)
    result = made.train(ray_address, methods=["high"], seeds=1)
    states = {key: record.state for key, record in zip(params(result), result.trials, strict=True)}
    assert states == {
        ("low", 0): "complete",  # left behind, it is taken up whatever is wanted
        ("high", 0): "complete",
        ("low", 1): "waiting",
        ("high", 1): "waiting",
    }
    assert [record.resumed for record in result.trials] == [1, 0, 0, 0]


# ---- what may not change


def refused(made: Trained, sections: dict[str, Any], **options: Any) -> list[str]:
    before = find_result(made.home, BASELINES)
    with pytest.raises(InputError) as caught:
        made.train(sections=sections, **options)
    after = find_result(made.home, BASELINES)
    assert before is not None
    assert after is not None
    assert (after.study, params(after)) == (before.study, params(before))
    return [line.replace(str(made.folder), "DIR") for line in caught.value.lines]


def test_another_task_is_refused(tmp_path: Path) -> None:
    made = started(tmp_path, complete=1)
    rule = "differs from the trainings in DIR/runs/toy/baselines (3 there, 4 here)"
    line = f"DIR/toy.yaml: task.epochs: {rule}. Fix: restore the value, or take another name:."
    assert refused(made, {**SECTIONS, "task": {"epochs": 4, "seed": 5}}) == [line]


def test_a_row_that_was_trained_may_not_change(tmp_path: Path) -> None:
    made = started(tmp_path, complete=1)
    rule = "differs from what low was trained with in DIR/runs/toy/baselines"
    fix = "Fix: restore the value, or take another label: or name:."
    assert refused(made, with_rows({**LOW, "x": 0.5, "lr": 0.1}, HIGH)) == [
        f"DIR/toy.yaml: baselines.methods[0].lr: {rule}. {fix}",
        f"DIR/toy.yaml: baselines.methods[0].x: {rule}. {fix}",
    ]


def test_a_row_without_a_training_may_change(tmp_path: Path) -> None:
    made = started(tmp_path, complete=0)  # low was left behind, high waits
    with pytest.raises(InputError, match="no Ray cluster answers"):
        made.train(sections=with_rows(LOW, {**HIGH, "x": 0.5}))
    result = load_baselines("toy", made.root)
    assert result.study["rows"]["high"]["method"]["x"] == 0.5
    assert len(result.trials) == 4


def test_a_task_that_differs_from_the_searchs_is_refused(tmp_path: Path) -> None:
    made = Trained(tmp_path)
    on_disk(search_plan(toy_study(tmp_path, **SECTIONS)), made.home)
    with pytest.raises(InputError) as caught:
        made.train(sections={**SECTIONS, "task": {"epochs": 3, "seed": 6}})
    rule = f"differs from the trainings in {made.home} (5 there, 6 here)"
    assert caught.value.lines == (
        f"{tmp_path / 'toy.yaml'}: task.seed: {rule}. Fix: restore the value, or take another name:.",
    )
    assert find_result(made.home, BASELINES) is None


def test_a_search_on_another_task_than_its_baselines_is_refused(tmp_path: Path) -> None:
    made = started(tmp_path, complete=1)
    with pytest.raises(InputError) as caught:
        made.search(NOWHERE, task={"epochs": 4, "seed": 5})
    fix = "restore the value, or take another name:"
    rule = f"differs from the trainings in {made.home / 'baselines'} (3 there, 4 here). Fix: {fix}."
    assert caught.value.lines == (f"{tmp_path / 'toy.yaml'}: task.epochs: {rule}",)
    assert find_result(made.home) is None


# ---- beside a search


@pytest.mark.ray
@pytest.mark.parametrize("search_first", [True, False])
def test_search_and_baselines_share_a_database_and_an_experiment(
    search_first: bool, ray_address: str, tmp_path: Path
) -> None:
    made = Trained(tmp_path)
    steps = [lambda: made.search(ray_address), lambda: made.train(ray_address)]
    for step in steps if search_first else reversed(steps):
        step()
    searched, trained = load_result("toy", made.root), load_baselines("toy", made.root)
    assert (searched.counts()["complete"], trained.counts()["complete"]) == (4, 4)
    assert [each.name for each in searched.objectives] == ["loss", "cost"]
    names = optuna.get_all_study_names(storage=f"sqlite:///{made.home / DATABASE}")
    assert sorted(names) == ["toy", "toy.baselines"]

    runs = made.runs()
    rows = [f"{label} seed {replicate}" for label, replicate in params(trained)]
    assert sorted(runs) == sorted(["summary", *rows, *(f"trial {number}" for number in range(4))])
    for number, name in enumerate(rows):
        run = runs[name]
        assert run.info.status == "FINISHED"
        assert (run.data.tags["vsam_tune.kind"], run.data.tags["vsam_tune.baseline"]) == ("baseline", str(number))
        assert "vsam_tune.trial" not in run.data.tags
        assert run.data.params["label"] in name
        assert run.data.metrics["test_accuracy"] == trained.trials[number].metrics["test_accuracy"]
        assert run.data.tags["mlflow.runColor"] != runs[f"trial {number}"].data.tags["mlflow.runColor"]
    assert runs["summary"].data.tags["vsam_tune.front"] == " ".join(str(each.number) for each in searched.front())
    assert not lacks_a_part(made.home, None)
    assert not lacks_a_part(made.home / "baselines", None)
    shown = ["metrics.`loss`", "metrics.`cost`", "metrics.`test_accuracy`", "metrics.`sampled_fraction`"]
    assert made.columns() == [*shown, "params.`method`", "params.`x`"]


@pytest.mark.ray
def test_mlflow_is_complete_after_a_driver_that_logged_nothing(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trained.runs()
    (trained.home / "baselines" / "mlflow.json").unlink()
    trained.train()
    assert {name: run.info.run_id for name, run in trained.runs().items()} == {
        name: run.info.run_id for name, run in before.items()
    }
    monkeypatch.setattr(runner, "MlflowTracking", lambda *_, **__: pytest.fail("MLflow lacks nothing"))
    trained.train()


# ---- picks


@pytest.mark.ray
def test_picked_trials_of_the_search_become_rows(ray_address: str, tmp_path: Path) -> None:
    made = Trained(tmp_path)
    searched = made.search(ray_address)
    knee = searched.knee()
    other = next(record.number for record in searched.trials if record.number != knee)
    result = made.train(ray_address, seeds=1, methods=["low"], picks=["knee", f"trial={other}", f"trial={knee}"])
    assert params(result) == [("low", 0), (f"toy trial {knee}", 0), (f"toy trial {other}", 0)]
    for number in (knee, other):
        row = result.study["rows"][f"toy trial {number}"]
        assert (row["trial"], row["method"]["x"]) == (number, searched.trials[number].params["x"])
    x = searched.trials[other].params["x"]
    assert result.trials[2].values["test_accuracy"] == pytest.approx(90 - x**2 + result.trials[2].seed / 2**32)
    again = made.train(seeds=1, picks=[f"trial={other}"], methods=["low"])
    assert again == result


def test_nothing_can_be_picked_of_a_study_that_was_not_searched(tmp_path: Path) -> None:
    made = started(tmp_path, complete=1)
    with pytest.raises(InputError, match="holds no search yet"):
        made.train(picks=["knee"])


def test_a_custom_trainable_has_no_rows_by_default(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"baselines\.methods: leaves nothing to train"):
        Trained(tmp_path).train(sections={**SECTIONS, "baselines": None})


def test_a_setting_that_reaches_past_the_end_of_the_run_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    rows = "[saf, {name: mesa, start_epoch: 2}, vsam, {name: vsam, warmup_iterations: 39, interval: 40, label: late}]"
    file.write_text(
        f"name: mine\ntask: {{data: digits, model: cnn, epochs: 4}}\nmethod: vsam\nbaselines:\n  methods: {rows}\n"
    )
    lines = past_the_end(wanted_rows(load_study(file), root=tmp_path), {"iterations_per_epoch": 10.0})
    found = [line.removeprefix(f"{file}: ").split(" ")[0].rstrip(":") for line in lines]
    assert [key.split(".", 2)[2] for key in found] == ["start_epoch", "warmup_iterations", "warmup_iterations"]
    assert "a trial has 4 epochs: its loss term never begins" in lines[0]
    assert "Fix: a value below 3" in lines[0]


def test_an_unknown_row_is_an_error_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Trained(tmp_path).train(methods=["lov"])
    assert str(caught.value) == "--methods: 'lov': is no row of the baselines. Fix: write low."
