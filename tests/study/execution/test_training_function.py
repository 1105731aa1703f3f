"""A plain function as a trainable: its forms, its end, its errors, and the next trial in the same worker."""

# ruff: noqa: ARG001, ARG002, ARG005 - the arguments of these functions are what is tested
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vsam_tune.errors import InputError
from vsam_tune.study.execution import training_function
from vsam_tune.study.execution.training_function import trainable_of
from vsam_tune.study.execution.worker import reuses_workers, worker_class
from vsam_tune.study.storage.learning_curve import append_point

Function = Callable[..., Any]
DUPLICATE = {"done": True, "__duplicate__": True}


def reporting(config: dict[str, Any], report: Function) -> None:
    for epoch in range(config["task"]["epochs"]):
        report({"epoch": epoch + 1}, error=config["seed"])


def yielding(config: dict[str, Any]) -> Iterator[dict[str, float]]:
    for epoch in range(config["task"]["epochs"]):
        yield {"epoch": epoch + 1, "error": config["seed"]}


def config(folder: Path, *, seed: int = 7, epochs: int = 2) -> dict[str, Any]:
    return {"task": {"epochs": epochs}, "seed": seed, "folder": str(folder)}


def worker(function: Function, folder: Path, **settings: int) -> Any:
    return worker_class(trainable_of(function, "mine:train"))(config=config(folder, **settings))


def message(line: str) -> str:
    return f"study: trainable = 'mine:train': {line}."


@pytest.mark.parametrize("function", [reporting, yielding])
def test_each_report_is_a_step_and_the_last_one_counts_once_more_at_the_end(function: Function, tmp_path: Path) -> None:
    trial = worker(function, tmp_path / "trial")
    assert [trial.step() for _ in range(3)] == [
        {"epoch": 1, "error": 7, "done": False},
        {"epoch": 2, "error": 7, "done": False},
        {"epoch": 2, "error": 7, **DUPLICATE},
    ]
    assert (tmp_path / "trial").is_dir()


def test_a_mapping_that_is_returned_is_the_last_report(tmp_path: Path) -> None:
    assert worker(lambda config: {"error": config["seed"]}, tmp_path).step() == {"error": 7, "done": True}

    def both(config: dict[str, Any], report: Function) -> dict[str, float]:
        reporting(config, report)
        return {"epoch": 3, "error": 0.5}

    def yields_too(config: dict[str, Any]) -> Iterator[dict[str, float]]:
        yield from yielding(config)
        return {"epoch": 3, "error": 0.5}

    for function in (both, yields_too):
        trial = worker(function, tmp_path)
        assert [trial.step() for _ in range(3)][-1] == {"epoch": 3, "error": 0.5, "done": True}


def test_a_report_may_end_the_trial_itself(tmp_path: Path) -> None:
    def diverges(config: dict[str, Any], report: Function) -> None:
        report(epoch=1, diverged=20)

    def ends(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"epoch": 1, "error": 1.0, "done": True}

    assert worker(diverges, tmp_path).step() == {"epoch": 1, "diverged": 20, "done": True}
    assert worker(ends, tmp_path).step()["done"] is True


@pytest.mark.parametrize("function", [reporting, yielding])
def test_the_next_trial_runs_in_the_same_worker_from_its_first_epoch(function: Function, tmp_path: Path) -> None:
    trial = worker(function, tmp_path)
    trial.step()
    assert trial.reset_config(config(tmp_path, seed=8, epochs=1))
    assert [trial.step() for _ in range(2)] == [
        {"epoch": 1, "error": 8, "done": False},
        {"epoch": 1, "error": 8, **DUPLICATE},
    ]
    assert reuses_workers(trainable_of(function, "mine:train"))


def test_a_function_that_is_stopped_ends_before_its_worker_does(tmp_path: Path) -> None:
    ended: list[str] = []

    def careless(config: dict[str, Any], report: Function) -> None:
        try:
            while True:
                try:
                    report(error=1.0)
                except Exception:  # noqa: BLE001 - a user's function may do this
                    ended.append("caught")
        finally:
            ended.append("report")

    def generator(config: dict[str, Any]) -> Iterator[dict[str, float]]:
        try:
            while True:
                yield {"error": 1.0}
        finally:
            ended.append("yield")

    for function in (careless, generator):
        trial = worker(function, tmp_path)
        trial.step()
        trial.cleanup()
    assert ended == ["report", "yield"]
    assert not any(thread.name == "train" for thread in threading.enumerate())


