"""What every storage keeps between processes."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.toy_study import on_disk, toy_plan
from vsam_tune.study.storage.study_storage import StudyStorage

STORAGES = {"sqlite": on_disk}  # (plan, folder) -> storage, opened as a driver does
METRICS = {"epoch": 4, "loss": 0.1, "cost": 2.0}
every_storage = pytest.mark.parametrize("kind", STORAGES)


def opened(kind: str, folder: Path) -> StudyStorage:
    with tempfile.TemporaryDirectory() as own:  # of the study file, which no two processes may write at once
        return STORAGES[kind](toy_plan(Path(own)), folder)


def state_of(storage: StudyStorage) -> dict[str, Any]:
    """Return all that a storage holds, as JSON reads it."""
    records = [{name: getattr(record, name) for name in record.__slots__} for record in storage.records()]
    for record in records:
        del record["seconds"]  # of a running trial: up to now
    unfinished = [(trial.number, trial.params, trial.user_attrs) for trial in storage.unfinished()]
    held = [records, unfinished, storage.rungs(), storage.seconds(), storage.result().reference_point]
    held += [[storage.enqueued(trial) for trial in storage.unfinished()], storage.result().study]
    held += [[trial.constraints for trial in storage._study.get_trials()]]
    return json.loads(json.dumps(held, default=str))


def run(code: str, *arguments: str) -> "subprocess.Popen[str]":
    lines = "import json, sys; from pathlib import Path; from tests.contracts.test_storage import *\n" + code
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", lines, *arguments], **pipes, cwd=Path(__file__).parents[2])


@every_storage
def test_every_state_is_found_again_by_another_process(kind: str, tmp_path: Path) -> None:
    storage = opened(kind, tmp_path)
    storage.enqueue([{"x": 0.5}, {"x": -0.5}], again=False)
    enqueued, complete, stopped, diverged, failed = (storage.ask() for _ in range(5))
    # the second starting point is taken by `complete`; a third one waits
    storage.enqueue([{"x": 1.0}], again=False)
    x = enqueued.suggest_float("x", -1.5, 1.5)
    storage.annotate(
        enqueued, ray_trial_ids=["a", "b"], seed=2**32 - 1, resumed=1, versions={"torch": "2"}, races={"1": ""}
    )
    storage.record_rung(enqueued, 1, METRICS)
    storage.record_rung(stopped, 1, {"loss": 0.1 + 0.2})
    storage.complete(complete, [0.1 + 0.2, 1e-300], METRICS)
    storage.prune(stopped, "trial scheduler at epoch 1", METRICS, diverged=False)
    storage.prune(diverged, "diverged at iteration 20", {}, diverged=True)
    storage.fail(failed, "Traceback\nValueError: ü", METRICS)
    storage.add_seconds(1.5)
    storage.fix_reference_point({"loss": 5.0, "cost": 6.0})
    with run("print(json.dumps(state_of(opened(sys.argv[1], Path(sys.argv[2])))))", kind, str(tmp_path)) as other:
        found, _ = other.communicate(timeout=120)
    assert json.loads(found) == state_of(storage)
    records = storage.records()
    assert [record.state for record in records] == ["running", "complete", "pruned", "pruned", "fail", "waiting"]
    assert records[1].values == {"loss": 0.1 + 0.2, "cost": 1e-300}
    assert [record.feasible for record in records] == [True, True, True, False, True, True]
    (left,) = opened(kind, tmp_path).unfinished()
    assert (left.number, left.params, left.suggest_float("x", -1.5, 1.5)) == (0, {"x": x}, x)
    assert left.user_attrs == enqueued.user_attrs


@every_storage
def test_two_processes_that_create_a_study_at_once_share_it(kind: str, tmp_path: Path) -> None:
    code = (
        "kind, folder = sys.argv[1], Path(sys.argv[2]); print(flush=True); sys.stdin.readline()\n"
        "storage = opened(kind, folder)\n"
        "for _ in range(3): storage.complete(storage.ask(), [1.0, 2.0], METRICS)\n"
    )
    drivers = [run(code, kind, str(tmp_path)) for _ in range(2)]
    for driver in drivers:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "\n"
    for driver in drivers:
        assert driver.stdin is not None
        driver.stdin.write("\n")
        driver.stdin.flush()
    for driver in drivers:
        driver.communicate(timeout=120)
        assert driver.returncode == 0
    storage = opened(kind, tmp_path)
    assert [record.number for record in storage.records()] == list(range(6))
    assert storage.num_trials("complete") == 6
