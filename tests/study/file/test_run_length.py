"""Settings that count iterations, compared with the length of a run: what is said, and that the fix works."""

from pathlib import Path

import pytest
import yaml

from vsam_tune.errors import InputError
from vsam_tune.registry.never_adapted import first_adaptation, fitted
from vsam_tune.study.baselines import wanted_rows
from vsam_tune.study.file.run_length import check_run_length
from vsam_tune.study.file.study_file import export, load_export, load_study

TASK = {"data": "digits", "model": "cnn", "epochs": 40}
FACTS = {"iterations_per_epoch": 18.0}  # 720 iterations
RANGE = {"type": "int", "low": 50, "high": 2346, "log": True}
FIXED = dict.fromkeys(("warmup_iterations", "interval", "num_slices"))  # what a space leaves out


def lines(tmp_path: Path, method: dict[str, object], space: dict[str, object], facts: dict[str, float]) -> list[str]:
    file = tmp_path / "mine.yaml"
    searched = {name: entry for name, entry in space.items() if entry is not None or name != "interval"}
    content = {"name": "mine", "task": TASK, "method": {"name": "vsam", **method}, "space": searched}
    file.write_text(yaml.safe_dump(content))
    study = load_study(file)
    return [problem.line(file).removeprefix(f"{file}: ") for problem in check_run_length(study, study.space, facts)]


def pasted(line: str) -> dict[str, dict[str, object]]:
    """Return the sections that the fix of a line says to write."""
    sections = line.partition("Fix: write ")[2].removesuffix(".").split(" and ")
    return {name: entries for section in sections for name, entries in yaml.safe_load(section).items()}


@pytest.mark.parametrize(
    ("method", "space"),
    [
        ({"warmup_iterations": 1173}, FIXED),
        ({"warmup_iterations": 700}, FIXED),
        ({"warmup_iterations": {"fraction": 0.99}}, FIXED),
        ({"warmup_iterations": {"epochs": 39}}, FIXED),
        ({"warmup_iterations": 2, "interval": 719}, FIXED),
        ({"warmup_iterations": 0, "interval": 360}, FIXED),
        ({"interval": 700}, {}),
        ({}, {"warmup_iterations": RANGE}),
        ({}, {"warmup_iterations": RANGE, "interval": True}),
        ({}, {"warmup_iterations": {"low": 0.01, "high": 1}}),
        ({"warmup_iterations": 100}, {"warmup_iterations": None, "interval": {"type": "int", "low": 16, "high": 700}}),
        ({"num_slices": 8}, {"num_slices": None, "warmup_iterations": {"type": "int", "low": 800, "high": 900}}),
    ],
)
def test_a_rate_that_cannot_adapt_gets_values_to_paste_with_which_it_adapts(method, space, tmp_path: Path) -> None:
    (line,) = lines(tmp_path, method, space, FACTS)
    assert "a trial has 720 iterations" in line
    fix = pasted(line)
    assert lines(tmp_path, {**method, **fix.get("method", {})}, {**space, **fix.get("space", {})}, FACTS) == []


@pytest.mark.parametrize(
    ("method", "space"),
    [
        ({"warmup_iterations": 36, "interval": 20}, FIXED),
        ({"warmup_iterations": {"fraction": 0.015}, "interval": 20}, FIXED),
        ({"warmup_iterations": {"epochs": 2}, "interval": {"epochs": 1}}, FIXED),
        ({"interval": 20}, {"warmup_iterations": {"type": "int", "low": 36, "high": 360}}),
        ({}, {}),
        ({}, FIXED),
        ({"warmup_iterations": 0, "interval": 359}, FIXED),
        ({"warmup_iterations": 2, "interval": 718}, FIXED),
    ],
)
def test_a_rate_that_adapts_is_no_problem(method, space, tmp_path: Path) -> None:
    assert lines(tmp_path, method, space, FACTS) == []