def test_a_function_that_does_not_end_makes_its_worker_unfit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_function, "_SECONDS_TO_STOP", 0.05)
    release = threading.Event()

    def stubborn(config: dict[str, Any], report: Function) -> None:
        try:
            report(error=1.0)
        finally:
            release.wait()

    trial = worker(stubborn, tmp_path)
    trial.step()
    with pytest.raises(RuntimeError, match="did not end"):
        trial.cleanup()
    release.set()


@pytest.mark.parametrize("function", [reporting, yielding])
def test_an_error_of_the_function_comes_with_its_own_traceback(function: Function, tmp_path: Path) -> None:
    settings = config(tmp_path)
    del settings["seed"]
    trial = worker_class(trainable_of(function, "mine:train"))(config=settings)
    with pytest.raises(KeyError, match="seed") as caught:
        trial.step()
    assert caught.traceback[-1].frame.code.name == function.__name__


@pytest.mark.parametrize("function", [reporting, yielding])
def test_a_function_that_finds_its_work_done_reports_the_end_of_its_curve(function: Function, tmp_path: Path) -> None:
    """Its process died after the last checkpoint, and before the driver knew that it was the last."""
    append_point(tmp_path, {"epoch": 1, "error": 3.0, "time_ms": 1})
    append_point(tmp_path, {"epoch": 2, "error": 2.0, "time_ms": 2})
    assert worker(function, tmp_path, epochs=0).step() == {"epoch": 2, "error": 2.0, "done": True}


def test_a_report_keeps_its_values_when_the_function_changes_the_mapping(tmp_path: Path) -> None:
    def same(config: dict[str, Any]) -> Iterator[dict[str, float]]:
        point = {"error": 2.0}
        yield point
        point["error"] = 1.0

    trial = worker(same, tmp_path)
    assert [trial.step()["error"] for _ in range(2)] == [2.0, 2.0]


@pytest.mark.parametrize(
    ("function", "rule"),
    [
        (lambda config, report: report(0.5), "reports a float"),
        (lambda config, report: report({1: 0.5}), "reports a mapping with other keys than text"),
        (lambda config: 0.5, "reports a float"),
        (lambda config: iter([1]), "reports a list_iterator"),
    ],
)
def test_a_report_that_is_no_mapping_is_one_line(function: Function, rule: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        worker(function, tmp_path).step()
    fix = "report metrics by name, such as {'epoch': 1, 'error': 0.5}"
    assert str(caught.value) == message(f"{rule}. Fix: {fix}")


@pytest.mark.parametrize("function", [lambda config, report: None, lambda config: None])
def test_a_function_without_a_report_is_one_line(function: Function, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        worker(function, tmp_path).step()
    assert str(caught.value).startswith(
        message("ended without a report")[:-1] + ". Fix: write `def train(config, report)`"
    )


class HasCall:
    def __call__(self, config: dict[str, Any]) -> dict[str, float]:
        return {"error": 1.0}


@pytest.mark.parametrize(
    ("function", "takes_report"),
    [
        (lambda config: {}, False),
        (lambda config, report: None, True),
        (lambda config, report=None: None, True),
        (lambda config, debug=False: {}, False),
        (lambda config, *more, **settings: {}, False),
        (lambda settings, say: None, True),
        (HasCall(), False),
    ],
)
def test_the_number_of_arguments_says_how_a_function_reports(function: Function, takes_report: bool) -> None:
    assert trainable_of(function, "mine:train").takes_report is takes_report  # type: ignore[attr-defined] # of ours


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (locals, "too many positional arguments"),
        (lambda config, report, model: None, "missing a required argument: 'model'"),
        (lambda *, config: {}, "too many positional arguments"),
        (lambda config, *, model: {}, "missing a required argument: 'model'"),
    ],
)
def test_a_function_with_other_arguments_is_one_line(function: Function, error: str) -> None:
    with pytest.raises(InputError) as caught:
        trainable_of(function, "mine:train")
    (line,) = caught.value.lines
    assert line.startswith(f"study: trainable = 'mine:train': is no training function: {error}. Fix: write `def ")


def test_a_function_that_yields_takes_no_report() -> None:
    def two_ways(config: dict[str, Any], report: Function) -> Iterator[dict[str, float]]:
        yield {}

    with pytest.raises(InputError, match="takes a second argument, and yields"):
        trainable_of(two_ways, "mine:train")
