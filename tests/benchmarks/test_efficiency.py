"""The efficiency of vSAM: the table, and one real run of a small network."""

import pytest

from benchmarks.efficiency import COLUMNS, run, table


def test_the_table_has_mean_spread_and_those_far_from_one():
    rows = [dict.fromkeys(COLUMNS, 1.5) | {"efficiency": value} for value in (0.98, 1.0, 1.14)]
    text = table(rows)
    assert "efficiency 1.040 ± 0.087 (standard deviation) over 3; 1 beyond 10 % of 1" in text


@pytest.mark.slow
def test_a_run_of_a_small_network():
    metrics = run("resnet8", 32, 4, seed=0)
    assert {*metrics} == {*COLUMNS}
    assert 0 < metrics["sampled_fraction"] < 1
    assert metrics["efficiency"] == pytest.approx(1, abs=0.5)
