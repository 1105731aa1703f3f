"""What a trial that was stopped would probably have reached, as a pure function, and a literal reference."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import imputed_ends as reference
from vsam_tune.analysis.results import Objective
from vsam_tune.study.scheduling.imputed_ends import Finished, imputed_ends

NAMES = ("loss", "speed", "cost")
NUMBERS = st.floats(-100, 100)
LOSS = (Objective("loss", "minimize"),)
EARLY, LATE = 1, 3


@st.composite
def histories(draw: st.DrawFn) -> tuple[tuple[Objective, ...], dict[int, Any], list[Finished]]:
    """Objectives, the rungs of stopped trials, and finished trials, in all of which a value may be missing."""
    names = NAMES[: draw(st.sampled_from([1, 2, 3]))]
    objectives = tuple(Objective(name, draw(st.sampled_from(["minimize", "maximize"]))) for name in names)
    full = st.fixed_dictionaries(dict.fromkeys(names, NUMBERS))
    lacking = st.fixed_dictionaries({}, optional=dict.fromkeys(names, NUMBERS))
    rows = st.one_of(full, full, full, lacking)
    rungs = st.fixed_dictionaries({}, optional={EARLY: rows, LATE: rows})
    values = st.lists(NUMBERS, min_size=len(names), max_size=len(names))
    finished = draw(st.lists(st.tuples(rungs, values).map(lambda pair: Finished(*pair)), max_size=9))
    stopped = st.dictionaries(st.integers(0, 99), rungs.filter(bool), max_size=5)
    return objectives, draw(stopped), finished


@given(history=histories())
def test_an_imputed_end_is_that_of_the_reference(history: Any) -> None:
    objectives, stopped, finished = history
    directions = {each.name: each.direction for each in objectives}
    named = [(dict(one.rungs), dict(zip(directions, one.values, strict=True))) for one in finished]
    expected = {number: reference.imputed_end(rungs, named, directions) for number, rungs in stopped.items()}
    ends = imputed_ends(stopped, finished, objectives)
    assert ends.keys() == {number for number, values in expected.items() if values is not None}
    for number, values in ends.items():
        assert values == pytest.approx(expected[number])


@given(history=histories())
def test_no_imputed_end_is_better_than_what_finished_and_nothing_else_changes(history: Any) -> None:
    objectives, stopped, finished = history
    before = copy.deepcopy((stopped, finished))
    ends = imputed_ends(stopped, finished, objectives)
    assert (stopped, finished) == before
    for values in ends.values():
        for i, each in enumerate(objectives):
            finals = [one.values[i] for one in finished]
            assert values[i] <= max(finals) if each.direction == "maximize" else values[i] >= min(finals)


@given(history=histories())
def test_with_fewer_than_four_finished_trials_there_is_none(history: Any) -> None:
    objectives, stopped, finished = history
    assert imputed_ends(stopped, finished[:3], objectives) == {}


@given(history=histories(), data=st.data())
def test_a_stopped_trial_changes_the_end_of_no_other_one(history: Any, data: st.DataObject) -> None:
    objectives, stopped, finished = history
    some = {number: rungs for number, rungs in stopped.items() if data.draw(st.booleans())}
    ends = imputed_ends(stopped, finished, objectives)
    assert imputed_ends(some, finished, objectives) == {number: ends[number] for number in some if number in ends}


def test_the_change_is_that_from_the_last_rung() -> None:
    """From 1 to the end the loss falls by 4 on average, from 3 to the end by 1."""
    finished = [Finished({1: {"loss": 5.0 + i}, 3: {"loss": 2.0 + i}}, [1.0 + i]) for i in range(4)]
    ends = imputed_ends({4: {1: {"loss": 9.0}}, 5: {1: {"loss": 9.0}, 3: {"loss": 8.0}}}, finished, LOSS)
    assert ends == {4: [5.0], 5: [7.0]}


def test_a_value_that_would_be_better_than_all_is_that_of_the_best() -> None:
    finished = [Finished({1: {"loss": 9.0}}, [2.0 + i]) for i in range(4)]
    assert imputed_ends({4: {1: {"loss": 3.0}}}, finished, LOSS) == {4: [2.0]}


def test_an_end_beyond_the_range_of_floats_is_none() -> None:
    finished = [Finished({1: {"loss": -1e308}}, [1e308]) for _ in range(4)]
    assert imputed_ends({4: {1: {"loss": 1.0}}}, finished, LOSS) == {}
