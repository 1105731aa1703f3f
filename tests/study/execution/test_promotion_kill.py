"""A guarded promotion study whose driver and workers are killed again and again ends as an undisturbed one does."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.study.execution.test_runner_kill import Search, kill, wait_until
from tests.support.toy_study import write_toy
from vsam_tune.analysis.results import StudyResult
from vsam_tune.study.storage.learning_curve import read_curve
from vsam_tune.study.storage.stored_study import load_result

TRIALS, KILLS = 30, 20  # of the driver, and as many of workers
SECTIONS: dict[str, Any] = {
    "method": {"name": "toy", "seconds": 0.3},
    "task": {"epochs": 9},
    "initial": [{"x": x} for x in np.random.default_rng(0).uniform(-1.5, 1.5, TRIALS).round(6).tolist()],
    "budget": {"trials": TRIALS},
    "resources": {"retries": 99},
    "trial_scheduler": {
        "kind": "mo_asha",
        "variant": "promotion",
        "reduction_factor": 2,
        "guard": {"trials": 3, "max_loss": 0.3, "audit": 0.1},
    },
}


class OneWorker(Search):
    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__(write_toy(folder, **SECTIONS))
        self._command[self._command.index("--workers") + 1] = "1"

    def worker(self) -> psutil.Process | None:
        """Return the process that trains, if there is one."""
        for process in self.processes():
            try:
                if process.name().startswith("ray::Quadratic"):
                    return process
            except psutil.Error:  # it has ended
                continue
        return None


def what_happened(search: OneWorker) -> tuple[Any, ...]:
    result: StudyResult = load_result("toy", search.root)
    trials = [
        (
            trial.state,
            trial.params,
            trial.values,
            trial.stopped,
            {epoch: {name: row[name] for name in ("loss", "cost", "epoch")} for epoch, row in trial.rungs.items()},
            {epoch: decision["passes"] for epoch, decision in trial.decisions.items()},
        )
        for trial in result.trials
    ]
    return trials, [trial.number for trial in result.front()]


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1500)
def test_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    undisturbed = OneWorker(tmp_path / "undisturbed")
    driver = undisturbed.start()
    _, stderr = driver.communicate()
    assert driver.returncode == 0, stderr
    disturbed, draws, killed = OneWorker(tmp_path / "disturbed"), np.random.default_rng(0), [0, 0]
    driver = disturbed.start()
    try:
        while driver.poll() is None:
            time.sleep(draws.uniform(0.5, 3))
            of_worker = bool(draws.integers(2))
            if killed[of_worker] >= KILLS or disturbed.result() is None:
                continue
            worker = disturbed.worker()
            if worker is None:
                continue
            if of_worker:
                with suppress(psutil.Error):
                    worker.kill()
            else:
                kill(driver)
                driver = disturbed.start()
            killed[of_worker] += 1
        _, stderr = driver.communicate()
        assert driver.returncode == 0, stderr
        print(f"{killed[0]} drivers and {killed[1]} workers were killed")  # noqa: T201 - for pytest -s
    finally:
        driver.kill()
        driver.communicate()
        for process in disturbed.processes():
            process.kill()
    assert min(killed) >= 3, killed
    assert what_happened(disturbed) == what_happened(undisturbed)
    for folder in sorted(disturbed.root.glob("toy/trials/*")):
        epochs = [point["epoch"] for point in read_curve(folder)]
        assert epochs == sorted(set(epochs)), folder
    wait_until(lambda: not disturbed.processes(), seconds=15)
