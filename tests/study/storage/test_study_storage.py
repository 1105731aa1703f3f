import json
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from tests.support.toy_study import in_memory, on_disk, toy_plan, write_toy
from vsam_tune.analysis.front_json import front_json
from vsam_tune.analysis.results import Objective
from vsam_tune.errors import InputError
from vsam_tune.study.storage.folder import BASELINES, DATABASE
from vsam_tune.study.storage.stored_study import find_result, load_baselines, load_result
from vsam_tune.study.storage.study_storage import StudyStorage

METRICS = {"epoch": 4.0, "loss": 1.0, "cost": 2.0}


@pytest.fixture
def storage(tmp_path: Path) -> StudyStorage:
    return in_memory(toy_plan(tmp_path))


def test_a_trial_runs_from_ask_until_its_outcome_is_recorded(storage: StudyStorage) -> None:
    trials = [storage.ask() for _ in range(4)]
    assert [record.state for record in storage.records()] == ["running"] * 4
    storage.complete(trials[0], [1.0, 2.0], METRICS)
    storage.prune(trials[1], "trial scheduler at epoch 1", METRICS, diverged=False)
    storage.prune(trials[2], "diverged at iteration 20", METRICS, diverged=True)
    storage.fail(trials[3], "ValueError: so", METRICS)
    assert [record.state for record in storage.records()] == ["complete", "pruned", "pruned", "fail"]
    assert [record.feasible for record in storage.records()] == [True, True, False, True]
    assert [record.stopped for record in storage.records()] == [
        None,
        "trial scheduler at epoch 1",
        "diverged at iteration 20",
        None,
    ]
    assert storage.records()[3].error == "ValueError: so"
    assert storage.num_trials("complete", "pruned") == 3
    assert storage.num_trials("running", "waiting") == 0


def test_only_a_complete_trial_has_values_and_any_other_keeps_its_metrics(storage: StudyStorage) -> None:
    complete, pruned, failed = (storage.ask() for _ in range(3))
    storage.complete(complete, [1.0, 2.0], METRICS)
    storage.prune(pruned, "trial scheduler at epoch 1", METRICS, diverged=False)
    storage.fail(failed, "ValueError: so", METRICS)
    assert [record.values for record in storage.records()] == [{"loss": 1.0, "cost": 2.0}, {}, {}]
    assert [record.metrics for record in storage.records()] == [METRICS] * 3
    assert [record.epochs for record in storage.records()] == [4, 4, 4]


def test_the_sampler_gets_a_trial_that_diverged_as_a_constraint(storage: StudyStorage) -> None:
    good, ill = storage.ask(), storage.ask()
    storage.complete(good, [1.0, 2.0], METRICS)
    storage.prune(ill, "diverged at iteration 20", {"loss": float("nan")}, diverged=True)
    frozen = storage._study.get_trials()
    assert [max(trial.constraints.values(), default=0.0) > 0 for trial in frozen] == [False, True]
    assert [trial.number for trial in storage._study.best_trials] == [0]


def test_a_record_says_what_the_trial_is(storage: StudyStorage) -> None:
    trial = storage.ask()
    trial.suggest_float("x", 0, 1)
    storage.annotate(trial, ray_trial_ids=["a", "b"], seed=7, resumed=1)
    record = storage.record(0)
    assert (record.number, record.state, record.params) == (0, "running", trial.params)
    assert (record.ray_trial_id, record.seed, record.resumed, record.folder) == ("b", 7, 1, "trials/00000")
    assert record.started is not None
    assert record.started.tzinfo is not None
    assert record.seconds is not None
    assert 0 <= record.seconds < 60
    storage.complete(trial, [1.0, 2.0], METRICS)
    ended = storage.record(0)
    assert ended.started == record.started
    assert ended.seconds == storage.record(0).seconds


def test_a_waiting_trial_has_its_parameters_and_no_folder(storage: StudyStorage) -> None:
    storage.enqueue([{"x": 0.5}], again=False)
    record = storage.record(0)
    assert (record.state, record.params, record.folder, record.started) == ("waiting", {"x": 0.5}, None, None)


