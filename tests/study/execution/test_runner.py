import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.support.toy_study import in_memory, toy_plan
from vsam_tune.errors import InputError
from vsam_tune.study.execution.runner import Run, _workers, budget_spent, stamps
from vsam_tune.study.storage.study_storage import RESOLVED

METRICS = {"epoch": 4.0}


def test_a_folder_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path)
    with Run(plan, tmp_path / "toy"):
        with pytest.raises(InputError) as caught, Run(plan, tmp_path / "toy"):
            pytest.fail("entered")
        rule = "another process works on this study. Fix: wait for it, or end it."
        assert caught.value.lines == (f"{tmp_path / 'toy'}: {rule}",)
    with Run(plan, tmp_path / "toy"):
        pass


def test_a_process_that_was_killed_holds_no_folder(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tests.support.toy_study import toy_plan;"
        "from vsam_tune.study.execution.runner import Run; folder = Path(sys.argv[1]);"
        "run = Run(toy_plan(folder), folder / 'toy').__enter__(); print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        try:
            with pytest.raises(InputError, match="another process"), Run(toy_plan(tmp_path), tmp_path / "toy"):
                pytest.fail("entered")
        finally:
            os.kill(holder.pid, signal.SIGKILL)
    with Run(toy_plan(tmp_path), tmp_path / "toy"):
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("a file")
    with pytest.raises(InputError, match="cannot be made a folder"), Run(toy_plan(tmp_path), tmp_path / "toy"):
        pytest.fail("entered")


def test_the_first_start_leaves_the_resolved_file_and_the_starting_points(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, initial=[{"x": 0.5}])
    with Run(plan, tmp_path / "toy") as run:
        assert run.former() is None
        storage = run.open_storage()
        assert [record.params for record in storage.records()] == [{"x": 0.5}]
    with Run(toy_plan(tmp_path, initial=[{"x": 0.5}], budget={"trials": 9}), tmp_path / "toy") as run:
        assert run.former() == plan.resolved
        assert run.open_storage().num_trials("waiting") == 1
    assert yaml.safe_load((tmp_path / "toy" / RESOLVED).read_text()) == {
        **plan.resolved,
        "budget": run.plan.resolved["budget"],
    }


def test_a_budget_of_trials_counts_those_that_are_complete_or_pruned(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, budget={"trials": 2})
    storage = in_memory(plan)
    complete, pruned, failed, running = (storage.ask() for _ in range(4))
    storage.complete(complete, [1.0, 2.0], METRICS)
    storage.fail(failed, "so", METRICS)
    assert not budget_spent(plan, storage)
    storage.prune(pruned, "trial scheduler at epoch 1", METRICS, diverged=False)
    assert not budget_spent(plan, storage)  # one was left behind
    storage.fail(running, "so", METRICS)
    assert budget_spent(plan, storage)


def test_a_budget_of_epochs_counts_those_of_all_trials(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, budget={"trials": None, "epochs": 8})
    storage = in_memory(plan)
    storage.complete(storage.ask(), [1.0, 2.0], METRICS)
    assert not budget_spent(plan, storage)
    storage.fail(storage.ask(), "so", METRICS)
    assert budget_spent(plan, storage)


def test_a_budget_of_seconds_counts_those_of_all_starts(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, budget={"trials": None, "seconds": 60})
    storage = in_memory(plan)
    storage.add_seconds(59)
    assert not budget_spent(plan, storage)
    storage.add_seconds(1)
    assert budget_spent(plan, storage)


def test_whichever_limit_is_reached_first_ends_a_budget(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, budget={"trials": 9, "epochs": 90, "seconds": 60})
    storage = in_memory(plan)
    assert not budget_spent(plan, storage)
    storage.add_seconds(60)
    assert budget_spent(plan, storage)


def test_a_list_of_replicates_ends_with_the_last_of_them(tmp_path: Path) -> None:
    plan = replace(toy_plan(tmp_path, budget={"trials": 1}), fixed_trials=[{"x": 0.5}, {"x": 1.0}])
    storage = in_memory(plan)
    storage.complete(storage.ask(), [1.0, 2.0], METRICS)
    assert not budget_spent(plan, storage)
    storage.complete(storage.ask(), [1.0, 2.0], METRICS)
    assert budget_spent(plan, storage)


def test_every_trial_is_stamped_with_what_it_ran_on(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path)
    found = stamps(plan)
    assert found.keys() == {"versions", "device", "study_hash"}
    assert found["versions"].keys() == {"vsam-tune", "torch", "ray", "optuna", "mlflow", "commit"}
    assert found["study_hash"] == plan.digest == toy_plan(tmp_path).digest
    assert found["study_hash"] != toy_plan(tmp_path, task={"epochs": 5}).digest


@pytest.mark.parametrize(
    ("wanted", "there", "fitting"),
    [
        ({"cpus": 1}, {"CPU": 2.0}, 2),
        ({"cpus": 1.5}, {"CPU": 4.0}, 2),
        ({"cpus": 0.5}, {"CPU": 2.0}, 4),
        ({"cpus": 1, "gpus": 0.25}, {"CPU": 8.0, "GPU": 1.0}, 4),
        ({"cpus": 4, "gpus": 1}, {"CPU": 6.0, "GPU": 2.0}, 1),
    ],
)
def test_as_many_trials_run_as_fit(
    wanted: dict[str, float], there: dict[str, float], fitting: int, tmp_path: Path
) -> None:
    assert _workers(toy_plan(tmp_path, resources=wanted), there) == fitting


def test_a_trial_that_fits_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        _workers(toy_plan(tmp_path, resources={"cpus": 1, "gpus": 1}), {"CPU": 2.0})
    rule = "no trial fits: there are 2 CPUs, 0 GPUs. Fix: take less, or --address of a cluster."
    assert caught.value.lines == (f"toy: resources = {{'CPU': 1.0, 'GPU': 1.0}}: {rule}",)
