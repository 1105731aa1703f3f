"""One simulated search: the classes of a real one, on recorded curves, a simulated clock and any number of workers."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
from ray.tune.schedulers import TrialScheduler as RayScheduler

from vsam_tune.analysis import pareto
from vsam_tune.study.file.sections import Budget, Resources, Sampler, TrialScheduler
from vsam_tune.study.scheduling.build import build_sampler, build_trial_scheduler
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.scheduling.rungs import rungs_of
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.scheduling.trial_scheduler import StudyScheduler
from vsam_tune.study.simulation.recorded_sampler import RecordedSampler
from vsam_tune.study.simulation.recording import Recording
from vsam_tune.study.storage.study_storage import StudyStorage


@dataclass(slots=True)
class Progress:
    """What a search had reached when it had trained so many epochs.

    Attributes:
        epochs: over all trials.
        seconds: of the simulated clock.
        hypervolume: of the finished trials, as a part of that of all recorded trials, in [0, 1].
        finished: trials that were trained to their end.
        started: trials in all.
    """

    epochs: int
    seconds: float
    hypervolume: float
    finished: int
    started: int


@dataclass(slots=True)
class _Run:
    """A trial that runs: its worker has trained it up to `epoch`."""

    number: int
    trial: int  # of the recording
    ray_id: str
    epoch: int


@dataclass(slots=True)
class _Log:
    """What has happened so far."""

    epochs: int = 0
    completions: list[tuple[int, float, int]] = field(default_factory=list)  # (epochs, seconds, recorded trial)
    marks: list[tuple[int, float, int]] = field(default_factory=list)  # (epochs, seconds, started trials)


def simulate(
    recording: Recording,
    *,
    sampler: Sampler,
    trial_scheduler: TrialScheduler,
    workers: int,
    budgets: Sequence[int],
) -> list[Progress]:
    """Search a recording once.

    Args:
        recording: complete curves.
        sampler: its seed is that of the whole run.
        trial_scheduler: as in a study file.
        workers: trials at a time.
        budgets: epochs over all trials at which to look, ascending.

    Returns:
        What was reached at each budget; a search that has tried all recorded trials before stays where it is.
    """
    plan = _plan(recording, sampler, trial_scheduler)
    storage = _in_memory(plan)
    recorded = RecordedSampler(build_sampler(sampler, space=recording.space, trials_so_far=0), recording, sampler.seed)
    storage.use_sampler(recorded)
    searcher = OptunaSearcher(storage, plan, folder=Path("/simulated"), workers=workers, stamps={}, clock=lambda: 0.0)
    driver = _Driver(recording, recorded, searcher, build_trial_scheduler(plan, storage, searcher), plan)
    driver.run(max(budgets))
    return _progress(recording, driver.log, budgets)


class _Driver:
    """Calls searcher and trial scheduler as Ray's controller does."""

    def __init__(
        self,
        recording: Recording,
        recorded: RecordedSampler,
        searcher: OptunaSearcher,
        scheduler: StudyScheduler,
        plan: Plan,
    ) -> None:
        self._recording, self._recorded, self._searcher, self._scheduler = recording, recorded, searcher, scheduler
        self._asked = frozenset(rungs_of(plan.trial_scheduler, plan.epochs))
        self._epochs_done: dict[int, int] = {}  # of trials that may go on, by number
        self._events: list[tuple[float, int, _Run]] = []
        self._ids = count()
        self.log = _Log()

    def run(self, budget: int) -> None:
        clock = 0.0
        self._start(clock)
        while self._events and self.log.epochs < budget:
            clock, _, run = heapq.heappop(self._events)
            run.epoch += 1
            self.log.epochs += 1
            if self._ends(run, clock):
                self._start(clock)
            else:
                self._next_epoch(run, clock)
            self.log.marks.append((self.log.epochs, clock, len(self._recorded.taken)))

    def _start(self, clock: float) -> None:
        """Give every free worker a trial."""
        while True:
            ray_id = str(next(self._ids))
            config: Any = self._searcher.suggest(ray_id)
            if not isinstance(config, dict):
                return
            number = config["number"]
            run = _Run(number, self._recorded.taken[number], ray_id, self._epochs_done.pop(number, 0))
            self._next_epoch(run, clock)

    def _next_epoch(self, run: _Run, clock: float) -> None:
        seconds = self._recording.seconds[run.trial]
        before = seconds[run.epoch - 1] if run.epoch else 0.0
        heapq.heappush(self._events, (clock + float(seconds[run.epoch] - before), next(self._ids), run))

    def _ends(self, run: _Run, clock: float) -> bool:
        """Report an epoch, where anybody listens; return whether the worker is free now."""
        done = run.epoch == self._recording.epochs
        if not done and run.epoch not in self._asked:
            return False
        result: Any = {**self._recording.point(run.trial, run.epoch), "done": done}
        self._searcher.arrivals(run.ray_id, result)
        if not done:
            ray_trial: Any = SimpleNamespace(trial_id=run.ray_id, config={"number": run.number})
            if self._scheduler.on_trial_result(None, ray_trial, result) != RayScheduler.STOP:
                return False
            self._epochs_done[run.number] = run.epoch
        self._searcher.on_trial_complete(trial_id=run.ray_id, result=result)
        if done:
            self.log.completions.append((self.log.epochs, clock, run.trial))
        return True


def _progress(recording: Recording, log: _Log, budgets: Sequence[int]) -> list[Progress]:
    losses = recording.losses()
    is_finite = np.isfinite(losses).all(axis=1)
    good = set(np.flatnonzero(is_finite).tolist())
    corner = pareto.reference_point(losses[is_finite])
    whole = pareto.hypervolume(losses[is_finite], corner)
    found = []
    for budget in budgets:
        finished = [trial for epochs, _, trial in log.completions if epochs <= budget and trial in good]
        reached = [mark for mark in log.marks if mark[0] <= budget] or [(0, 0.0, 0)]
        epochs, seconds, started = reached[-1]
        share = pareto.hypervolume(losses[finished], corner) / whole if finished and whole else 0.0
        found.append(Progress(epochs, seconds, min(share, 1.0), len(finished), started))
    return found


def _plan(recording: Recording, sampler: Sampler, trial_scheduler: TrialScheduler) -> Plan:
    objectives = [each.definition() for each in recording.objectives]
    resolved = {"objectives": objectives, "task": {"epochs": recording.epochs}}
    return Plan(
        name=recording.name,
        objectives=recording.objectives,
        space=recording.space,
        budget=Budget(trials=recording.num_trials),
        epochs=recording.epochs,
        resources=Resources(),
        sampler=sampler,
        trial_scheduler=trial_scheduler,
        tracking_uri=None,
        view={},
        trainable="",
        config=lambda params, number: {"seed": number, **params},
        resolved=resolved,
    )


def _in_memory(plan: Plan) -> StudyStorage:
    study = optuna.create_study(study_name=plan.name, directions=[each.direction for each in plan.objectives])
    study.set_user_attr("study", dict(plan.resolved))
    return StudyStorage(study)