def test_rungs_are_kept_by_epoch_and_trial(storage: StudyStorage) -> None:
    trials = [storage.ask(), storage.ask()]
    first = storage.record_rung(trials[0], 1, {"loss": 3.0})
    second = storage.record_rung(trials[1], 1, {"loss": 2.0})
    third = storage.record_rung(trials[0], 3, {"loss": 1.0})
    assert storage.rungs() == {1: {0: first, 1: second}, 3: {0: third}}
    assert [first["loss"], second["loss"], third["loss"]] == [3.0, 2.0, 1.0]
    assert first["time"] <= second["time"] <= third["time"]
    storage.prune(trials[0], "trial scheduler at epoch 3", METRICS, diverged=False)
    assert storage.rungs()[3] == {0: third}


def test_starting_points_are_tried_once(storage: StudyStorage) -> None:
    points = [{"x": 0.5}, {"x": -0.5}]
    storage.enqueue(points, again=False)
    for outcome in ("complete", "fail"):
        trial = storage.ask()
        trial.suggest_float("x", -1, 1)
        if outcome == "complete":
            storage.complete(trial, [1.0, 2.0], METRICS)
        else:
            storage.fail(trial, "ValueError: so", {})
    storage.enqueue(points, again=False)
    assert storage.num_trials("waiting") == 0
    storage.enqueue([*points, {"x": 0.25}], again=False)
    assert [record.params for record in storage.records() if record.state == "waiting"] == [{"x": 0.25}]


def test_replicates_that_failed_are_tried_again_and_no_others(storage: StudyStorage) -> None:
    points = [{"x": float(number)} for number in range(4)]
    storage.enqueue(points, again=True)
    complete, pruned, failed, _ = (storage.ask() for _ in range(4))
    storage.complete(complete, [1.0, 2.0], METRICS)
    storage.prune(pruned, "diverged at iteration 20", METRICS, diverged=True)
    storage.fail(failed, "ValueError: so", {})
    storage.enqueue(points, again=True)
    assert [record.params for record in storage.records() if record.state == "waiting"] == [{"x": 2.0}]


def test_the_reference_point_stays_once_it_is_fixed(storage: StudyStorage) -> None:
    assert storage.result().reference_point is None
    storage.fix_reference_point({"loss": 5.0, "cost": 6.0})
    storage.fix_reference_point({"loss": 1.0, "cost": 1.0})
    assert storage.result().reference_point == {"loss": 5.0, "cost": 6.0}


def test_the_reference_point_of_the_study_file_goes_before(tmp_path: Path) -> None:
    storage = in_memory(toy_plan(tmp_path, reference_point={"loss": 3, "cost": 4}))
    storage.fix_reference_point({"loss": 5.0, "cost": 6.0})
    assert storage.result().reference_point == {"loss": 3.0, "cost": 4.0}


def test_seconds_add_up(storage: StudyStorage) -> None:
    assert storage.seconds() == 0
    storage.add_seconds(1.5)
    storage.add_seconds(2.5)
    assert storage.seconds() == 4.0


def test_the_result_is_the_study(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path)
    result = in_memory(plan).result()
    assert (result.name, result.study, result.trials) == ("toy", plan.resolved, ())
    assert result.objectives == (Objective("loss", "minimize"), Objective("cost", "minimize"))


def test_a_trial_left_behind_is_found_by_the_next_driver_with_what_it_has(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path)
    storage = on_disk(plan, tmp_path)
    trial, other = storage.ask(), storage.ask()
    x = trial.suggest_float("x", -1.5, 1.5)
    storage.annotate(trial, ray_trial_ids=["a"], seed=7)
    storage.complete(other, [1.0, 2.0], METRICS)
    (found,) = on_disk(plan, tmp_path).unfinished()
    assert (found.number, found.params, found.user_attrs) == (0, {"x": x}, {"ray_trial_ids": ["a"], "seed": 7})
    assert found.suggest_float("x", -1.5, 1.5) == x
    assert -1 <= found.suggest_float("y", -1, 1) <= 1


def test_optunas_own_tools_show_the_names_of_the_objectives(tmp_path: Path) -> None:
    storage = on_disk(toy_plan(tmp_path), tmp_path)
    storage.complete(storage.ask(), [1.0, 2.0], METRICS)
    opened = optuna.load_study(study_name="toy", storage=f"sqlite:///{tmp_path / DATABASE}")
    frame = opened.trials_dataframe()
    assert (frame["values_loss"].tolist(), frame["values_cost"].tolist()) == ([1.0], [2.0])


