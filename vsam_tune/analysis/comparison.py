"""The table of a study's baselines: one row a method, as in the paper's table 3, with differences to SAM.

Accuracies are means over replicates. Times are medians: on a machine that others use as well, one slow run would
move a mean of three by tens of percent.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, median, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsam_tune.analysis import paired_tests
from vsam_tune.analysis.definitions import RowDefinition, Settings
from vsam_tune.analysis.estimates import complete_replicates
from vsam_tune.analysis.published_tables import PaperRow, published_rows_for
from vsam_tune.analysis.rank_correlation import kendall_tau
from vsam_tune.analysis.results import BaselinesResult, TrialRecord
from vsam_tune.analysis.row_trials import Replicate

_SAM = "sam"


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedRow:
    """One method over its replicates; None for unknown values.

    Attributes:
        method: its label among the baselines.
        seeds: number of complete replicates.
        test_accuracy_mean: in percent.
        test_accuracy_std: sample standard deviation over the replicates, in points.
        sampled_fraction: fraction of sampled iterations, mean.
        ais: average images per second, median.
        percent_of_sam: `ais` in percent of SAM's.
        gradient_evaluations: per iteration, mean.
        paper: the paper's own run of this method on the compared task; without one, the result that the paper quotes.
        quoted: the result that the paper quotes from another paper, in addition to its own run.
        incomplete: number of replicates that are failed, diverged, running or waiting.
        sampling_number: iterations with a second gradient, mean.
        ais_std: sample standard deviation over the replicates.
        ais_vs_sam: AIS over SAM's in the same minutes of each replicate, mean.
        ais_vs_sam_error: one standard error of `ais_vs_sam`, from the errors of the replicates.
        forward_passes: passes without a backward pass per iteration, mean.
        seconds: of training in one replicate, without evaluations; median.
        seconds_std: sample standard deviation over the replicates.
        epochs: trained in one replicate, mean.
        trial: number of the picked trial in the search; None for a method at its defaults.
        difference_to_sam: mean of the differences in test accuracy to SAM's replicates of the same number, in points.
        difference_low: lower end of its 95 % t-interval.
        difference_high: upper end.
        p_value: of the signed-rank test of these differences, corrected for all rows (Holm).
    """

    method: str
    seeds: int
    test_accuracy_mean: float | None
    test_accuracy_std: float | None
    sampled_fraction: float | None
    ais: float | None
    percent_of_sam: float | None
    gradient_evaluations: float | None
    paper: PaperRow | None
    quoted: PaperRow | None
    incomplete: int
    sampling_number: float | None
    ais_std: float | None
    ais_vs_sam: float | None
    ais_vs_sam_error: float | None
    forward_passes: float | None
    seconds: float | None
    seconds_std: float | None
    epochs: float | None
    trial: int | None
    difference_to_sam: float | None
    difference_low: float | None
    difference_high: float | None
    p_value: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The table of a study's baselines.

    Attributes:
        study: its name.
        task: its resolved `task:`.
        rows: in the order of the baselines.
        sam: the label of the row that the others are compared with: `sam`, or else the first of that method; None
            without such a row.
        pairs: by method, how many replicates it has in common with SAM; SAM itself left out.
    """

    study: str
    task: Settings
    rows: tuple[ComparedRow, ...]
    sam: str | None
    pairs: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return the object that `compare --format json` prints; other tools rely on its keys."""
        return {"study": self.study, "task": dict(self.task), "rows": [_row_json(row) for row in self.rows]}

    def rank_correlation(self) -> tuple[float | None, int]:
        """Return Kendall's tau-b between the methods' order by test accuracy here and in the paper's own runs.

        Returns:
            (tau, number of methods); a row of the paper counts once, with the first method that it belongs to. None
            for fewer than two, or where all are equal.
        """
        firsts: dict[PaperRow, float] = {}
        for row in self.rows:
            if row.paper is not None and not row.paper.quoted and row.test_accuracy_mean is not None:
                firsts.setdefault(row.paper, row.test_accuracy_mean)
        return kendall_tau(list(firsts.values()), [row.accuracy for row in firsts]), len(firsts)


def compare(result: BaselinesResult, paper: Sequence[PaperRow] = ()) -> Comparison:
    """Return the table of a study's baselines.

    Args:
        result: of the baselines. Of a replicate that was repeated the newest complete trial counts.
        paper: the rows of the paper's task to show with them.
    """
    entries = result.study["rows"]
    complete = {label: complete_replicates(result.trials, label) for label in entries}
    trained = {Replicate.from_params(trial.params) for trial in result.trials}
    started = {label: sum(each is not None and each.label == label for each in trained) for label in entries}
    sam = _sam(entries)
    of_sam = complete[sam] if sam else {}
    samples = {
        label: paired_tests.differences(_accuracies(records), _accuracies(of_sam))
        for label, records in complete.items()
        if label != sam
    }
    compared = {label: sample for label, sample in samples.items() if len(sample)}
    p_values = dict(zip(compared, paired_tests.corrected_p_values(list(compared.values())), strict=True))
    rows = [
        _row(
            label,
            entry,
            list(complete[label].values()),
            incomplete=started[label] - len(complete[label]),
            sam_ais=_median(of_sam.values(), "ais"),
            differences=compared.get(label),
            p_value=p_values.get(label),
            papers=published_rows_for(label, entry["method"], paper),
        )
        for label, entry in entries.items()
    ]
    pairs = {label: len(sample) for label, sample in samples.items()}
    return Comparison(study=result.name, task=result.study["task"], rows=tuple(rows), sam=sam, pairs=pairs)


def _sam(entries: Mapping[str, RowDefinition]) -> str | None:
    labels = [label for label, entry in entries.items() if entry["method"]["name"] == _SAM and entry["trial"] is None]
    return _SAM if _SAM in labels else next(iter(labels), None)


def _accuracies(records: Mapping[int, TrialRecord]) -> dict[int, float]:
    return {replicate: record.metrics["test_accuracy"] for replicate, record in records.items()}


def _row(
    label: str,
    entry: RowDefinition,
    records: Sequence[TrialRecord],
    *,
    incomplete: int,
    sam_ais: float | None,
    differences: NDArray[np.float64] | None,
    p_value: float | None,
    papers: tuple[PaperRow | None, PaperRow | None],
) -> ComparedRow:
    ais = _median(records, "ais")
    low, high = (None if differences is None else paired_tests.mean_interval(differences)) or (None, None)
    own, quoted = papers
    return ComparedRow(
        method=label,
        seeds=len(records),
        test_accuracy_mean=_mean(records, "test_accuracy"),
        test_accuracy_std=_std(records, "test_accuracy"),
        sampled_fraction=_mean(records, "sampled_fraction"),
        ais=ais,
        percent_of_sam=100 * ais / sam_ais if ais and sam_ais else None,
        gradient_evaluations=_mean(records, "gradient_evaluations"),
        paper=own or quoted,
        quoted=quoted if own else None,
        incomplete=incomplete,
        sampling_number=_sampling_number(records),
        ais_std=_std(records, "ais"),
        ais_vs_sam=_mean(records, "ais_vs_sam"),
        ais_vs_sam_error=_error_of_mean(records, "ais_vs_sam"),
        forward_passes=_mean(records, "forward_passes"),
        seconds=_median(records, "train_seconds"),
        seconds_std=_std(records, "train_seconds"),
        epochs=_mean(records, "epoch"),
        trial=entry["trial"],
        difference_to_sam=None if differences is None else float(differences.mean()),
        difference_low=low,
        difference_high=high,
        p_value=p_value,
    )


def _values(records: Iterable[TrialRecord], name: str) -> list[float]:
    return [float(record.metrics[name]) for record in records if name in record.metrics]


def _mean(records: Iterable[TrialRecord], name: str) -> float | None:
    values = _values(records, name)
    return mean(values) if values else None


def _median(records: Iterable[TrialRecord], name: str) -> float | None:
    values = _values(records, name)
    return median(values) if values else None


def _std(records: Iterable[TrialRecord], name: str) -> float | None:
    values = _values(records, name)
    return stdev(values) if len(values) > 1 else None


def _error_of_mean(records: Iterable[TrialRecord], name: str) -> float | None:
    """Return the standard error of a mean over replicates, each with an error of its own."""
    errors = _values(records, f"{name}_error")
    return math.hypot(*errors) / len(errors) if errors else None


def _sampling_number(records: Iterable[TrialRecord]) -> float | None:
    held = [record.metrics for record in records if "sampled_fraction" in record.metrics]
    return mean(round(metrics["sampled_fraction"] * metrics["iteration"]) for metrics in held) if held else None


def _row_json(row: ComparedRow) -> dict[str, Any]:
    papers = {name: held and held.as_json() for name, held in (("paper", row.paper), ("quoted", row.quoted))}
    return {**asdict(row), **papers}
