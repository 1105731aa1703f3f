"""The table of methods: time relative to SGD, to the ideal and to a peer; memory; and the goals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.contenders import Contender
from benchmarks.ratios import SAM, SGD, Estimate, Ratios
from benchmarks.recording import Recording
from vsam_tune.cli.render import render_rows

COLUMNS = (
    "method",
    "sampled fraction",
    "gradient evaluations",
    "time / SGD",
    "plain, sampled / SGD",
    "ideal",
    "time / ideal",
    "AIS / SAM",
    "time / peer",
    "memory, P",
    "memory, METHODS",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """A bound on a ratio of the table.

    Attributes:
        column: of COLUMNS.
        bound: the limit of the ratio.
        at_most: whether the limit is an upper or a lower one.
    """

    column: str
    bound: float
    at_most: bool = True

    def verdict(self, found: Estimate) -> str:
        """Return `reached`; else `missed` if the whole interval is beyond the bound, `open` if not."""
        if found.value <= self.bound if self.at_most else found.value >= self.bound:
            return "reached"
        beyond = found.low > self.bound if self.at_most else found.high < self.bound
        return "missed" if beyond else "open"


_PEER = Goal(column="time / peer", bound=1.0)  # for every method with a peer
GOALS = {
    "sam": [Goal(column="time / SGD", bound=2.02)],
    "vsam": [Goal(column="time / ideal", bound=1.01)],
    "looksam": [Goal(column="AIS / SAM", bound=1.5, at_most=False)],
}


def text(recording: Recording, chosen: Mapping[str, Contender], clock: str) -> list[str]:
    """Return the table in Markdown, and a list of the goals with verdicts.

    Args:
        recording: at least one round.
        chosen: the measured contenders by key.
        clock: one of CLOCKS.
    """
    ratios = recording.ratios(clock)
    rows = {key: _row(key, contender, recording, ratios) for key, contender in chosen.items()}
    shown = [{column: _text(value) for column, value in row.items()} for row in rows.values()]
    return [render_rows(shown, COLUMNS, "markdown"), "\n".join(_verdicts(rows))]


def _row(key: str, contender: Contender, recording: Recording, ratios: Ratios) -> dict[str, Any]:
    row: dict[str, Any] = {
        "method": contender.title,
        "sampled fraction": ratios.fraction(key),
        "gradient evaluations": recording.evaluations(key),
        "time / SGD": ratios.time(key),
        "memory, METHODS": contender.memory,
    }
    if 0 < ratios.fraction(key) < 1:
        row["plain, sampled / SGD"] = [ratios.of_kind(key, sampled=kind) for kind in (False, True)]
    if contender.ideal is not None:
        row |= {"ideal": ratios.ideal(key, contender.ideal), "time / ideal": ratios.over_ideal(key, contender.ideal)}
        row["AIS / SAM"] = ratios.over(key, SAM).inverse()
    if contender.peer in recording.content["rounds"][0]:
        row["time / peer"] = ratios.over(key, contender.peer)
    peaks = recording.content["peak_bytes"]
    if key in peaks:
        row["memory, P"] = (peaks[key] - peaks[SGD]) / recording.content["settings"]["parameter_bytes"]
    return row


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _verdicts(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each goal with a measured ratio."""
    return [
        f"- {row['method']}: {goal.column} {'at most' if goal.at_most else 'at least'} {goal.bound:g}; "
        f"{row[goal.column]}, {goal.verdict(row[goal.column])}"
        for key, row in rows.items()
        for goal in (*GOALS.get(key, ()), _PEER)
        if goal.column in row
    ]
