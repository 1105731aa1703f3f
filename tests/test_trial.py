"""What a report may hold, and which seeds trials get."""

import json
import math
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.result import AUTO_RESULT_KEYS
from ray.tune.utils.util import flatten_dict

from vsam_tune.seeds import derive_seed
from vsam_tune.trial import TrialConfig, metrics_of, refused, replicate_seed, trial_seed

HUGE = 10**400


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.5, 0.5),
        (3, 3),
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.longdouble(0.5), 0.5),
        (np.int64(3), 3),
        (np.uint8(255), 255),
        (np.array(0.5), 0.5),
        (np.array(3), 3),
        (torch.tensor(0.5), 0.5),
        (torch.tensor(3), 3),
        (torch.tensor(0.5, requires_grad=True), 0.5),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        (Fraction(1, 4), 0.25),
        (10**300, 10**300),
    ],
)
def test_what_is_a_number_becomes_one_of_python(value: Any, number: float) -> None:
    (found,) = metrics_of({"loss": value}).values()
    assert found == number
    assert type(found) is type(number)
    assert json.loads(json.dumps(found, allow_nan=False)) == number
    assert refused({"loss": value}) == {}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (HUGE, "an integer beyond the range of floats"),
        (-HUGE, "an integer beyond the range of floats"),
        pytest.param(10**5000, "an integer beyond the range of floats", id="longer than Python writes"),
        (True, "of type bool"),
        (np.bool_(True), "of type bool"),
        (np.array([0.5]), "of type ndarray"),
        (np.array([[0.5]]), "of type ndarray"),
        (torch.tensor([0.5]), "of type Tensor"),
        (torch.tensor(True), "of type Tensor"),
        (np.array("a"), "of type ndarray"),
        ("0.5", "of type str"),
        (None, "of type NoneType"),
        ([0.5], "of type list"),
        (1j, "of type complex"),
        (Decimal("0.5"), "of type Decimal"),
        (object(), "of type object"),
    ],
)
def test_what_is_no_number_is_left_out_with_the_reason(value: Any, reason: str) -> None:
    assert metrics_of({"loss": value, "cost": 1.0}) == {"cost": 1.0}
    assert refused({"loss": value, "cost": 1.0}) == {"loss": reason}


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, np.float32("nan"), np.array(np.inf), torch.tensor(math.nan)]
)
def test_a_number_that_is_not_finite_is_left_out_without_a_word(value: Any) -> None:
    """It may not be known yet; and JSON has no such numbers."""
    assert metrics_of({"loss": value, "cost": 1.0}) == {"cost": 1.0}
    assert refused({"loss": value, "cost": 1.0}) == {}


def test_nested_mappings_are_flattened() -> None:
    report = {"val": {"acc": 1, "by_class": {0: 0.5, "cat": torch.tensor(0.25)}}, "loss": 2.0, "empty": {}}
    assert metrics_of(report) == {"val/acc": 1, "val/by_class/0": 0.5, "val/by_class/cat": 0.25, "loss": 2.0}
    assert refused({"val": {"note": "a"}}) == {"val/note": "of type str"}


NAMES = st.text("abc", min_size=1, max_size=3)
REPORTS = st.recursive(st.floats(-9, 9), lambda values: st.dictionaries(NAMES, values, max_size=3), max_leaves=9)


@given(report=st.dictionaries(NAMES, REPORTS, max_size=4))
def test_names_are_those_that_ray_gives(report: dict[str, Any]) -> None:
    flat = {name: value for name, value in flatten_dict(report).items() if isinstance(value, float)}
    assert metrics_of(report) == metrics_of(flat) == flat


def test_what_ray_adds_is_neither_a_metric_nor_named() -> None:
    added = dict.fromkeys(AUTO_RESULT_KEYS, 1.0) | {"trial_id": "a", "hostname": "here", "date": "now", "pid": 7}
    contract = {"done": True, "unreliable_reason": "3 blocks", "replicate_ended": True, "diverged": 20}
    report = {**added, **contract, "config": {"x": 0.5, "method": {"name": "a"}}, "config/y": 0.5, "warmup_time": 1}
    assert metrics_of(report) == {"diverged": 20}
    assert refused(report) == {}


@given(seed=st.integers(0, 2**31 - 1), number=st.integers(0, 2**20))
def test_a_trial_seed_is_a_sub_seed_of_32_bits(seed: int, number: int) -> None:
    assert trial_seed(seed, "trial", number) == derive_seed(seed, "trial", number) % 2**32
    assert trial_seed(seed, "timing") == derive_seed(seed, "timing") % 2**32


def test_seeds_are_what_they_were() -> None:
    assert [trial_seed(0, "trial", number) for number in range(3)] == [3213466002, 1859316418, 747346273]
    assert [replicate_seed(7, replicate) for replicate in range(3)] == [7, 1167666359, 1458448406]


def test_the_contract_lists_what_the_page_does() -> None:
    page = (Path(__file__).parents[1] / "docs" / "trainables.md").read_text()
    table = page[page.index("## What it is given") : page.index("## What it returns")]
    keys = {key for line in table.splitlines() if line.startswith("| `") for key in line.split("|")[1].split("`")[1::2]}
    assert keys == TrialConfig.__required_keys__


def test_neither_ray_nor_torch_is_imported() -> None:
    code = "import sys, vsam_tune.trial; print({'ray', 'torch', 'optuna', 'mlflow'} & {*sys.modules})"
    read = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert read.stdout == "set()\n"
