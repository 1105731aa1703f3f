"""`benchmarks.false_positives` on equal trials, and on some different ones."""

import math
import statistics
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.false_positives import claims, compare_report, dealt, excluded, search_report, spread, study_content
from vsam_tune.analysis.results import Objective, StudyResult, TrialRecord
from vsam_tune.study.file.study_file import load_study


def searched(values, error=1.0):
    """Return a search with these accuracies and equal speeds."""
    trials = [
        TrialRecord(
            number=number,
            state="complete",
            params={},
            values={"val_accuracy": value, "ais_vs_sam": 1.5},
            metrics={"val_accuracy": value, "val_accuracy_error": error, "ais_vs_sam": 1.5},
        )
        for number, value in enumerate(values)
    ]
    objectives = tuple(Objective(name, "maximize") for name in ("val_accuracy", "ais_vs_sam"))
    return StudyResult(name="a", objectives=objectives, trials=tuple(trials), reference_point=None, study={})


def trained(accuracies, label="vsam"):
    """Return baselines of one row, with a replicate for each accuracy."""
    trials = [
        TrialRecord(
            number=replicate,
            state="complete",
            params={"label": label, "replicate": replicate},
            values={"test_accuracy": accuracy},
            metrics={"test_accuracy": accuracy},
        )
        for replicate, accuracy in enumerate(accuracies)
    ]
    study = {"rows": {label: {"method": {"name": label}, "trial": None}}, "task": {"data": "digits"}}
    objectives = (Objective("test_accuracy", "maximize"),)
    return StudyResult(name="a", objectives=objectives, trials=tuple(trials), reference_point=None, study=study)


def test_the_study_is_of_one_configuration(tmp_path):
    base = yaml.safe_load(Path("studies/quickstart.yaml").read_text(encoding="utf-8"))
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(study_content(base, trials=24)))
    study = load_study(file)
    (dimension,) = study.space.values()
    assert np.float32(dimension.low) == np.float32(dimension.high) == np.float32(0.4)
    assert [point for point in study.initial if not set(point) <= {"rho"}] == []
    assert study.baselines is not None
    assert study.budget.trials == 24


def test_trials_that_noise_explains_are_not_excluded():
    assert excluded(searched([90.0, 91.0, 92.0])) == {"trials": 3, "front": 1, "pairwise": 0, "excluded": 0}


def test_a_front_needs_more_standard_errors_than_a_pair():
    found = excluded(searched([90.0, 93.0, 91.5, 91.5, 91.5]))  # 3 apart: 2.1 standard errors of a difference
    assert found == {"trials": 5, "front": 1, "pairwise": 1, "excluded": 0}
    assert excluded(searched([90.0, 99.0]))["excluded"] == 1


def test_the_interval_of_a_spread_is_that_of_chi_squared():
    values = np.array([1.0, 2.0, 4.0, 9.0])
    found = spread(values, np.array([3.0, 4.0, 0.0, 0.0]))
    deviation = statistics.stdev(values.tolist())
    assert found["spread"] == pytest.approx(deviation)
    assert found["stated"] == pytest.approx(math.sqrt(25 / 4))
    # quantiles of chi squared with 3 degrees of freedom, from a table
    assert found["low"] == pytest.approx(deviation * math.sqrt(3 / 9.348404), rel=1e-6)
    assert found["high"] == pytest.approx(deviation * math.sqrt(3 / 0.2157953), rel=1e-6)


def test_replicates_are_dealt_in_order_and_the_remainder_is_ignored():
    result = dealt(trained([10.0, 11.0, 12.0, 13.0, 14.0]), "vsam", [4, 0, 1, 2, 3], labels=2)
    places = {(trial.params["label"], trial.params["replicate"]): trial.metrics for trial in result.trials}
    accuracies = {place: metrics["test_accuracy"] for place, metrics in places.items()}
    assert accuracies == {("sam", 0): 14.0, ("sam", 1): 10.0, ("vsam 1", 0): 11.0, ("vsam 1", 1): 12.0}
    assert list(result.study["rows"]) == ["sam", "vsam 1"]


def test_claims_are_counted():
    reference, far, equal = [50.0 + 0.1 * i for i in range(8)], [60.0 + 0.3 * i for i in range(8)], [50.0, 50.7] * 4
    found = claims(dealt(trained([*reference, *far, *equal]), "vsam", list(range(24)), labels=3))
    assert (found.rows, found.p_values, found.intervals) == (2, 1, 1)


def test_reports_are_markdown():
    text = " ".join(search_report(searched([90.0, 91.0, 92.0])).split())
    assert text.startswith("3 equal trials: 1 on the plain front; noise-aware, 0 excluded by `front`")
    assert "| val_accuracy | 91 | 1 | 0.5207 to 6.285 | 1 |" in text
    ones = [90.0, 91.0, 92.0, 93.0, 94.0, 95.0, 96.0, 97.0]
    text = compare_report(trained([*ones, *ones[::-1], *ones[4:], *ones[:4]]), labels=3, deals=20)
    (row,) = text.splitlines()[2:]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:4] == ["vsam", "3 x 8", "0 of 2", "0 of 2"]