def test_a_database_without_names_goes_on_and_gets_them(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path)
    url = f"sqlite:///{tmp_path / DATABASE}"
    older = optuna.create_study(study_name="toy", storage=url, directions=["minimize", "minimize"])
    older.set_user_attr("study", dict(plan.resolved))
    older.tell(older.ask(), [1.0, 2.0])
    assert older.metric_names is None
    assert [record.values for record in on_disk(plan, tmp_path).records()] == [{"loss": 1.0, "cost": 2.0}]
    assert optuna.load_study(study_name="toy", storage=url).metric_names == ["loss", "cost"]


def test_a_restart_with_a_larger_budget_is_stored(tmp_path: Path) -> None:
    on_disk(toy_plan(tmp_path), tmp_path)
    larger = toy_plan(tmp_path, budget={"trials": 9})
    assert on_disk(larger, tmp_path).result().study == larger.resolved


def test_another_process_sees_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    storage = on_disk(toy_plan(tmp_path), folder)
    for x in (0.0, 0.5, 2.0):
        trial = storage.ask()
        trial.suggest_float("x", x, x + 1)
        storage.complete(trial, [(x - 1) ** 2, (x + 1) ** 2], METRICS)
    code = (
        "import json, sys; from pathlib import Path; from vsam_tune.study.storage.stored_study import load_result;"
        "from vsam_tune.analysis.front_json import front_json;"
        "print(json.dumps(front_json(load_result('toy', Path(sys.argv[1])))))"
    )
    read = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert json.loads(read.stdout) == front_json(storage.result())
    assert json.loads(read.stdout)["trials"]["complete"] == 3


