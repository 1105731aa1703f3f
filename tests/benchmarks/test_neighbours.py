"""Neighbours: the idle runs, the table, and three real runs."""

import json

import pytest

from benchmarks.neighbours import idle, idle_value, main, table


def run(lacked=0.0, ratio=1.8, error=0.01, neighbours=0, ais=1000.0):
    return {
        "neighbours": neighbours,
        "others_cores": 0.1,
        "lacked": lacked,
        "ais": ais,
        "ais_vs_sam": ratio,
        "ais_vs_sam_error": error,
        "ais_vs_sam_wall": ratio,
        "ideal_ais_vs_sam": 1.8,
        "sampled_fraction": 0.1,
    }


def test_idle_is_the_quietest_tenth_and_three_runs_at_least():
    runs = [run(lacked=i / 100) for i in range(60)]
    assert [each["lacked"] for each in idle(runs[::-1])] == [0.0, 0.01, 0.02, 0.03, 0.04, 0.05]
    assert len(idle(runs[:5])) == 3


def test_the_idle_value_has_an_error_from_its_spread():
    value, error = idle_value([run(ratio=1.7), run(ratio=1.8), run(ratio=1.9)])
    assert value == pytest.approx(1.8)
    assert error == pytest.approx(0.1 / 3**0.5)


def test_the_table_counts_the_runs_near_the_idle_value_and_those_that_cover_it():
    runs = [
        *[run(lacked=0.01, ratio=ratio) for ratio in (1.79, 1.8, 1.81)],  # idle: 1.8 ± 0.0058
        run(lacked=0.5, ratio=1.83, error=0.01, neighbours=1, ais=500.0),  # within 2 %, not within 1.96 errors
        run(lacked=0.6, ratio=1.9, error=0.01, neighbours=2),  # neither
        run(lacked=0.6, ratio=1.9, error=0.09, neighbours=2),  # error above 1 %, covers
        run(lacked=0.7, ratio=float("nan"), error=float("nan"), neighbours=2),
    ]
    text = table(runs)
    assert "idle value 1.800 ± 0.006 (one standard error, 3 runs)" in text
    assert "of the 5 runs with a stated error of at most 1 %, 4 lie within 2 % of the idle value" in text
    assert "of 6 runs, 4 have it in their 95 % interval of 1.96 errors: 67%" in text
    assert "of 6 runs, 4 have it in their 95 % interval by t with 19 degrees of freedom: 67%" in text
    assert "1 runs reported no number, as unreliable" in text
    assert "| 1 | 1 | 50% |" in text


@pytest.mark.slow
def test_three_runs_for_real_and_none_again(tmp_path, capsys):
    out = tmp_path / "runs.json"
    for _ in range(2):
        main(["--runs", "3", "--epochs", "8", "--out", str(out)])
    runs = json.loads(out.read_text())
    assert sorted(each["neighbours"] for each in runs) == [0, 1, 2]
    assert all(each["ais"] > 0 for each in runs)
    assert capsys.readouterr().out.count("idle: the quietest tenth") == 2
