"""The progress of running trials on stderr: a live table on a terminal, plain lines elsewhere."""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.columns import duration_text, number_text
from vsam_tune.registry.metrics import SHOWN

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from vsam_tune.analysis.results import TrialRecord

_ENDED_ROWS = 12  # of the live table, for the newest trials that ended


@dataclass(slots=True)
class _Row:
    params: Mapping[str, Any]
    epochs: int  # its full budget
    started: float
    state: str = "running"
    point: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    note: str = ""


class Progress:
    """Shows trials as they start, report and end; a `Listener` of `study.execution.events`, and a context manager.

    Args:
        objectives: names of the metrics to show of each trial.
    """

    def __init__(self, objectives: Sequence[str]) -> None:
        self._objectives = objectives
        self._total: int | None = None
        self._ended = 0
        self._rows: dict[int, _Row] = {}
        self._seconds: list[float] = []  # of the trials that ended in this run
        self._side_by_side = 1  # the largest number of trials at a time
        self._live: Live | None = None

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=4, get_renderable=self._table)
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    def planned(self, total: int | None, ended: int) -> None:
        """Count from here: how many trials there will be, None if that is not known, and how many have ended before."""
        self._total, self._ended = total, ended

    def started(self, number: int, config: Mapping[str, Any]) -> None:
        """Show the trial."""
        epochs = config["task"]["epochs"] * config["replicates"]
        self._rows[number] = _Row(config["params"], epochs, started=time.monotonic())
        self._side_by_side = max(self._side_by_side, sum(row.state == "running" for row in self._rows.values()))

    def reported(self, number: int, point: Mapping[str, float]) -> None:
        """Show the progress of the trial."""
        self._rows[number].point = point

    def ended(self, record: "TrialRecord") -> None:
        """Show the trial's end."""
        row = self._rows[record.number]
        row.state, row.note = record.state, record.why
        row.seconds = time.monotonic() - row.started
        if record.state in ("complete", "pruned"):
            self._ended += 1
            self._seconds.append(row.seconds)
        if self._live is None:
            objectives = ", ".join(f"{name} {number_text(name, row.point[name])}" for name in self._shown(row))
            params = ", ".join(f"{name}={number_text(name, value)}" for name, value in row.params.items())
            note = f" ({row.note})" if row.note else ""
            parts = "; ".join(part for part in (objectives, params, self._summary()) if part)
            sys.stderr.write(f"trial {record.number} {record.state}{note}: {parts}\n")

    def _shown(self, row: _Row) -> list[str]:
        return [name for name in dict.fromkeys((*self._objectives, *SHOWN)) if name in row.point]

    def _summary(self) -> str:
        """Return how many trials ended, and the time that the rest needs at the pace so far."""
        of = f"/{self._total}" if self._total else ""
        if not self._rows:
            return f"{self._ended}{of} ended; starting Ray"
        text = f"{self._ended}{of} ended"
        if self._total and self._seconds:
            left = max(0, self._total - self._ended)
            pace = sum(self._seconds) / len(self._seconds)
            text += f", about {duration_text(math.ceil(left / self._side_by_side) * pace)} left" if left else ""
        return text

    def _table(self) -> "Table":
        from rich.table import Table

        rows = dict(self._rows)  # a copy: rich calls this from another thread
        names = list(dict.fromkeys((*self._objectives, *SHOWN)))
        params = list(dict.fromkeys(name for row in rows.values() for name in row.params))
        table = Table(box=None, title=self._summary(), title_justify="left", title_style="bold")
        for name in ("trial", "state", "epoch", *names, *params):
            table.add_column(name, justify="right" if name != "state" else "left")
        ended = [number for number, row in rows.items() if row.state != "running"]
        for number, row in sorted(rows.items()):
            if number in ended[:-_ENDED_ROWS]:
                continue
            cells = [number_text(name, row.point[name]) if name in row.point else "" for name in names]
            values = [number_text(name, row.params[name]) if name in row.params else "" for name in params]
            epoch = f"{row.point.get('epoch', 0):.0f}/{row.epochs}"
            table.add_row(str(number), row.state, epoch, *cells, *values)
        return table
