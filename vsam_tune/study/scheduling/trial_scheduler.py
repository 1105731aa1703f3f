"""The base of all trial schedulers: what each of them may rely on, and what it has to keep."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna.trial import Trial
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from typing_extensions import override

from vsam_tune.study.scheduling.arrivals import Arrival
from vsam_tune.study.scheduling.failures import REFUSED, Consequence, Failure, read_failure
from vsam_tune.study.scheduling.not_pickled import NotPickled
from vsam_tune.study.scheduling.racing import Racing
from vsam_tune.study.scheduling.rungs import Rung, newest_rung, rows_met
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.storage.study_storage import StudyStorage

logger = logging.getLogger(__name__)


class StudyScheduler(NotPickled, FIFOScheduler):
    """Decides after each report whether a trial goes on. A subclass says at which rungs, and who passes one.

    When hooks are called. Ray calls `on_trial_result` on the driver's thread for every report of a running trial but
    its last one, which has `done`. `Arrivals` has read the report by then, so all hooks see the same metrics. The trial
    is running in the storage, the searcher knows it, and the searcher and the callbacks hear of the report afterwards.
    Ray calls `on_trial_error` each time a trial fails, just before the searcher hears of it and decides on a retry.

    What happens at a rung. The first report at or past a rung is stored in the trial's row of that rung. Only then is
    `advances` asked, with the stored rows that were there at that time. Nothing is stored between rungs. A trial that
    `is_comparable` refuses for now goes on, without a row, and is asked again at its next report.

    What a subclass has to keep. `advances` is a pure function of its arguments and of settings: it draws nothing, reads
    no clock and keeps no state. Every value in a row is finite, and any metric may be missing from a row. It must not
    raise, since an exception in a hook ends the whole search. With one row it returns True, unless that row lacks
    the metric. Rungs lie below the last epoch, so that no trial is stopped once its training is over.

    What happens at a restart. The rungs are rebuilt from the storage. A trial that goes on from a checkpoint may pass a
    rung for a second time: its row stays, and the decision is the same as the first time. A driver that was killed
    between storing a row and acting on it acts on it after the restart.

    A trial that is stopped at a rung is pruned. The reason is the epoch, and the metrics that are `lacking`. Racing
    composes with every scheduler: where a replicate ends and the trial passes, the race decides on the next one. A
    trial that a race ends is complete with the replicates that it has, so the searcher gets no reason.

    Args:
        storage: of the study; holds the rungs, also those of former drivers.
        searcher: knows the Optuna trial of each Ray trial.
        rungs: epochs at which trials are compared, ascending; none by default.
        racing: decides on further replicates of a trial; None to train them all.
    """

    def __init__(
        self,
        storage: StudyStorage,
        searcher: OptunaSearcher,
        *,
        rungs: Sequence[int] = (),
        racing: Racing | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Ray leaves it untyped
        self._storage, self._searcher, self._racing = storage, searcher, racing
        self._rungs, self._recorded = tuple(rungs), storage.rungs()
        self._reset_failures: set[str] = set()  # that were logged

    def advances(self, rung: Rung, number: int) -> bool:  # noqa: ARG002 - for subclasses
        """Return whether a trial passes a rung.

        Args:
            rung: the rows that were stored up to the trial's own, which is among them.
            number: of the trial.
        """
        return True

    def is_comparable(self, arrival: Arrival) -> bool:  # noqa: ARG002 - for subclasses
        """Return whether a report says enough to be compared at a rung."""
        return True

    def lacking(self, arrival: Arrival) -> str:  # noqa: ARG002 - for subclasses
        """Return the names of the metrics that a comparison needs and a report lacks; empty if there are none."""
        return ""

    @override
    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        return True  # the objectives are the study's, not the Tuner's

    @override
    def choose_trial_to_run(self, tune_controller: Any) -> RayTrial | None:
        """Return None: Ray starts pending trials in order by itself.

        A trial that is chosen here would get any worker that becomes free, and the worker that Ray is starting for it
        would be ended. With short trials, one worker would run all of them.
        """
        return None

    @override
    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        arrival = self._searcher.arrivals.newest(trial.trial_id)
        if arrival.report.get("done"):
            return str(TrialScheduler.CONTINUE)
        optuna_trial = self._searcher.trial(trial.trial_id)
        epoch = newest_rung(self._rungs, arrival.metrics.get("epoch", 0))
        if epoch is not None and not self._passes(optuna_trial, epoch, arrival):
            lacking = self.lacking(arrival)
            reason = f": no finite {lacking} was reported" if lacking else ""
            self._searcher.stop(trial.trial_id, f"trial scheduler at epoch {epoch}{reason}")
            return str(TrialScheduler.STOP)
        if self._racing and arrival.report.get("replicate_ended") and "replicates" in arrival.metrics:
            races_on = self._racing.advances(optuna_trial, arrival.metrics)
            return str(TrialScheduler.CONTINUE if races_on else TrialScheduler.STOP)
        return str(TrialScheduler.CONTINUE)

    def _passes(self, trial: Trial, epoch: int, arrival: Arrival) -> bool:
        """Store the trial's row of the rung, unless it is there; then decide."""
        rung = self._recorded.setdefault(epoch, {})
        if trial.number not in rung:
            if not self.is_comparable(arrival):
                return True
            rung[trial.number] = self._storage.record_rung(trial, epoch, arrival.metrics)
        return self.advances(rows_met(rung, trial.number), trial.number)

    @override
    def on_trial_error(self, tune_controller: Any, trial: RayTrial) -> None:
        failure = self._searcher.note_failure(trial.trial_id, _newest_failure(trial))
        reason = failure.text.splitlines()[-1]
        if failure.consequence is not Consequence.NEW_WORKER:
            logger.warning("trial %s failed: %s", trial.config["number"], reason)
        elif reason not in (REFUSED, *self._reset_failures):
            self._reset_failures.add(reason)
            logger.warning("reset_config failed: %s; the trial gets a new worker process instead", reason)


def _newest_failure(trial: RayTrial) -> Failure:
    if not trial.error_file:
        return Failure("")
    return read_failure(Path(trial.error_file).read_text(encoding="utf-8", errors="replace").splitlines())
