"""Rows as text: a table to read, CSV and JSON to compute with."""

import csv
import io
import json
import math
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.printed_table import read_heads
from vsam_tune.cli.columns import Spread, number_text, spread_text
from vsam_tune.cli.render import FORMATS, render_json, render_rows

ROWS = [
    {"trial": 3, "state": "complete", "beta": 0.123456, "val_accuracy": 93.2513, "ais": 12345.6},
    {"trial": 12, "state": "fail", "beta": 0.00001234, "val_accuracy": None},
]
COLUMNS = ["trial", "state", "beta", "val_accuracy", "ais"]


def cell(value, column="x"):
    """The one cell of a table of one column."""
    return render_rows([{column: value}], [column], "table").partition("\n")[2]


def test_formats_are_those_of_the_option():
    assert FORMATS == ("table", "json", "csv", "markdown", "latex")


# ---- table


def test_a_table_aligns_numbers_right_and_words_left_and_rounds():
    assert render_rows(ROWS, COLUMNS, "table").splitlines() == [
        "trial  state         beta  val_accuracy     ais",
        "    3  complete  1.23e-01         93.25  12,346",
        "   12  fail      1.23e-05",
    ]


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("val_accuracy", 90.0, "90.00"),
        ("test_accuracy", 95.678, "95.68"),
        ("ais", 812.4, "812"),
        ("ais", 1234567.0, "1,234,567"),
        ("ais_vs_sam", 1.8234, "1.823"),
        ("kappa", 0.8, "0.8"),
        ("kappa", 0.98765, "0.988"),
        ("ema_decay", 0.9995, "0.9995"),
        ("ema_decay", 0.99987654, "0.99988"),
        ("hypervolume", 43041.3, "43,041"),
        ("beta", -0.051234, "-0.0512"),
        ("beta", math.nan, "nan"),
        ("seed", 1234567890123456789, "1234567890123456789"),
        ("done", True, "yes"),
        ("done", False, "no"),
        ("error", "one\n  two", "one two"),
        ("started", datetime(2026, 3, 1, 12, 30, 5, 999, tzinfo=UTC), "2026-03-01 12:30:05+00:00"),
        ("params", {"beta": 0.123456, "ais": 1e4}, "beta=0.123 ais=10,000"),
        ("choices", ["a", "b"], "a, b"),
        ("folder", PurePosixPath("trials/00003"), "trials/00003"),
    ],
)
def test_a_cell_shows_the_digits_that_mean_something(column, value, text):
    assert number_text(column, value) == text
    assert cell(value, column).strip() == text


def test_a_table_shows_markup_and_emoji_codes_as_they_are():
    assert cell("[red]x[/red] :smile:") == "[red]x[/red] :smile:"


def test_a_table_is_the_same_whatever_the_terminal(monkeypatch):
    plain = render_rows(ROWS, COLUMNS, "table")
    for name, value in {
        "FORCE_COLOR": "1",
        "TTY_COMPATIBLE": "1",
        "COLUMNS": "10",
        "TERM": "xterm-256color",
    }.items():
        monkeypatch.setenv(name, value)
    assert render_rows(ROWS, COLUMNS, "table") == plain
    assert "\x1b" not in plain


def test_a_table_never_cuts_or_wraps():
    assert cell("x" * 3000) == "x" * 3000


def test_a_table_without_rows_is_its_head():
    assert render_rows([], ["trial", "beta"], "table") == "trial  beta"


def lines(column, *values):
    return render_rows([{column: value} for value in values], [column], "table").splitlines()


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((1.0, 0.26036, 0.0547), ["1.0000", "0.2604", "0.0547"]),
        ((0.9, 0.783), ["0.900", "0.783"]),
        ((0.5, 2.0), ["0.5", "2.0"]),
        ((12345.6, 7.0), ["12,346", "     7"]),
        ((1.0, 1.2e-5, -0.1), [" 1.00e+00", " 1.20e-05", "-1.00e-01"]),
        ((0.9995, 0.9), ["0.9995", "0.9000"]),
        ((math.nan, 1.5), ["nan", "1.5"]),
        ((None, 1.25), ["", "1.25"]),
        ((1, 20), [" 1", "20"]),
        ((1, 2.5), ["1.0", "2.5"]),
        ((1e250, 0.5), ["1.00e+250", "      0.5"]),
        ((-math.inf, 999_999_999_999.0), ["           -inf", "999,999,999,999"]),
    ],
)
def test_a_column_has_one_number_of_decimals(values, shown):
    assert lines("longest_number", *values)[1:] == [text and f"{text:>14}" for text in shown]
    assert not any(len(text) > 15 for text in shown)


def test_values_with_errors_have_their_points_and_signs_in_one_line():
    assert lines("ais", Spread(950.2, 8.1), Spread(12345.0, 310.0), Spread(None, None), Spread(7.0, None)) == [
        "         ais",
        "   950 ±   8",
        "12,345 ± 310",
        "",
        "     7",
    ]


def test_the_heads_of_a_wide_table_are_folded_at_underscores():
    names = ["a_name_of_many_words", "sampled_fraction", *(f"column_{i:02}_with_a_long_name" for i in range(4)), "beta"]
    head_1, *_, row = render_rows([dict.fromkeys(names, 0.5)], names, "table").splitlines()
    text = render_rows([dict.fromkeys(names, 0.5)], names, "table")
    assert max(map(len, text.splitlines())) <= 100
    assert read_heads(text.splitlines()[:-1]) == names
    assert row.split() == ["0.5"] * 1 + ["0.500"] + ["0.5"] * 5
    assert "beta" not in head_1  # heads end above their cells


