"""What every sampler keeps, shown with the searcher and without a Ray."""

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces.schema import CategoricalDimension, FloatDimension, IntDimension
from tests.support.kinds import models_by_kind, small_section
from tests.support.toy_study import X, in_memory, toy_plan
from tests.support.without_ray import Toy
from vsam_tune.study.file.sections import Sampler
from vsam_tune.study.scheduling.build import SAMPLERS, build_sampler
from vsam_tune.study.scheduling.searcher import suggest_params

MODELS = models_by_kind(Sampler)
NO_RETRIES = {"resources": {"retries": 0}}  # a trial that failed would be drawn again
ENDS = ["complete", "diverged", "failed", "stopped", "complete", "nan"]
OBJECTIVES = {
    "several objectives": [{"name": "loss", "direction": "minimize"}, {"name": "cost", "direction": "maximize"}],
    "one objective": [{"name": "loss", "direction": "minimize"}],
}
SPACE = {
    "kind": CategoricalDimension(type="categorical", choices=("a", "b")),
    "depth": IntDimension(type="int", low=1, high=5, when={"kind": ("a",)}),
    "steps": IntDimension(type="int", low=2, high=10, step=4),
    "rate": IntDimension(type="int", low=1, high=1000, log=True),
    "width": FloatDimension(type="float", low=0.25, high=1.0, step=0.25, when={"depth": (1, 2)}),
    "shade": FloatDimension(type="float", low=1e-4, high=1.0, log=True, when={"fixed": (True,)}),
}
NO_STEP = {"grid": SPACE | {"shade": IntDimension(type="int", low=1, high=3, when={"fixed": (True,)})}}
NO_END = {"grid": {**X, "step": 0.0625}}  # 49 values: a grid needs an end
every_kind = pytest.mark.parametrize("kind", SAMPLERS)


def section(kind: str, **settings: Any) -> dict[str, Any]:
    return small_section(MODELS[kind], kind, **settings)


def eventful(toy: Toy, count: int, first: int = 0) -> list[float]:
    """Run trials that end in every way that trials do; return what was drawn for them."""
    drawn = []
    for number in range(first, first + count):
        trial_id = str(number)
        x = toy.searcher.suggest(trial_id)["params"]["x"]
        drawn.append(x)
        match ENDS[number % len(ENDS)]:
            case "complete":
                toy.end(trial_id, loss=(x - 1) ** 2, cost=-((x + 1) ** 2))
            case "diverged":
                toy.end_with(trial_id, {"epoch": 2, "diverged": 20})
            case "failed":
                toy.searcher.on_trial_complete(trial_id=trial_id, error=True)
            case "stopped":
                toy.searcher.stop(trial_id, "trial scheduler at epoch 1")
                toy.end(trial_id, epoch=1)
            case "nan":
                toy.end(trial_id, loss=math.nan)
    return drawn


def x_of(kind: str) -> dict[str, Any]:
    """Return a range that the sampler accepts."""
    return NO_END.get(kind, X)


def draws(kind: str, seed: int = 0, objectives: str = "several objectives") -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        sections = {"sampler": section(kind, seed=seed), "objectives": OBJECTIVES[objectives], "budget": {"trials": 99}}
        return eventful(Toy(Path(folder), {**NO_RETRIES, **sections, "space": {"x": x_of(kind)}}), 14)


@pytest.fixture(scope="module")
def drawn_elsewhere() -> dict[str, list[float]]:
    """What each sampler draws in another process, whose strings have other hashes."""
    code = (
        "import json; from tests.contracts.test_samplers import SAMPLERS, draws;"
        "print(json.dumps({kind: draws(kind) for kind in SAMPLERS}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", code]
    read = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(read.stdout)


def test_the_kinds_are_those_of_the_study_file() -> None:
    assert SAMPLERS.keys() == MODELS.keys()


@every_kind
def test_a_seed_draws_the_same_in_another_process(kind: str, drawn_elsewhere: dict[str, list[float]]) -> None:
    assert draws(kind) == draws(kind) == drawn_elsewhere[kind]


@every_kind
def test_different_seeds_draw_differently_and_0_is_a_seed(kind: str) -> None:
    by_seed = [draws(kind, seed) for seed in (0, 1, 2**31 - 1)]
    if kind == "grid":  # the same points in another order
        assert len({tuple(drawn) for drawn in by_seed}) == 3
    else:
        assert len({x for drawn in by_seed for x in drawn}) == sum(map(len, by_seed))


@every_kind
@pytest.mark.parametrize("objectives", OBJECTIVES)
def test_it_goes_on_after_trials_without_values(kind: str, objectives: str) -> None:
    drawn = draws(kind, objectives=objectives)
    assert len(set(drawn)) == len(drawn)
    assert all(-1.5 <= x <= 1.5 for x in drawn)


@every_kind
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31 - 1), fixed=st.booleans())
def test_parameters_keep_to_their_ranges_and_conditions(kind: str, seed: int, fixed: bool, tmp_path: Path) -> None:
    space = NO_STEP.get(kind, SPACE)
    storage = in_memory(toy_plan(tmp_path, sampler=section(kind, seed=seed), space={"x": x_of(kind)}))
    for number in range(6):
        trial = storage.ask()
        params = suggest_params(trial, space, {"fixed": fixed})
        assert ("depth" in params) == (params["kind"] == "a")
        assert ("width" in params) == (params.get("depth") in (1, 2))
        assert ("shade" in params) == fixed
        assert all(space[name].contains(value) for name, value in params.items())
        assert params["steps"] in (2, 6, 10)
        assert [type(params[name]) for name in ("kind", "steps", "rate")] == [str, int, int]
        assert list(storage.record(number).params) == list(params)
        storage.complete(trial, [1.0, float(number)], {})


@every_kind
def test_a_restarted_driver_does_not_repeat_draws(kind: str, tmp_path: Path) -> None:
    toy = Toy(tmp_path, {**NO_RETRIES, "sampler": section(kind), "space": {"x": x_of(kind)}, "budget": {"trials": 99}})
    drawn = []
    for start in range(4):
        toy.storage._study.sampler = build_sampler(
            toy.plan.sampler, space=toy.plan.space, trials_so_far=len(toy.storage.records())
        )
        toy.restart()
        drawn += eventful(toy, 4, 4 * start)
    assert len(set(drawn)) == 16


@every_kind
def test_starting_points_come_first_and_what_they_leave_out_is_drawn(kind: str, tmp_path: Path) -> None:
    space = {"x": x_of(kind), "y": {"type": "int", "low": 1, "high": 9}}
    toy = Toy(tmp_path, {"sampler": section(kind), "space": space, "initial": [{"x": 0.5, "y": 3}, {"x": -0.25}]})
    first, second, third = (toy.searcher.suggest(trial_id)["params"] for trial_id in "abc")
    assert first == {"x": 0.5, "y": 3}
    assert second["x"] == -0.25
    assert 1 <= second["y"] <= 9
    assert third["x"] not in (0.5, -0.25)
