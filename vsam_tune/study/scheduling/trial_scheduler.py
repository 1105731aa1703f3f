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
from vsam_tune.study.scheduling.rungs import Decision, Rung, newest_rung, rows_met, with_averages_since
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
    `decide` asked, with the stored rows that were there at that time. Its decision is stored too, before it is acted
    on. Nothing is stored between rungs. A trial that `is_comparable` refuses for now goes on, without a row, and is
    asked again at its next report.

    What a subclass has to keep. `decide` is a pure function of its arguments, of settings and of what is stored: it
    draws nothing and reads no clock. Every value in a row is finite, and any metric may be missing from a row. It must
    not raise, since an exception in a hook ends the whole search. With one row the trial passes, unless that row lacks
    the metric. Rungs lie below the last epoch, so that no trial is stopped once its training is over.

    What happens at a restart. Rungs and decisions are rebuilt from the storage. A trial that goes on from a checkpoint
    may pass a rung for a second time: its row stays, and so does the decision. A driver that was killed between storing
    a decision and acting on it acts on it after the restart.

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
        self._decisions = {
            (int(epoch), record.number): Decision(**decision)
            for record in storage.records()
            for epoch, decision in record.decisions.items()
        }
        self._reset_failures: set[str] = set()  # that were logged
        searcher.ask_for_promotions(self.promotion)

    def decide(self, rung: Rung, epoch: int, number: int) -> Decision:  # noqa: ARG002 - for subclasses
        """Return whether a trial passes a rung.

        Args:
            rung: the rows that were stored up to the trial's own, which is among them.
            epoch: of the rung.
            number: of the trial.
        """
        return Decision(passes=True)

    def turn_away(self, trial_id: str, epoch: int) -> None:
        """Note that a trial does not pass a rung, and is stopped there.

        Args:
            trial_id: Ray's.
            epoch: of the rung.
        """
        self._searcher.stop(trial_id, f"trial scheduler at epoch {epoch}")

    def promotion(self, last: bool) -> int | None:  # noqa: ARG002, FBT001 - for subclasses; the searcher's only argument
        """Return the number of the paused trial that takes a free worker; None for none of them.

        Args:
            last: whether no new trial will start.
        """
        return None

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
        epoch = self._barred_at(optuna_trial, arrival)
        if epoch is not None:
            lacking = self.lacking(arrival)
            if lacking:
                self._searcher.stop(
                    trial.trial_id, f"trial scheduler at epoch {epoch}: no finite {lacking} was reported"
                )
            else:
                self.turn_away(trial.trial_id, epoch)
            return str(TrialScheduler.STOP)
        if self._racing and arrival.report.get("replicate_ended") and "replicates" in arrival.metrics:
            races_on = self._racing.advances(optuna_trial, arrival.metrics)
            return str(TrialScheduler.CONTINUE if races_on else TrialScheduler.STOP)
        return str(TrialScheduler.CONTINUE)

    def _barred_at(self, trial: Trial, arrival: Arrival) -> int | None:
        """Return the rung that a trial does not pass; None if it goes on.

        That may be a former one: a driver was killed between a decision there and acting on it, and the trial has gone
        on from its checkpoint since.
        """
        newest = newest_rung(self._rungs, arrival.metrics.get("epoch", 0))
        there = [epoch for epoch in self._rungs if epoch == newest or trial.number in self._recorded.get(epoch, ())]
        return next((epoch for epoch in there if not self._passes(trial, epoch, arrival)), None)

    def _passes(self, trial: Trial, epoch: int, arrival: Arrival) -> bool:
        """Store the trial's row of the rung, unless it is there; then decide."""
        number, rung = trial.number, self._recorded.setdefault(epoch, {})
        is_newest = number not in rung
        if is_newest:
            if not self.is_comparable(arrival):
                return True
            former = newest_rung([each for each in self._rungs if each < epoch], epoch)
            row = with_averages_since(arrival.metrics, self._recorded.get(former or 0, {}).get(number))
            rung[number] = self._storage.record_rung(trial, epoch, row)
        if (epoch, number) not in self._decisions:
            met = rung if is_newest else rows_met(rung, number)
            self.settle(trial, epoch, self.decide(met, epoch, number))
        return self._decisions[epoch, number].passes

    def settle(self, trial: Trial, epoch: int, decision: Decision) -> None:
        """Store a decision, before anything acts on it."""
        self._storage.record_decision(trial, epoch, decision.as_json())
        self._decisions[epoch, trial.number] = decision

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
