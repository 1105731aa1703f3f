"""The reports of running trials, each read once, when it arrives."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

from ray.tune import Stopper
from typing_extensions import override

from vsam_tune import interruption
from vsam_tune.study.scheduling.not_pickled import NotPickled
from vsam_tune.trial import Report, metrics_of, refused

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A report as everything in the driver sees it.

    Attributes:
        metrics: finite numbers by name, as `metrics_of` reads them.
        report: itself, for the entries that are no metrics, such as `done` and `unreliable_reason`.
    """

    metrics: dict[str, float]
    report: Report


NOTHING = Arrival({}, {})  # of a trial that has not reported yet


class Arrivals(NotPickled, Stopper):
    """Reads each report of a trial once, and keeps the newest one of each running trial.

    Ray asks its stopper about every report, and does so before the trial scheduler, the searcher and the callbacks see
    it. No other hook comes first: the trial scheduler never sees the last report of a trial.
    This one stops no trial by itself; it stops all when a signal asked for that.
    """

    def __init__(self) -> None:
        self._newest: dict[str, Arrival] = {}
        self._named: set[str] = set()

    @override
    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Read a report, remove the values that are no numbers, and name each of them once.

        Args:
            trial_id: Ray's.
            result: the report, nested as the trainable gave it. Ray averages its numbers later, and would fail at an
                integer beyond the range of floats.

        Returns:
            False: the trial goes on, as far as this is asked.
        """
        reasons = refused(result)
        for name, reason in reasons.items():
            if name not in self._named:
                logger.warning("a trial reports `%s`, which is %s: it is no metric, and is left out", name, reason)
        self._named |= reasons.keys()
        _remove(result, reasons.keys())
        self._newest[trial_id] = Arrival(metrics_of(result), cast("Report", dict(result)))
        return False

    @override
    def stop_all(self) -> bool:
        return interruption.requested()

    def newest(self, trial_id: str) -> Arrival:
        """Return the newest report of a trial."""
        return self._newest.get(trial_id, NOTHING)

    def rename(self, former: str, now: str) -> None:
        """Keep the newest report of a trial that starts again under another id of Ray's."""
        if former in self._newest:
            self._newest[now] = self._newest.pop(former)

    def forget(self, trial_id: str) -> None:
        """Drop the report of a trial that has ended."""
        self._newest.pop(trial_id, None)


def _remove(report: dict[str, Any], names: Collection[str], path: str = "") -> None:
    for key, value in list(report.items()):
        if isinstance(value, dict):
            _remove(value, names, f"{path}{key}/")
        elif f"{path}{key}" in names:
            del report[key]