def test_a_study_is_found_by_name_or_by_file(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    on_disk(toy_plan(tmp_path), tmp_path / "toy")
    file = write_toy(tmp_path)
    assert load_result(str(file), tmp_path) == load_result("toy", tmp_path)


def test_an_unknown_study_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    on_disk(toy_plan(tmp_path), tmp_path / "toy")
    with pytest.raises(InputError) as caught:
        load_result("tay", tmp_path)
    assert str(caught.value) == f"{tmp_path}: 'tay': holds no study of this name. Fix: write toy."


def test_a_first_start_that_was_cut_short_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    part = folder / f"{DATABASE}.01234567.part"
    optuna.storages.RDBStorage(f"sqlite:///{part}")  # what a driver had done when it was killed
    assert find_result(folder) is None
    with pytest.raises(InputError, match="holds no study of this name"):
        load_result("toy", tmp_path)
    storage = on_disk(toy_plan(tmp_path), folder)
    storage.complete(storage.ask(), [1.0, 2.0], METRICS)
    assert load_result("toy", tmp_path).num_finished() == 1
    assert not part.exists()


def test_a_study_can_be_read_while_it_is_created(tmp_path: Path) -> None:
    """Who reads it finds nothing or all of it, and disturbs nobody."""
    folder = tmp_path / "toy"
    folder.mkdir()
    code = (
        "import sys; from pathlib import Path\n"
        "from vsam_tune.study.storage.stored_study import find_result; print(flush=True)\n"
        "while not (Path(sys.argv[1]) / 'end').exists():\n"
        "    found = find_result(Path(sys.argv[1])); assert not (found and found.num_finished())"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        on_disk(toy_plan(tmp_path), folder)
        (folder / "end").touch()
    assert reader.returncode == 0


def test_a_folder_that_was_renamed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    on_disk(toy_plan(tmp_path), tmp_path / "other")
    with pytest.raises(InputError, match="holds no study of its folder's name"):
        load_result("other", tmp_path)


def test_a_file_that_is_not_a_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / DATABASE).write_text("this is not SQLite, whatever its name says" * 99)
    with pytest.raises(InputError, match="cannot be read"):
        load_result("toy", tmp_path)


# ---- what is enqueued to be taken as it is


ROWS = [{"label": label, "replicate": replicate} for replicate in (0, 1) for label in ("a", "b")]


def test_enqueued_trials_are_taken_in_the_wanted_order_with_their_parameters(storage: StudyStorage) -> None:
    storage.enqueue(list(reversed(ROWS)), again=True)
    taken = [storage.take(ROWS) for _ in ROWS]
    assert [storage.enqueued(trial) for trial in taken] == ROWS
    assert [trial.number for trial in taken] == [3, 2, 1, 0]
    assert [record.state for record in storage.records()] == ["running"] * 4
    assert [record.params for record in storage.records()] == list(reversed(ROWS))
    storage.complete(taken[0], [1.0, 2.0], METRICS)
    assert storage.record(3).params == ROWS[0]


def test_what_is_not_wanted_waits_on(storage: StudyStorage) -> None:
    storage.enqueue(ROWS, again=True)
    wanted = [ROWS[3], {"label": "c", "replicate": 0}]
    assert storage.num_waiting(wanted) == 1
    assert storage.take(wanted).number == 3
    assert storage.num_waiting(wanted) == 0
    assert storage.num_waiting(ROWS) == 3
    assert storage.num_trials("waiting") == 3


# ---- a study and its baselines in one file


def baselines_on_disk(folder: Path) -> StudyStorage:
    resolved = {"objectives": [{"name": "test_accuracy", "direction": "maximize"}], "rows": {}}
    objectives = [Objective("test_accuracy", "maximize")]
    return StudyStorage.open(folder, f"toy{BASELINES}", objectives=objectives, resolved=resolved)


@pytest.mark.parametrize("search_first", [True, False])
def test_a_search_and_its_baselines_share_a_file_and_nothing_else(search_first: bool, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    steps = [lambda: on_disk(toy_plan(tmp_path), folder), lambda: baselines_on_disk(folder)]
    opened = [step() for step in (steps if search_first else reversed(steps))]
    search, baselines = opened if search_first else reversed(opened)
    baselines.complete(baselines.ask(), [90.0], {})
    baselines.complete(baselines.ask(), [91.0], {})
    search.complete(search.ask(), [1.0, 2.0], METRICS)
    assert [len(load("toy", tmp_path).trials) for load in (load_result, load_baselines)] == [1, 2]
    assert load_baselines("toy", tmp_path).name == load_result("toy", tmp_path).name == "toy"
    assert load_result("toy", tmp_path).num_finished() == 1


def test_a_folder_with_baselines_alone_holds_no_search(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    baselines_on_disk(folder)
    assert find_result(folder) is None
    with pytest.raises(InputError) as caught:
        load_result("toy", tmp_path)
    assert str(caught.value) == f"{folder / DATABASE}: holds no search yet. Fix: vsam-tune search STUDY.yaml."


def test_a_folder_with_a_search_alone_holds_no_baselines(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    on_disk(toy_plan(tmp_path), folder)
    assert find_result(folder, BASELINES) is None
    with pytest.raises(InputError, match="holds no baselines yet"):
        load_baselines("toy", tmp_path)


@pytest.mark.parametrize("suffix", ["", BASELINES])
def test_a_study_that_was_cut_while_it_was_created_beside_another_is_finished_by_the_next_start(
    suffix: str, tmp_path: Path
) -> None:
    folder, plan = tmp_path / "toy", toy_plan(tmp_path)
    folder.mkdir()
    openers = {"": lambda: on_disk(plan, folder), BASELINES: lambda: baselines_on_disk(folder)}
    openers[BASELINES if suffix == "" else ""]()
    directions = ["minimize", "minimize"] if suffix == "" else ["maximize"]
    storage = f"sqlite:///{folder / DATABASE}"
    optuna.create_study(storage=storage, study_name=f"toy{suffix}", directions=directions)  # and then it was killed
    assert find_result(folder, suffix) is None
    opened = openers[suffix]()
    opened.complete(opened.ask(), [1.0] * len(directions), {})
    found = find_result(folder, suffix)
    assert found is not None
    assert found.counts()["complete"] == 1


def test_two_drivers_that_start_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    code = (
        "import sys; from pathlib import Path; from tests.study.storage.test_study_storage import baselines_on_disk\n"
        "from tests.support.toy_study import on_disk, toy_plan\n"
        "folder, own = Path(sys.argv[1]), Path(sys.argv[2]); own.mkdir(); plan = toy_plan(own)\n"
        "print(flush=True); sys.stdin.readline()\n"
        "storage = on_disk(plan, folder) if own.name == 'search' else baselines_on_disk(folder)\n"
        "for _ in range(5): storage.complete(storage.ask(), [1.0] * len(storage.result().objectives), {})"
    )
    command = [sys.executable, "-c", code, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    drivers = [subprocess.Popen([*command, str(tmp_path / name)], **pipes) for name in ("search", "baselines")]
    for driver in drivers:
        assert driver.stdout.readline() == "\n"
    for driver in drivers:
        driver.stdin.write("\n")
        driver.stdin.flush()
    for driver in drivers:
        driver.communicate(timeout=60)
        assert driver.returncode == 0
    assert [load("toy", tmp_path).counts()["complete"] for load in (load_result, load_baselines)] == [5, 5]
