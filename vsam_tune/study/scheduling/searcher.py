"""The searcher: a Ray Tune `Searcher` on Optuna's ask and tell, so that Optuna's storage is the truth.

Ray's own `OptunaSearch` is not used: it records stopped trials as complete with their last values, leaves a trial with
a missing or non-finite metric running for ever, and keeps no link from Ray's trial to Optuna's (docs/search.md).
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.trial import Trial
from ray.tune.search import Searcher
from typing_extensions import override

from search_spaces.schema import Dimension
from vsam_tune.study.scheduling.arrivals import Arrivals
from vsam_tune.study.scheduling.budget import grid_exhausted
from vsam_tune.study.scheduling.failures import Consequence, Failure
from vsam_tune.study.scheduling.not_pickled import NotPickled
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.scheduling.spending import Spending
from vsam_tune.study.storage.folder import trial_folder
from vsam_tune.study.storage.study_storage import StudyStorage

logger = logging.getLogger(__name__)

_MAY_BE_UNRELIABLE = "ais_vs_sam"  # it could not be measured, which says nothing against the configuration
_UNKNOWN_DEATH = "the worker process died without an error message: it was killed, or ran out of memory"


class OptunaSearcher(NotPickled, Searcher):
    """Suggests configurations to Ray and records in Optuna how each trial ended.

    A trial that ended by itself with finite objectives is complete. One that the trial scheduler stopped is pruned, and
    keeps its rungs. One that diverged, or lacks a finite objective, is pruned and infeasible; it is feasible if only
    its speed is unreliable. One that crashed past its retries has failed. Partial values are never recorded as final.

    Args:
        storage: of the study, opened with its sampler.
        plan: the trials.
        folder: the study's folder, absolute; every worker sees it.
        stamps: user attributes that every trial gets.
        workers: how many trials may run at once; while so many run, nothing is suggested.
        clock: returns seconds, for budgets of time.

    Attributes:
        arrivals: the newest report of each running trial.
        never_promoted: the numbers of the paused trials that were pruned when the budget was spent.
        completed: the numbers of the complete trials, in the order in which they ended.
        failures: how many trials have failed since this start.
    """

    def __init__(
        self,
        storage: StudyStorage,
        plan: Plan,
        *,
        folder: Path,
        workers: int,
        stamps: Mapping[str, Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._storage, self._plan, self._folder = storage, plan, folder
        self._workers, self._stamps = workers, stamps
        self._spending = Spending(storage, plan, clock)
        unfinished = storage.unfinished(plan.fixed_trials)
        self._paused: dict[int, tuple[Trial, int]] = {  # with the epoch of the rung, by number
            trial.number: (trial, int(epoch))
            for trial in unfinished
            if (epoch := trial.user_attrs.get("paused")) is not None
        }
        self._left_behind = deque(trial for trial in unfinished if trial.number not in self._paused)
        self._pausing: dict[int, int] = {}  # the epoch of the rung, by number
        self.never_promoted: list[int] = []
        self._promotion: Callable[[bool], int | None] = lambda _: None
        self._running: dict[str, Trial] = {}  # by Ray's trial id
        self._stopped: dict[int, str] = {}  # why, by number
        self.arrivals = Arrivals()
        self._noted: dict[str, Failure] = {}  # by Ray's trial id
        self._num_failures: Counter[int] = Counter()  # by number
        self._again: deque[tuple[Trial, str]] = deque()  # trials to start again, and their former Ray trial id
        self._num_ended = storage.num_trials("complete", "pruned")
        self.completed = [record.number for record in storage.records() if record.state == "complete"]
        self.failures = 0

    @override
    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        return True  # the objectives are the study's, not the Tuner's

    @override
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override] # Ray means FINISHED too
        if len(self._running) >= self._workers:
            return None
        if self._again:
            trial, former_id = self._again.popleft()
            self.arrivals.rename(former_id, trial_id)
        elif self._left_behind:
            trial = self._left_behind.popleft()
            self._storage.annotate(trial, resumed=trial.user_attrs.get("resumed", 0) + 1)
        elif (promoted := self._promoted()) is not None:
            trial = promoted
        elif self._spent():
            # Ray asks no more after FINISHED, but a running trial may still fail and have to be replaced
            if self._running:
                return None
            if (promoted := self._promoted(last=True)) is None:
                self._end_paused()
                return Searcher.FINISHED
            trial = promoted
        else:
            fixed = self._plan.fixed_trials
            trial = self._storage.ask() if fixed is None else self._storage.take(fixed)
        params = self._params(trial)
        config = self._plan.trial_config(params, trial.number, str(self._folder / trial_folder(trial.number)))
        ids = [*trial.user_attrs.get("ray_trial_ids", []), trial_id]
        self._storage.annotate(trial, ray_trial_ids=ids, seed=config["seed"], **self._stamps)
        self._running[trial_id] = trial
        self._spending.begin(trial_id, trial.number)
        return dict(config)

    def _params(self, trial: Trial) -> dict[str, Any]:
        if self._plan.fixed_trials is not None:  # Optuna would refuse choices that grow from start to start
            return self._storage.enqueued(trial)
        return suggest_params(trial, self._plan.space, self._plan.fixed)

    def ask_for_promotions(self, promotion: Callable[[bool], int | None]) -> None:
        """Ask this for a paused trial that goes on, before a new trial starts and when no new one will.

        Args:
            promotion: (whether no new trial will start) -> number of a paused trial; None for none.
        """
        self._promotion = promotion

    @property
    def paused(self) -> dict[int, int]:
        """The epoch of the rung at which a trial waits for a promotion, by number."""
        return {number: epoch for number, (_, epoch) in self._paused.items()}

    def paused_trial(self, number: int) -> Trial:
        """Return a trial that waits for a promotion."""
        return self._paused[number][0]

    def _promoted(self, *, last: bool = False) -> Trial | None:
        if not self._paused or self.given_up() or self._spending.exhausted(self._num_ended):
            return None
        number = self._promotion(last)
        if number is None:
            return None
        trial, _ = self._paused.pop(number)
        self._storage.annotate(trial, paused=None)
        return trial

    def _spent(self) -> bool:
        if self.given_up():
            return True
        if self._plan.fixed_trials is not None:
            return not self._storage.num_waiting(self._plan.fixed_trials)
        trials, started = self._plan.budget.trials, self._num_ended + len(self._running) + len(self._paused)
        if (trials is not None and started >= trials) or self._spending.exhausted(self._num_ended):
            return True
        return grid_exhausted(self._plan, self._storage)

    def given_up(self) -> bool:
        """Return whether trials fail too often to go on: 3 more failures than successes."""
        return self.failures >= 3 + self._num_ended

    def stop(self, trial_id: str, reason: str) -> None:
        """Note why the trial scheduler is about to stop a trial."""
        self._stopped[self._running[trial_id].number] = reason

    def pause(self, trial_id: str, epoch: int) -> None:
        """Note that the trial scheduler is about to end a Ray trial whose trial may go on later.

        Args:
            trial_id: Ray's.
            epoch: of the rung at which the trial waits.
        """
        self._pausing[self._running[trial_id].number] = epoch

    def _end_paused(self) -> None:
        """Prune the trials that wait for a promotion, since there will be none; if too many failed, they may go on."""
        for number in [] if self.given_up() else sorted(self._paused):
            trial, epoch = self._paused.pop(number)
            metrics = trial.user_attrs.get("metrics", {})
            self._storage.prune(trial, f"trial scheduler at epoch {epoch}", metrics, diverged=False)
            self._num_ended += 1
            self.never_promoted.append(number)

    def note_failure(self, trial_id: str, failure: Failure) -> Failure:
        """Note why a Ray trial failed; `on_trial_complete` follows.

        Args:
            trial_id: Ray's.
            failure: as Ray has it.

        Returns:
            The noted failure: with the text of the worker's `error.txt` in the trial's folder, if there is one.
        """
        path = self._folder / trial_folder(self._running[trial_id].number) / "error.txt"
        text = path.read_text(encoding="utf-8").strip() if path.exists() else failure.text
        self._noted[trial_id] = replace(failure, text=text or _UNKNOWN_DEATH)
        return self._noted[trial_id]

    def trial(self, trial_id: str) -> Trial:
        """Return the Optuna trial of a running Ray trial."""
        return self._running[trial_id]

    @override
    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,
    ) -> None:
        trial = self._running.pop(trial_id, None)
        if trial is None:
            return
        self._spending.release(trial_id)
        failure = self._noted.pop(trial_id, Failure(_UNKNOWN_DEATH)) if error else None
        if failure is not None and self._starts_again(trial, failure):
            self._again.append((trial, trial_id))
            return
        newest = self.arrivals.newest(trial_id)
        self.arrivals.forget(trial_id)
        metrics, report = newest.metrics, newest.report
        self._spending.end(trial.number, metrics)
        if failure is not None:
            self.failures += 1
            self._storage.fail(trial, failure.text, metrics)
            return
        if trial.number in self._pausing and "diverged" not in report:
            epoch = self._pausing.pop(trial.number)
            self._paused[trial.number] = trial, epoch
            self._storage.annotate(trial, metrics=metrics, paused=epoch)
            return
        self._num_ended += 1
        names = [each.name for each in self._plan.objectives]
        missing = [name for name in names if name not in metrics]
        stopped = self._stopped.pop(trial.number, None)
        if "diverged" in report:
            reason = f"diverged at iteration {metrics.get('diverged', report['diverged'])}"
            self._storage.prune(trial, reason, metrics, diverged=True)
        elif stopped is not None:
            self._storage.prune(trial, stopped, metrics, diverged=False)
        elif missing:
            unreliable = report.get("unreliable_reason") if missing == [_MAY_BE_UNRELIABLE] else None
            reason = f"no finite {', '.join(missing)} was reported" + (f": {unreliable}" if unreliable else "")
            self._storage.prune(trial, reason, metrics, diverged=not unreliable)
        else:
            self._storage.complete(trial, [float(metrics[name]) for name in names], metrics)
            self.completed.append(trial.number)

    def note_interruption(self) -> None:
        """Store the newest metrics of the trials that were interrupted; the next start resumes them."""
        for trial_id, trial in self._running.items():
            self._storage.annotate(trial, metrics=self.arrivals.newest(trial_id).metrics)
            self._spending.release(trial_id)

    def _starts_again(self, trial: Trial, failure: Failure) -> bool:
        """Return whether a trial starts again after a failure, which is counted."""
        if failure.consequence is Consequence.NEW_WORKER:
            return True
        self._num_failures[trial.number] += 1
        retries = self._plan.resources.retries
        return failure.consequence is Consequence.RETRY and self._num_failures[trial.number] <= retries

    @override
    def save(self, checkpoint_path: str) -> None:
        """Do nothing: every step is in Optuna's storage already."""

    @override
    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: a restart reads Optuna's storage (`StudyStorage.unfinished`)."""


def suggest_params(trial: Trial, space: Mapping[str, Dimension], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each dimension whose condition holds; the trial keeps values that it has already.

    Args:
        trial: a running one.
        space: by parameter name; each follows those that its condition names.
        fixed: the settings that are not searched, which a condition may also name.
    """
    params: dict[str, Any] = {}
    for name, dimension in space.items():
        known = {**fixed, **params}
        if dimension.applies(known):
            params[name] = _suggest(trial, name, dimension)
    return params


def _suggest(trial: Trial, name: str, dimension: Dimension) -> Any:  # noqa: ANN401 - of the dimension's type
    match dimension.type:
        case "float":
            return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log, step=dimension.step)
        case "int":
            return trial.suggest_int(name, dimension.low, dimension.high, log=dimension.log, step=dimension.step or 1)
        case "categorical":
            return trial.suggest_categorical(name, list(dimension.choices))
