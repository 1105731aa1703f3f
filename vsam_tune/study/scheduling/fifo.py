"""FIFO: every trial runs to its end. And what all our trial schedulers do besides: hear of failures, and race."""

import logging
import re
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from typing_extensions import override

from vsam_tune.study.scheduling.not_pickled import NotPickled
from vsam_tune.study.scheduling.racing import Racing
from vsam_tune.study.scheduling.searcher import OptunaSearcher

logger = logging.getLogger(__name__)


class Fifo(NotPickled, FIFOScheduler):
    """Trains every trial's first replicate to its end, and tells the searcher what a failing trial raised.

    Ray tells a searcher only that a trial failed; the trial scheduler is told just before, with the trial. A trial that
    a race ends is stopped without a word to the searcher: with the replicates that it has it is complete.

    Args:
        searcher: is told why a trial failed.
        racing: decides on further replicates of a trial; None to train them all.
    """

    def __init__(self, searcher: OptunaSearcher, racing: Racing | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Ray leaves it untyped
        self._searcher, self._racing = searcher, racing

    @override
    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        return True  # the objectives are the study's, not the Tuner's

    @override
    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        newest = self._searcher.arrivals.newest(trial.trial_id)
        racing = self._racing if newest.report.get("replicate_ended") and not newest.report.get("done") else None
        if racing is None or racing.advances(self._searcher.trial(trial.trial_id), newest.metrics):
            return str(TrialScheduler.CONTINUE)
        return str(TrialScheduler.STOP)

    @override
    def on_trial_error(self, tune_controller: Any, trial: RayTrial) -> None:
        error = self._searcher.note_error(trial.trial_id, _newest_error(trial))
        logger.warning("trial %s failed: %s", trial.config["number"], error.splitlines()[-1])


def _newest_error(trial: RayTrial) -> str:
    """Return what Ray wrote of a trial's newest failure; empty where its worker process is gone."""
    if not trial.error_file:
        return ""
    _, _, newest = Path(trial.error_file).read_text().rpartition("Failure # ")
    _, _, text = newest.partition("\n")  # the line that begins with "Failure #" holds a count and a date
    text = re.sub(r"\x1b\[\d+m", "", text).strip()  # it is coloured
    return "" if "died unexpectedly" in text.partition("\n")[0] else text
