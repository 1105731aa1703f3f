import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.fake_study import record
from vsam_tune.analysis.results import TrialRecord
from vsam_tune.errors import InputError
from vsam_tune.study.execution.events import TrialEvents
from vsam_tune.study.scheduling.arrivals import Arrivals
from vsam_tune.study.storage.folder import trial_folder
from vsam_tune.study.storage.learning_curve import CURVE, append_point, position, read_curve, repair_curve


class Heard:
    """A listener that keeps the events."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def started(self, number: int, _: dict[str, Any]) -> None:
        self.events.append(("started", number))

    def reported(self, number: int, point: dict[str, float]) -> None:
        self.events.append(("reported", number, point["iteration"]))

    def ended(self, record: TrialRecord) -> None:
        self.events.append(("ended", record.number, record.state))


class Deaf(Heard):
    def reported(self, *_: object) -> None:
        raise OSError("no ears")

    def ended(self, *_: object) -> None:
        raise OSError("no ears")


def ray_trial(root: Path, number: int = 3) -> Any:
    return SimpleNamespace(trial_id="a", config={"number": number, "folder": str(root / trial_folder(number))})


def reports(events: TrialEvents, trial: Any, *epochs: int) -> None:
    for epoch in epochs:
        result = {"epoch": epoch, "iteration": 10 * epoch, "loss": 1 / epoch, "time_total_s": 9.0, "done": False}
        events._arrivals(trial.trial_id, result)
        events.on_trial_result(epoch, [], trial, result)


def iterations(root: Path, number: int = 3) -> list[float]:
    return [point["iteration"] for point in read_curve(root / trial_folder(number))]


def test_listeners_hear_of_a_trial_from_its_start_to_its_end_in_order(tmp_path: Path) -> None:
    heard, later = Heard(), Heard()
    events = TrialEvents([heard, later], record, Arrivals())
    trial = ray_trial(tmp_path)
    events.on_trial_start(0, [], trial)
    reports(events, trial, 1, 2)
    events.on_trial_complete(0, [], trial)
    assert heard.events == [("started", 3), ("reported", 3, 10), ("reported", 3, 20), ("ended", 3, "complete")]
    assert later.events == heard.events


def test_the_learning_curve_holds_what_the_trainable_reported_and_when(tmp_path: Path) -> None:
    events, trial = TrialEvents([], record, Arrivals()), ray_trial(tmp_path)
    events.on_trial_start(0, [], trial)
    reports(events, trial, 1, 2)
    points = read_curve(tmp_path / trial_folder(3))
    assert [set(point) for point in points] == [{"epoch", "iteration", "loss", "time_ms"}] * 2
    assert points[0]["time_ms"] <= points[1]["time_ms"]


def test_points_that_a_resumed_trial_repeats_are_kept_and_reported_once(tmp_path: Path) -> None:
    first = TrialEvents([], record, Arrivals())
    first.on_trial_start(0, [], ray_trial(tmp_path))
    reports(first, ray_trial(tmp_path), 1, 2, 3)
    heard = Heard()
    second = TrialEvents(
        [heard], record, Arrivals()
    )  # another driver, whose trial goes on from the checkpoint of epoch 1
    second.on_trial_start(0, [], ray_trial(tmp_path))
    reports(second, ray_trial(tmp_path), 2, 3, 4)
    assert iterations(tmp_path) == [10, 20, 30, 40]
    assert heard.events == [("started", 3), ("reported", 3, 40)]


def test_a_trial_that_ray_starts_again_repeats_no_points_either(tmp_path: Path) -> None:
    events, trial = TrialEvents([], record, Arrivals()), ray_trial(tmp_path)
    events.on_trial_start(0, [], trial)
    reports(events, trial, 1, 2)
    events.on_trial_start(0, [], trial)
    reports(events, trial, 1, 2, 3)
    assert iterations(tmp_path) == [10, 20, 30]


@pytest.mark.parametrize("rest", ['{"epoch": 2, "iterat', "{", "\0\0\0"])
def test_a_line_cut_by_a_crash_costs_that_line_alone(tmp_path: Path, rest: str) -> None:
    events, trial = TrialEvents([], record, Arrivals()), ray_trial(tmp_path)
    events.on_trial_start(0, [], trial)
    reports(events, trial, 1)
    with (tmp_path / trial_folder(3) / CURVE).open("a") as file:
        file.write(rest)
    assert iterations(tmp_path) == [10]
    events = TrialEvents([], record, Arrivals())
    events.on_trial_start(0, [], trial)
    reports(events, trial, 2, 3)
    assert iterations(tmp_path) == [10, 20, 30]
    lines = (tmp_path / trial_folder(3) / CURVE).read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]


def test_a_curve_that_is_whole_is_not_written_again(tmp_path: Path) -> None:
    append_point(tmp_path, {"iteration": 10, "loss": float("nan"), "time_ms": 1})
    before = (tmp_path / CURVE).stat()
    repair_curve(tmp_path)
    after = (tmp_path / CURVE).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_trial_without_a_curve_has_no_points(tmp_path: Path) -> None:
    assert read_curve(tmp_path) == repair_curve(tmp_path) == []
    assert not (tmp_path / CURVE).exists()


def test_a_point_stands_at_its_iteration_else_epoch_else_time() -> None:
    assert position({"iteration": 40, "epoch": 2, "time_ms": 9}) == 40
    assert position({"epoch": 2, "time_ms": 9}) == 2
    assert position({"time_ms": 9}) == 9


def test_a_listener_that_raises_ends_nothing_and_is_warned_about_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    events, trial = TrialEvents([Deaf(), heard], record, Arrivals()), ray_trial(tmp_path)
    with caplog.at_level(logging.ERROR):
        events.on_trial_start(0, [], trial)
        reports(events, trial, 1, 2, 3)
        events.on_trial_error(0, [], trial)
    assert heard.events == [
        ("started", 3),
        *(("reported", 3, iteration) for iteration in (10, 20, 30)),
        ("ended", 3, "complete"),
    ]
    assert [entry.getMessage() for entry in caplog.records] == ["Deaf: reported failed; the search goes on"]


@pytest.mark.parametrize("keep", [False, True])
def test_a_checkpoint_stays_where_it_is_what_the_trial_was_for(tmp_path: Path, keep: bool) -> None:
    events, trial = TrialEvents([], record, Arrivals(), keep_checkpoints=keep), ray_trial(tmp_path)
    events.on_trial_start(0, [], trial)
    checkpoint = tmp_path / trial_folder(3) / "checkpoint.pt"
    checkpoint.write_bytes(b"weights")
    events.on_trial_complete(0, [], trial)
    assert checkpoint.exists() == keep


DAMAGED_LINES = {
    "a number": b"5",
    "a list": b"[]",
    "null": b"null",
    "no time": b'{"loss": 1.0}',
    "a time that is no number": b'{"time_ms": "now"}',
    "a metric that is no number": b'{"time_ms": 5, "loss": null}',
    "cut": b'{"time_ms": 5, "lo',
    "no UTF-8": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "zeros": b"\x00" * 4096,
}


@pytest.mark.parametrize("line", DAMAGED_LINES.values(), ids=DAMAGED_LINES)
def test_damaged_lines_of_a_curve_are_left_out_and_removed(line: bytes, tmp_path: Path) -> None:
    points = [{"loss": 0.1, "iteration": number, "time_ms": number} for number in (1, 2)]
    append_point(tmp_path, points[0])
    with (tmp_path / CURVE).open("ab") as file:
        file.write(line + b"\n")
    append_point(tmp_path, points[1])
    assert read_curve(tmp_path) == repair_curve(tmp_path) == points
    assert len((tmp_path / CURVE).read_bytes().splitlines()) == 2


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    events, trial = TrialEvents([], record, Arrivals()), ray_trial(tmp_path)
    events.on_trial_start(0, [], trial)
    (tmp_path / trial_folder(3) / CURVE).symlink_to("/dev/full")
    with pytest.raises(InputError) as caught:
        reports(events, trial, 1)
    assert str(caught.value) == (
        f"{tmp_path / trial_folder(3)}: cannot be written: No space left on device. Fix: free disk space, then repeat"
        " the command; finished trials are kept."
    )