def test_a_part_of_the_run_that_is_too_small_for_the_slices(tmp_path: Path) -> None:
    method = {"warmup_iterations": 36, "interval": {"fraction": 0.01}}
    (line,) = lines(tmp_path, method, FIXED, FACTS)
    assert line == (
        "method.interval: a trial has 720 iterations, so that it is 7: must be >= 2 * num_slices = 10."
        " Fix: write 10, or more."
    )


def test_the_message_in_full(tmp_path: Path) -> None:
    (line,) = lines(tmp_path, {"warmup_iterations": 1173}, FIXED, FACTS)
    assert line == (
        "method.warmup_iterations = 1173: a trial has 720 iterations, and the sampling rate first adapts at iteration"
        " 1222. Fix: write method: {warmup_iterations: 37, interval: 36}."
    )
    (line,) = lines(tmp_path, {"interval": 20}, {"warmup_iterations": RANGE}, FACTS)
    assert line == (
        "space.warmup_iterations.high = 2346: a trial has 720 iterations, and the sampling rate of some trials first"
        " adapts at iteration 2365. Fix: write space: {warmup_iterations: {type: int, low: 37, high: 360}} and"
        " method: {interval: 36}."
    )


def test_a_trainable_that_says_nothing_about_iterations_gets_no_remark(tmp_path: Path) -> None:
    assert lines(tmp_path, {"warmup_iterations": 1173}, FIXED, {}) == []


def test_an_export_that_cannot_adapt(tmp_path: Path) -> None:
    file = tmp_path / "best.yaml"
    file.write_text(yaml.safe_dump({"task": TASK, "method": {"name": "vsam", "warmup_iterations": 1173}}))
    (problem,) = check_run_length(load_export(file), {}, FACTS)
    assert problem.key == "method.warmup_iterations"


@pytest.mark.parametrize("num_iterations", [60, 100, 720, 1_280, 20_000, 78_200])
@pytest.mark.parametrize("num_slices", [1, 4, 5, 8])
def test_fitted_values_adapt_and_fill_the_window(num_iterations: int, num_slices: int) -> None:
    values = fitted(num_iterations, num_slices)
    assert values is not None
    assert first_adaptation(**values) < num_iterations
    assert values["interval"] >= 2 * num_slices
    assert values["warmup_iterations"] > values["interval"]


def test_fitted_values_of_the_papers_run_are_the_authors() -> None:
    assert fitted(78_200, 5) == {"warmup_iterations": 1173, "interval": 50}


def test_no_values_fit_a_run_that_is_too_short() -> None:
    assert fitted(20, 5) is None


def test_a_searched_fraction_is_a_part_of_the_run_in_a_trial_and_in_an_export(tmp_path: Path) -> None:
    file, best = tmp_path / "mine.yaml", tmp_path / "best.yaml"
    file.write_text(yaml.safe_dump({"name": "mine", "task": TASK}))
    study = load_study(file)
    params = {"beta": 0.2, "kappa": 0.7, "num_slices": 5, "warmup_iterations": 0.25}
    assert study.initial[0]["warmup_iterations"] == 0.015
    assert study.settings(params)["method"]["warmup_iterations"] == {"fraction": 0.25}
    best.write_text(yaml.safe_dump(export(study, 3, params, {})))
    assert load_export(best).settings()["method"] == study.settings(params)["method"]
    (row,) = [each for each in wanted_rows(study, root=tmp_path) if each.label == "vsam"]
    assert row.settings()["method"]["warmup_iterations"] == {"fraction": 0.015}


def test_a_fraction_beyond_the_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        lines(tmp_path, {}, {"warmup_iterations": {"high": 1.5}}, FACTS)
    assert str(caught.value) == (
        f"{tmp_path / 'mine.yaml'}: space.warmup_iterations.high = 1.5: must be a fraction of the run, from 0 to 1."
        " Fix: write one, or {type: int, low: 36, high: 360} for iterations."
    )