# ---- markdown and LaTeX


def test_markdown_has_the_cells_of_the_table_between_bars():
    assert render_rows(ROWS, COLUMNS, "markdown").splitlines() == [
        "| trial | state    |     beta | val_accuracy |    ais |",
        "|-------|----------|----------|--------------|--------|",
        "|     3 | complete | 1.23e-01 |        93.25 | 12,346 |",
        "|    12 | fail     | 1.23e-05 |              |        |",
    ]


def test_a_bar_within_a_cell_of_markdown_is_escaped():
    rows = render_rows([{"x": "a|b"}], ["x"], "markdown").splitlines()
    assert rows[-1] == "| a\\|b |"


def test_latex_is_a_tabular_that_a_paper_takes_as_it_is():
    rows = [*ROWS, {"trial": 4, "state": "50 % of a_b & c", "beta": -1.5, "val_accuracy": "90 ± 1"}]
    assert render_rows(rows, COLUMNS, "latex").splitlines() == [
        r"\begin{tabular}{rlrlr}",
        r"\toprule",
        r"trial & state & beta & val\_accuracy & ais \\",
        r"\midrule",
        r"3 & complete & 1.23e-01 & 93.25 & 12,346 \\",
        r"12 & fail & 1.23e-05 &  &  \\",
        r"4 & 50 \% of a\_b \& c & $-$1.50e+00 & 90 $\pm$ 1 &  \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


@pytest.mark.parametrize("format", ["markdown", "latex"])
def test_without_rows_there_is_a_head(format):  # noqa: A002 - named like the option
    assert "beta" in render_rows([], ["trial", "beta"], format)


# ---- CSV


def test_csv_keeps_every_digit_and_only_the_columns():
    rows = [{"beta": 0.1 + 0.2, "note": 'a "b", c', "other": 1}, {"note": "d\ne"}]
    assert render_rows(rows, ["note", "beta"], "csv") == 'note,beta\n"a ""b"", c",0.30000000000000004\n"d\ne",'


def test_csv_writes_what_is_nested_as_json():
    rows = [{"params": {"beta": 0.5, "loss": math.nan}, "feasible": True}]
    (read,) = csv.DictReader(io.StringIO(render_rows(rows, ["params", "feasible"], "csv")))
    assert json.loads(read["params"]) == {"beta": 0.5, "loss": None}
    assert read["feasible"] == "true"


@given(st.lists(st.floats(allow_nan=False), max_size=5))
def test_csv_round_trips_floats(values):
    text = render_rows([{"x": value} for value in values], ["x"], "csv")
    assert [float(row["x"]) for row in csv.DictReader(io.StringIO(text))] == values


def test_csv_writes_times_as_iso():
    text = render_rows([{"started": datetime(2026, 3, 1, tzinfo=UTC)}], ["started"], "csv")
    assert text == "started\n2026-03-01T00:00:00+00:00"


# ---- JSON


def test_json_holds_every_key_of_the_rows():
    assert json.loads(render_rows(ROWS, ["trial"], "json")) == ROWS


def test_json_without_rows_is_an_empty_list():
    assert render_rows([], ["trial"], "json") == "[]"


def test_json_has_null_for_what_is_not_finite_at_any_depth():
    value = {"a": math.nan, "b": [math.inf, {"c": -math.inf}, (1.5, 2)], "d": True}
    assert json.loads(render_json(value)) == {"a": None, "b": [None, {"c": None}, [1.5, 2]], "d": True}


def test_json_writes_times_and_paths_as_text():
    value = {"started": datetime(2026, 3, 1, tzinfo=UTC), "folder": PurePosixPath("a/b")}
    assert json.loads(render_json(value)) == {"started": "2026-03-01T00:00:00+00:00", "folder": "a/b"}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_json_round_trips_what_json_knows(value):
    assert json.loads(render_json(value)) == value


@pytest.mark.parametrize(
    ("name", "center", "deviation", "text"),
    [
        ("ais_vs_sam", 1.5881, 0.02603, "1.588 ± 0.026"),
        ("sampled_fraction", 0.2314, 0.00405, "0.231 ± 0.004"),
        ("flips", 2.0, 1.5, "2.0 ± 1.5"),
        ("val_loss", 2.0, 1.5, "2.0000 ± 1.5000"),
        ("seconds", 841.3, 25.2, "841 ± 25"),
        ("val_accuracy", 97.986, 0.8049, "97.99 ± 0.80"),  # percent always have two decimals
        ("ais", 21555.2, 310.7, "21,555 ± 311"),
        ("ais_vs_sam", 1.5881, None, "1.588"),
        ("ais_vs_sam", 1.5881, 0.0, "1.588 ± 0.000"),
        ("ais_vs_sam", None, None, ""),
        ("ais_vs_sam", float("nan"), float("nan"), "nan ± nan"),
    ],
)
def test_a_number_with_a_deviation_has_the_digits_that_it_leaves(name, center, deviation, text):
    assert spread_text(name, center, deviation) == text
