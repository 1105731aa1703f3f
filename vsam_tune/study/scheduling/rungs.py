"""The comparison of trials at a rung, as pure functions of the rows that are stored there: no Ray, no Optuna.

A rung is an epoch at which trials are compared. `StudyStorage.record_rung` stores a row for each trial that reaches it:
the trial's metrics, and the `time` of the record, in seconds since 1970.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from vsam_tune.analysis.ranking import Ranking
from vsam_tune.analysis.results import Noise, Objective, standard_error
from vsam_tune.study.file.feasibility import Constraint
from vsam_tune.study.file.sections import Fifo, TrialScheduler

Row: TypeAlias = Mapping[str, float]
Rung: TypeAlias = Mapping[int, Row]  # rows by trial number
Spared = Literal["", "first", "rung off", "audit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a trial goes on past a rung, and why.

    Attributes:
        passes: whether it goes on.
        rank: its rank among the rows of the rung, 0 for the best; None if it could not be compared.
        rows: how many trials had reached the rung, itself included.
        kept: how many of them pass by rank.
        spared: why it goes on in spite of its rank: it is one of the `first` trials of the study, the guard has the
            `rung off`, or it goes on as an `audit`. Empty otherwise.
        verdict: of the guard on the rung, as `Verdict.as_json` has it; empty if nobody asked for one.
    """

    passes: bool
    rank: int | None = None
    rows: int = 0
    kept: int = 0
    spared: Spared = ""
    verdict: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the object that the storage holds."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How the trials at a rung are compared, and how many of them go on.

    Attributes:
        objectives: that are compared; the best trial in the first one leads a layer.
        reduction_factor: eta: one trial in so many goes on.
        min_rung_size: rows below which every trial goes on.
        constraints: a row that breaks one ranks behind all that break none.
        noise: `aware` if only differences beyond noise exclude a trial.
        ais_horizon: `last` to compare the speed since the previous rung, where it is known.
    """

    objectives: tuple[Objective, ...]
    reduction_factor: int
    min_rung_size: int
    constraints: tuple[Constraint, ...] = ()
    noise: Noise = "aware"
    ais_horizon: Literal["whole", "last"] = "whole"

    def lacking(self, row: Row) -> list[str]:
        """Return the objectives that a row has no finite value of: it cannot be compared."""
        return [each.name for each in self.objectives if each.name not in row]

    def ranked(self, rung: Rung) -> Iterator[int]:
        """Yield the numbers of the trials that can be compared, best first (`analysis.ranking.Ranking`).

        choice: the trials that break a constraint come last, ranked by their violations: at an early rung no trial may
        keep a bound on the accuracy, and the closest ones are then the best.
        """
        for numbers, ranking in self._rankings(rung):
            yield from (numbers[row] for row in ranking)

    def _rankings(self, rung: Rung) -> Iterator[tuple[list[int], Ranking]]:
        """Yield the trials that break no constraint, then the others, each with their ranking."""
        names = [each.name for each in self.objectives]
        numbers = [number for number, row in rung.items() if all(name in row for name in names)]
        if not self.constraints:
            yield numbers, self._by_objectives(rung, numbers)
            return
        violations = {number: [each.violation(rung[number]) for each in self.constraints] for number in numbers}
        feasible = [number for number in numbers if not any(violations[number])]
        yield feasible, self._by_objectives(rung, feasible)
        rest = [number for number in numbers if any(violations[number])]
        table = np.array([violations[number] for number in rest]).reshape(len(rest), len(self.constraints))
        yield rest, Ranking(table, rest, np.ones(len(rest), dtype=np.bool_))

    def _by_objectives(self, rung: Rung, numbers: Sequence[int]) -> Ranking:
        losses = np.empty((len(numbers), len(self.objectives)))
        errors = np.zeros_like(losses)
        for column, each in enumerate(self.objectives):
            since = since_name(each.name) if self.ais_horizon == "last" else each.name
            values = [rung[number].get(since, rung[number][each.name]) for number in numbers]
            losses[:, column] = each.sign * np.array(values, dtype=np.float64)
            if self.noise == "aware":
                errors[:, column] = [standard_error(rung[number], each.name) for number in numbers]
        return Ranking(losses, numbers, np.ones(len(numbers), dtype=np.bool_), errors)

    def stopping(self, rung: Rung, number: int) -> Decision:
        """Return whether a trial is among the first ceil(m / eta) of the m rows at a rung, its own included.

        A trial that lacks a finite objective never passes. While there are fewer than `min_rung_size` rows, every other
        trial does.
        """
        kept = -(-len(rung) // self.reduction_factor)
        return self._decision(rung, number, len(rung) if len(rung) < self.min_rung_size else kept)

    def promotion(self, rung: Rung, number: int) -> Decision:
        """Return whether a trial is among the first floor(m / eta) of the m rows at a rung, its own included."""
        return self._decision(rung, number, len(rung) // self.reduction_factor)

    def _decision(self, rung: Rung, number: int, kept: int) -> Decision:
        ahead = 0
        for numbers, ranking in self._rankings(rung):
            if number in numbers:
                place = ahead + ranking.place(numbers.index(number))
                return Decision(passes=place < kept, rank=place, rows=len(rung), kept=kept)
            ahead += len(numbers)
        return Decision(passes=False, rows=len(rung), kept=kept)


def rung_epochs(min_epochs: int, reduction_factor: int, max_epochs: int) -> tuple[int, ...]:
    """Return min_epochs * reduction_factor**k for k = 0, 1, ... below max_epochs, in whole numbers.

    It multiplies instead of counting by a logarithm, which loses the top rung at 243 / 3.
    """
    rungs = []
    epoch = min_epochs
    while epoch < max_epochs:
        rungs.append(epoch)
        epoch *= reduction_factor
    return tuple(rungs)


def rungs_of(section: TrialScheduler, max_epochs: int) -> tuple[int, ...]:
    """Return the rungs of a trial scheduler for trials of so many epochs, ascending; fifo has none."""
    if isinstance(section, Fifo):
        return ()
    return rung_epochs(section.min_epochs, section.reduction_factor, max_epochs)


def newest_rung(rungs: Sequence[int], epoch: float) -> int | None:
    """Return the highest rung that a trial has reached after so many epochs; None below the first one.

    A trial may report less often than at each rung, or lose the report of a rung to a crash of the driver.
    """
    return max((rung for rung in rungs if rung <= epoch), default=None)


def rows_met(rung: Rung, number: int) -> Rung:
    """Return the rows that were there when a trial was recorded, its own included.

    A trial that passes a rung once more, after a restart, is therefore compared with the same rows.
    """
    return {other: row for other, row in rung.items() if row["time"] <= rung[number]["time"]}


def since_name(name: str) -> str:
    """Return the name of an average over the epochs since the previous rung."""
    return f"{name}_since_rung"


# Averages over a run, and the power of them that adds up over the epochs: the time of an epoch is 1 / speed.
_AVERAGES = {"ais": -1, "ais_vs_sam": -1, "gradient_evaluations": 1}


def with_averages_since(metrics: Mapping[str, float], former: Row | None) -> dict[str, float]:
    """Return the metrics of a trial at a rung, with its speed and its cost over the epochs since the previous rung.

    The sampled fraction of vSAM changes over a run, so the average at an early rung says little of the whole run.

    Args:
        metrics: at the rung.
        former: the trial's row at the previous rung; None if this is its first.
    """
    found = dict(metrics)
    if former is None:
        return found
    epochs, before = metrics.get("epoch", 0.0), former.get("epoch", 0.0)
    for name, power in _AVERAGES.items():
        now, then = metrics.get(name, 0.0), former.get(name, 0.0)
        if now > 0 and then > 0 and epochs > before:
            added = (epochs * now**power - before * then**power) / (epochs - before)
            if added > 0:
                found[since_name(name)] = added ** (1 / power)
    return found
