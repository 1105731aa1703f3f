"""What a grid and a Sobol' sequence keep, beyond the contract of all samplers."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.toy_study import X, on_disk, toy_plan
from tests.support.without_ray import Toy
from vsam_tune.study.scheduling.budget import budget_spent
from vsam_tune.study.scheduling.build import build_sampler
from vsam_tune.study.scheduling.searcher import suggest_params

ONE_OF = {"type": "categorical", "choices": ["a", "b"]}
COUNT = {"type": "int", "low": 1, "high": 3, "when": {"kind": ["a"]}}
GRID: dict[str, Any] = {
    "sampler": {"kind": "grid"},
    "space": {"x": {**X, "step": 1.5}, "kind": ONE_OF, "count": COUNT},  # 3 * (3 + 1) points
    "resources": {"retries": 0},
    "budget": {"trials": 99},
}
POINTS = {(x, "a", count) for x in (-1.5, 0.0, 1.5) for count in (1, 2, 3)} | {(x, "b", None) for x in (-1.5, 0.0, 1.5)}


def points(toy: Toy) -> list[tuple[Any, ...]]:
    return [tuple(record.params.get(name) for name in ("x", "kind", "count")) for record in toy.storage.records()]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("initial", [[], [{"x": 0.0, "kind": "a", "count": 2}, {"kind": "b"}]])
def test_a_grid_tries_each_point_once_and_then_ends_the_study(
    initial: list[dict[str, Any]], seed: int, tmp_path: Path
) -> None:
    toy = Toy(tmp_path, {**GRID, "sampler": {"kind": "grid", "seed": seed}, "initial": initial})
    running: list[str] = []
    for start in range(99):
        suggested = toy.searcher.suggest(str(start))
        running += [str(start)] if isinstance(suggested, dict) else []
        if not running:
            break
        if not isinstance(suggested, dict) or len(running) == 3:
            trial_id = running.pop(0)
            if start == 5:
                toy.searcher.on_trial_complete(trial_id=trial_id, error=True)  # it is not tried again
            else:
                toy.end(trial_id)
        if start == 6:  # in a new process
            toy.storage.use_sampler(build_sampler(toy.plan.sampler, space=toy.plan.space, trials_so_far=6))
    assert len(points(toy)) == 12
    assert set(points(toy)) == POINTS
    assert budget_spent(toy.plan, toy.storage)


def test_a_budget_below_the_grid_ends_the_study_before(tmp_path: Path) -> None:
    toy = Toy(tmp_path, GRID | {"budget": {"trials": 2}})
    for trial_id in "ab":
        toy.searcher.suggest(trial_id)
        assert not budget_spent(toy.plan, toy.storage)
        toy.end(trial_id)
    assert budget_spent(toy.plan, toy.storage)
    assert toy.plan.num_points == 12


def sobol_points(folder: Path, count: int, restarts: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """Draw with two workers; return the points."""
    space = {"x": X, "kind": ONE_OF, "y": {"type": "float", "low": 1.0, "high": 2.0, "when": {"kind": ["a"]}}}
    plan = toy_plan(folder, sampler={"kind": "sobol", "seed": 3}, space=space)
    storage = on_disk(plan, folder / "toy")
    drawn, last = [], None
    for number in range(count):
        if number in restarts:
            storage = on_disk(plan, folder / "toy")
        trial = storage.ask()
        drawn.append(suggest_params(trial, plan.space, {}))
        if last is not None:
            storage.complete(last, [1.0, 2.0], {})
        last = trial
    return drawn


@pytest.mark.filterwarnings("error")
def test_a_sobol_sequence_goes_on_after_a_restart_and_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert sobol_points(tmp_path / "a", 12) == sobol_points(tmp_path / "b", 12, restarts=(1, 7))
    assert not caplog.records


def test_a_sobol_sequence_covers_the_space_evenly_from_the_first_trial_on(tmp_path: Path) -> None:
    """Of 32 points, each 32nd of the range of x has one; of those with y, few of the 16ths of its range have none."""
    drawn = sobol_points(tmp_path, 32)
    assert sorted(int((params["x"] + 1.5) / 3 * 32) for params in drawn) == list(range(32))
    ys = [params["y"] for params in drawn if "y" in params]
    assert [params["kind"] for params in drawn].count("a") == len(ys) == 16
    assert len({int((y - 1) * 16) for y in ys}) >= 10
