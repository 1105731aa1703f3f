"""The table of a confirmation: each row as the search saw it and as fresh seeds confirm it, and which points remain.

A row is significantly better than another in an objective if the 95 % interval of their difference does not contain 0.
The intervals are not corrected for the number of rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import stdev
from typing import Any

from vsam_tune.analysis.confirmed_row import Accuracy, ConfirmedRow, Pick, ShownTiming
from vsam_tune.analysis.estimates import (
    QUANTILE,
    Estimate,
    complete_replicates,
    difference,
    over_seeds,
    overlap,
    timed,
)
from vsam_tune.analysis.leave_one_seed_out import fair_estimate, knee
from vsam_tune.analysis.results import ConfirmationResult, Objective, StudyResult, TrialRecord
from vsam_tune.analysis.row_trials import Timing

_TIMED = ("ais", "ais_vs_sam")  # replicates ran at the same time: their own speeds are not shown
Estimates = Mapping[str, Estimate | None]  # by objective


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmation:
    """The table of a confirmation.

    Attributes:
        study: its name.
        objectives: of the search, in order.
        seeds: the most that a row has.
        rows: the trials first, then the methods that they are compared with.
        pick: the row at the knee of the confirmed means; None without one.
        timing: the one that is shown; None where nothing was timed.
        timed: whether speed is timed at all.
    """

    study: str
    objectives: tuple[Objective, ...]
    seeds: int
    rows: tuple[ConfirmedRow, ...]
    pick: Pick | None
    timing: ShownTiming | None
    timed: bool

    @property
    def front(self) -> dict[str, int]:
        """How many rows are on the plain front of the search, how many remain there, and how many cannot be judged."""
        plain = [row.on_front for row in self.rows if row.plain_front]
        return {"searched": len(plain), "remaining": plain.count(True), "not_judged": plain.count(None)}

    @property
    def without_speed(self) -> list[str]:
        """The rows that were timed and have no AIS over SAM's, although it is an objective: it was unreliable."""
        name = "ais_vs_sam"
        timed = [row for row in self.rows if row.timing is not None and name in row.confirmed]
        return [row.label for row in timed if name not in (row.timing or {})]

    def as_json(self) -> dict[str, Any]:
        """Return the object that `confirm --format json` prints; other tools rely on its keys."""
        return {
            "study": self.study,
            "objectives": [each.definition() for each in self.objectives],
            "seeds": self.seeds,
            "rows": [asdict(row) for row in self.rows],
            "front": self.front,
            "pick": self.pick,
            "timing": self.timing,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    """The data of a row: its trial in the search, its complete replicates and its timing."""

    label: str
    record: TrialRecord | None
    replicates: Mapping[int, TrialRecord]
    timing: TrialRecord | None
    estimates: Estimates

    @property
    def known(self) -> dict[str, Estimate] | None:
        """The estimates where all objectives have one."""
        known = {name: each for name, each in self.estimates.items() if each is not None}
        return known if len(known) == len(self.estimates) else None


def summarize_confirmation(searched: StudyResult, result: ConfirmationResult) -> Confirmation:
    """Return the table of a confirmation.

    Args:
        searched: the search.
        result: of the confirmation. Of several timings the one that holds most rows is shown; of those the newest.
    """
    objectives, is_timed = searched.objectives, result.study["timed"]
    timings = _shown_timings(result.trials)
    rows = [
        _measured(label, entry["trial"], searched, result, timings.get(label))
        for label, entry in result.study["rows"].items()
    ]
    rows.sort(key=lambda row: row.record is None)
    points = [row for row in rows if row.record is not None]
    plain = {record.number for record in searched.front()}
    return Confirmation(
        study=searched.name,
        objectives=objectives,
        seeds=max((len(row.replicates) for row in rows), default=0),
        rows=tuple(_row(row, points, objectives, plain) for row in rows),
        pick=_pick(points, objectives),
        timing=_timing(list(timings.values())),
        timed=is_timed,
    )


def _shown_timings(trials: Iterable[TrialRecord]) -> dict[str, TrialRecord]:
    """Return the complete timings that are shown, by label."""
    by_number: dict[int, dict[str, TrialRecord]] = {}
    for trial in trials:
        timing = Timing.from_params(trial.params)
        if timing is not None and trial.state == "complete":
            by_number.setdefault(timing.timing, {})[timing.label] = trial
    return by_number[max(by_number, key=lambda number: (len(by_number[number]), number))] if by_number else {}


def _timing(timings: Sequence[TrialRecord]) -> ShownTiming | None:
    if not timings or (first := Timing.from_params(timings[0].params)) is None:
        return None
    alone = all(each.metrics.get("alone") == 1 for each in timings)
    return {"timing": first.timing, "device": first.device, "rows": len(timings), "alone": alone}


def _measured(
    label: str, trial: int | None, searched: StudyResult, result: ConfirmationResult, timing: TrialRecord | None
) -> _Measured:
    replicates = complete_replicates(result.trials, label)
    fractions = [each.metrics["sampled_fraction"] for each in replicates.values() if "sampled_fraction" in each.metrics]

    def estimate(name: str) -> Estimate | None:
        if result.study["timed"] and name in _TIMED:
            return timed(timing.metrics, name, fractions) if timing else None
        return over_seeds(replicates, name)

    return _Measured(
        label=label,
        record=None if trial is None else searched.trials[trial],
        replicates=replicates,
        timing=timing,
        estimates={each.name: estimate(each.name) for each in searched.objectives},
    )


def _row(row: _Measured, points: Sequence[_Measured], objectives: Sequence[Objective], plain: set[int]) -> ConfirmedRow:
    record, timing = row.record, row.timing
    confirmed = _means(row.estimates)
    others = [other.known for other in points if other is not row and other.known]
    return ConfirmedRow(
        trial=record.number if record else None,
        label=row.label,
        plain_front=record is not None and record.number in plain,
        searched=dict(record.values) if record else None,
        confirmed=confirmed,
        interval={name: each.interval if each else None for name, each in row.estimates.items()},
        shrinkage=_shrinkage(record, confirmed) if record else None,
        test_accuracy=_test_accuracy(row.replicates),
        seeds=len(row.replicates),
        on_front=not any(_excludes(each, row.known, objectives) for each in others) if row.known else None,
        replicates=_replicates(record, row.known, others, objectives) if record and row.known else None,
        alone=timing.metrics.get("alone") == 1 if timing else None,
        device=timing.params["device"] if timing else None,
        timing=dict(timing.metrics) if timing else None,
    )


def _means(estimates: Estimates) -> dict[str, float | None]:
    return {name: each.mean if each else None for name, each in estimates.items()}


def _shrinkage(record: TrialRecord, confirmed: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else value - record.values[name] for name, value in confirmed.items()}


def _test_accuracy(replicates: Mapping[int, TrialRecord]) -> Accuracy | None:
    estimate = over_seeds(replicates, "test_accuracy")
    if estimate is None:
        return None
    std = stdev(estimate.by_seed.values()) if len(estimate.by_seed) > 1 else None
    return {"mean": estimate.mean, "std": std, "interval": estimate.interval}


def _verdicts(
    ours: Mapping[str, Estimate], theirs: Mapping[str, Estimate], objectives: Sequence[Objective]
) -> list[int]:
    """Return for each objective 1 where ours is significantly better, -1 where it is worse, 0 where it is neither."""
    verdicts = []
    for each in objectives:
        low, high = difference(ours[each.name], theirs[each.name])
        verdicts.append(int(-each.sign) * (int(low > 0) - int(high < 0)))
    return verdicts


def _excludes(ours: Mapping[str, Estimate], theirs: Mapping[str, Estimate], objectives: Sequence[Objective]) -> bool:
    """Return whether ours dominates by its means, in one objective significantly.

    choice: a loss counts however small. Few seeds have wide intervals, and could show none to be significant.
    """
    losing = any(each.sign * (ours[each.name].mean - theirs[each.name].mean) > 0 for each in objectives)
    return 1 in _verdicts(ours, theirs, objectives) and not losing


def _replicates(
    record: TrialRecord,
    estimates: Mapping[str, Estimate],
    others: Iterable[Mapping[str, Estimate]],
    objectives: Sequence[Objective],
) -> bool:
    for name, estimate in estimates.items():
        half = QUANTILE * record.errors[name]
        searched = (record.values[name] - half, record.values[name] + half)
        if not overlap(searched, estimate.interval or (estimate.mean, estimate.mean)):
            return False
    return not any(set(_verdicts(each, estimates, objectives)) == {1} for each in others)


def _pick(points: Sequence[_Measured], objectives: Sequence[Objective]) -> Pick | None:
    """Return the point at the knee of the confirmed means; the test set has no part in it."""
    known = sorted((row for row in points if row.known), key=lambda row: row.record.number if row.record else -1)
    if not known:
        return None
    estimates = [row.known or {} for row in known]
    means = [{name: each.mean for name, each in row.items()} for row in estimates]
    picked = known[knee(means, objectives)]
    return {
        "trial": picked.record.number if picked.record else None,
        "label": picked.label,
        "confirmed": _means(picked.estimates),
        "test_accuracy": _test_accuracy(picked.replicates),
        "left_out": fair_estimate(estimates, objectives),
    }
