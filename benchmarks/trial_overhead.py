"""The overhead of a trial besides training, by part: start, reports, storage, tracking, Ray.

The benchmark runs a search of 20 trials of digits, one at a time, with timers around the parts: `Timed` in the worker,
wrappers in the driver. It prints medians over the trials, without the first, which starts the worker, and the last,
which no other trial follows. The times of the driver are means over all trials. Run it with
    .venv/bin/python -m benchmarks.trial_overhead [--epochs 40] [--trials 20]
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import yaml
from typing_extensions import override

from trainables.classification import Classification
from vsam_tune.study.execution.events import TrialEvents
from vsam_tune.study.file.study_file import load_study
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.search import search

_WORKER = ("training", "worker: SAM probe", "worker: reset", "worker: evaluation and files")
_DRIVER = [  # class, method, row of the table; all run in the single thread of the driver
    (OptunaSearcher, "suggest", "driver: ask Optuna, store the start"),
    (OptunaSearcher, "on_trial_complete", "driver: tell Optuna"),
    (TrialEvents, "on_trial_result", "driver: learning curve, events"),
]


class Timed(Classification):
    """The trainable of a study, with the times of its parts in the reports."""

    @override
    def _start(self, config: dict[str, Any], *, new_worker: bool = False) -> None:
        start = time.perf_counter()
        super()._start(config, new_worker=new_worker)
        self._reset_seconds = time.perf_counter() - start
        self._step_seconds = 0.0

    @override
    def step(self) -> dict[str, Any]:
        start = time.perf_counter()
        result = super().step()
        self._step_seconds += time.perf_counter() - start
        training, reference = self.trainer.ais.seconds, result["reference_seconds"]
        return {
            **result,
            "training": training,
            "worker: SAM probe": reference,
            "worker: reset": self._reset_seconds,
            "worker: evaluation and files": self._step_seconds - training - reference,
        }


def main() -> None:
    """Run the search and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _report(_measure(Path(folder), arguments.trials, arguments.epochs), arguments.epochs)


def _measure(root: Path, trials: int, epochs: int) -> list[dict[str, float]]:
    """Return a row of seconds for each trial except the first and the last, in order."""
    file = root / "overhead.yaml"
    method = {"name": "vsam", "rho": 0.4, "interval": 20}
    content = {
        "name": "overhead",
        "task": {"data": "digits", "epochs": epochs, "batch_size": 64},
        "method": method,
        "space": {"warmup_iterations": {"low": 18, "high": 9 * epochs}},
        "budget": {"trials": trials},
        "trainable": "benchmarks.trial_overhead:Timed",
    }
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    spent: dict[str, list[float]] = defaultdict(list)
    starts: list[float] = []
    with _timers(spent, starts):
        result, _ = search(load_study(file), root=root, workers=1)
    rows = []
    for record, start, end in zip(result.trials[1:-1], starts[1:], starts[2:], strict=False):
        row = {name: record.metrics[name] for name in _WORKER}
        row |= {name: sum(calls) / trials for name, calls in spent.items()}
        rows.append({**row, "Ray: reports, scheduling, the rest": end - start - sum(row.values()), "wall": end - start})
    return rows


@contextmanager
def _timers(spent: dict[str, list[float]], starts: list[float]) -> Iterator[None]:
    """Time the driver's parts within the block, and record when it suggests each trial."""
    with ExitStack() as stack:
        for owner, name, row in _DRIVER:
            timed = _timed(getattr(owner, name), spent[row], starts if name == "suggest" else [])
            stack.enter_context(patch.object(owner, name, timed))
        yield


def _timed(call: Callable[..., Any], spent: list[float], starts: list[float]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - those of the method
        start = time.perf_counter()
        returned = call(*args, **kwargs)
        spent.append(time.perf_counter() - start)
        if isinstance(returned, dict):  # a suggestion
            starts.append(start)
        return returned

    return timed


def _report(rows: list[dict[str, float]], epochs: int) -> None:
    medians = {name: median(row[name] for row in rows) for name in rows[0]}
    wall = medians["wall"]
    print(f"{len(rows)} trials of {epochs} epochs, one at a time; {sys.platform}, seconds a trial (median)\n")
    for name, seconds in medians.items():
        print(f"{name:<38}{seconds:8.3f}  {100 * seconds / wall:5.1f} %")


if __name__ == "__main__":
    main()
