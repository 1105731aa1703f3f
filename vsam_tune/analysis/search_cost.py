"""What a search has cost: hours and epochs of its trials, and which part of them the front does not show."""

from collections.abc import Iterable
from typing import TypedDict

from vsam_tune.analysis.results import TrialRecord

_HOUR = 3600.0


class SearchCost(TypedDict):
    """The cost of the trials that have ended.

    Attributes:
        hours: of all of them, each from its first start to its end, pauses included; trials that ran side by side add
            up.
        stopped_hours: of those that were stopped or diverged.
        failed_hours: of those that failed.
        sam_probe_hours: of the SAM probe, which measures AIS over SAM's in a trial.
        epochs: trained by all of them.
        stopped_epochs: trained by those that were stopped or diverged.
    """

    hours: float
    stopped_hours: float
    failed_hours: float
    sam_probe_hours: float
    epochs: int
    stopped_epochs: int


def search_cost(trials: Iterable[TrialRecord]) -> SearchCost:
    """Return what trials have cost; those that have not ended count for nothing.

    Args:
        trials: in any state. `reference_seconds` of a trial with replicates is a mean over those that ended.
    """
    ended = [trial for trial in trials if trial.has_ended]
    stopped = [trial for trial in ended if trial.state == "pruned"]
    failed = [trial for trial in ended if trial.state == "fail"]
    return SearchCost(
        hours=_hours(ended),
        stopped_hours=_hours(stopped),
        failed_hours=_hours(failed),
        sam_probe_hours=sum(_probe_seconds(trial) for trial in ended) / _HOUR,
        epochs=sum(trial.epochs for trial in ended),
        stopped_epochs=sum(trial.epochs for trial in stopped),
    )


def _hours(trials: Iterable[TrialRecord]) -> float:
    return sum(trial.seconds or 0.0 for trial in trials) / _HOUR


def _probe_seconds(trial: TrialRecord) -> float:
    return trial.metrics.get("reference_seconds", 0.0) * max(1.0, trial.metrics.get("replicates", 1.0))
