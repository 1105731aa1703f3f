"""The runner: one life cycle for every job. Ray executes, the searcher suggests, the storage keeps, MLflow displays."""

import functools
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

from vsam_tune.analysis.results import StudyResult
from vsam_tune.atomic_file import write_text
from vsam_tune.errors import InputError
from vsam_tune.interruption import stopping_gently
from vsam_tune.machine.hardware import workers_in_memory
from vsam_tune.study.execution.events import Listener, TrialEvents
from vsam_tune.study.execution.folder_lock import locked
from vsam_tune.study.execution.oversubscription import oversubscription_warnings
from vsam_tune.study.execution.preflight import preflight, resolve
from vsam_tune.study.execution.provenance import Provenance, provenance, provenance_tags
from vsam_tune.study.execution.ray_cluster import connect, num_fitting, start_local
from vsam_tune.study.scheduling.budget import budget_spent
from vsam_tune.study.scheduling.build import build_sampler, build_trial_scheduler
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.scheduling.trial_scheduler import StudyScheduler
from vsam_tune.study.storage.folder import RESOLVED, trial_folder
from vsam_tune.study.storage.stored_study import definition_text, find_result
from vsam_tune.study.storage.study_storage import StudyStorage
from vsam_tune.study.tracking.completeness import store_lacks_a_part
from vsam_tune.study.tracking.writer import MlflowTracking

logger = logging.getLogger(__name__)

Outcome = Literal["finished before", "finished", "interrupted"]
_FINISHED_BEFORE: Outcome = "finished before"

_RAYS_FOLDER = "ray"  # in the study's folder, while trials run


class Job(Protocol):
    """A search, baselines, a confirmation or a final training, as the runner needs it.

    In one start the runner calls `check_against`, then `extent`, then draws from `plans`; for each plan that has trials
    left it calls `warnings`. It holds the lock of the job's folder from the first call to the last.
    """

    @property
    def suffix(self) -> str:
        """Follows the name of the study's folder in the name of the Optuna study; empty for the search itself."""

    @property
    def folder(self) -> str:
        """Where the files of its trials are, relative to the study's folder; empty for the study's folder itself."""

    def check_against(self, stored: StudyResult | None) -> None:
        """Compare the job with the stored definition and trials of former starts, and change nothing.

        Args:
            stored: definition and trials of the job's Optuna study; None at the first start.

        Raises:
            InputError: if the stored definition differs, with one line a key; or if the job cannot be done.
        """

    def extent(self, stored: StudyResult | None) -> tuple[int | None, int]:
        """Return how many trials there will be, None if that is not known, and how many of them have ended."""

    def plans(self) -> Iterator[Plan]:
        """Yield plans that share a definition, one at a time: the next is drawn when all trials of the last ended."""

    def warnings(self, facts: Mapping[str, float]) -> list[str]:
        """Return a line for each setting that will not work as intended.

        Args:
            facts: the answer of the trainable's `check`.
        """


class Runner:
    """Runs jobs in the folder of a study.

    Args:
        home: the study's folder, with its database and its MLflow store; created if need be.
    """

    def __init__(self, home: Path) -> None:
        self._home = home.absolute()

    def run(
        self,
        job: Job,
        *,
        listeners: Sequence[Listener] = (),
        workers: int | None = None,
        address: str | None = None,
    ) -> tuple[StudyResult, Outcome]:
        """Run the trials of a job that have not ended; a job that was interrupted goes on.

        Args:
            job: a search, baselines, a confirmation or a final training.
            listeners: are informed of trials as they go.
            workers: trials at a time; None for as many as the cluster holds.
            address: of an existing Ray cluster; None for one on this machine.

        Returns:
            All trials of the job's Optuna study, under the study's name; and whether nothing was left to do, or all is
            done now, or is not because the run was interrupted or too many trials failed.

        Raises:
            InputError: as the job raises it; if another process works in the folder, or it cannot be written to; if
                there is no such cluster, trainable or GPU; or as the trainable's `check` raised it.
            ValueError: if the job has no plan.
        """
        folder = self._home / job.folder
        with locked(folder):
            stored = find_result(self._home, job.suffix)
            job.check_against(stored)
            total, num_ended = job.extent(stored)
            for listener in listeners:
                listener.planned(total, num_ended)
            result, outcome = stored, _FINISHED_BEFORE
            for plan in job.plans():
                run = _PlanRun(plan, self._home, folder)
                storage = run.open_storage() if result else None
                if storage and budget_spent(plan, storage):
                    result = run.catch_up(storage)
                    continue
                run.warn(job, workers, address)  # asks the trainable before a first start stores anything
                result, storage = run.execute(storage, listeners, plan.workers or workers, address)
                outcome = "finished" if budget_spent(plan, storage) else "interrupted"
                if outcome == "interrupted":
                    break
        if result is None:
            raise ValueError("a job has at least one plan")
        return replace(result, name=self._home.name), outcome


def open_storage(plan: Plan, home: Path) -> StudyStorage:
    """Open the Optuna study of a plan or create it, with its definition, its starting points and its sampler.

    Args:
        plan: whose definition agrees with the one that is stored.
        home: the study's folder; it exists.

    Returns:
        The storage, ready for the searcher.
    """
    storage = StudyStorage.open(home, plan.name, resolved=plan.resolved, objectives=plan.objectives)
    storage.enqueue(plan.enqueued, again=plan.fixed_trials is not None)
    storage.use_sampler(build_sampler(plan.sampler, space=plan.space, trials_so_far=len(storage.records())))
    return storage


def export_definition(plan: Plan, folder: Path) -> None:
    """Write the definition to a file that people read and no program does; a failure is only logged."""
    path = folder / RESOLVED
    try:
        write_text(path, definition_text(plan.resolved))
    except OSError as error:
        logger.warning("%s cannot be written: %s; the study goes on without it", path, error.strerror)


class _PlanRun:
    """One start of one plan.

    Args:
        plan: the trials to run.
        home: the study's folder, absolute.
        folder: of the files of its trials, absolute.
    """

    def __init__(self, plan: Plan, home: Path, folder: Path) -> None:
        self._plan, self._home, self._folder = plan, home, folder

    @functools.cached_property
    def _provenance(self) -> Provenance:
        return provenance(self._plan)

    def open_storage(self) -> StudyStorage:
        """Open the storage; then export the definition."""
        storage = open_storage(self._plan, self._home)
        export_definition(self._plan, self._folder)
        return storage

    def warn(self, job: Job, workers: int | None, address: str | None) -> None:
        """Ask the trainable's `check`, and log the warnings."""
        lines = job.warnings(preflight(self._plan, time_iterations=False))
        if self._plan.fixed_trials is None:  # a search compares trials by their speed while they run
            lines = lines + oversubscription_warnings(self._plan.resources, workers=workers, address=address)
        for line in lines:
            logger.warning("%s", line)

    def execute(
        self, storage: StudyStorage | None, listeners: Sequence[Listener], workers: int | None, address: str | None
    ) -> tuple[StudyResult, StudyStorage]:
        """Run trials until the budget is spent, the user interrupts, or too many trials have failed.

        A first start stores nothing before Ray runs and a trial fits.

        Args:
            storage: None at a first start.
            listeners: are informed of trials as they go.
            workers: trials at a time; None for as many as fit.
            address: of an existing Ray cluster; None for one on this machine.

        Returns:
            The study as it is now, and its storage.
        """
        plan = self._plan
        trainable = resolve(plan.trainable)
        wanted = (workers or 1) * plan.resources.cpus
        with connect(address) if address else start_local(self._folder, cpus=wanted) as resources:
            fitting = num_fitting(plan.name, plan.resources, resources)
            if address is None:
                fitting = min(fitting, workers_in_memory())
            storage = storage or self.open_storage()
            tracking = self._tracking(storage)
            searcher = OptunaSearcher(
                storage, plan, folder=self._folder, workers=workers or fitting, stamps=self._provenance
            )
            events = TrialEvents(
                [*listeners, tracking], storage.record, searcher.arrivals, keep_checkpoints=plan.keep_checkpoints
            )
            with stopping_gently():
                _fit(plan, trainable, searcher, build_trial_scheduler(plan, storage, searcher), events, self._folder)
            searcher.note_interruption()
            for number in searcher.never_promoted:
                events.end(storage.record(number), self._folder / trial_folder(number))
        result = self._settled(storage)
        _close(tracking, result)
        return result, storage

    def catch_up(self, storage: StudyStorage) -> StudyResult:
        """Log the part that MLflow lacks of a plan that needs no more trials."""
        result = self._settled(storage)
        plan = self._plan
        if store_lacks_a_part(self._home, self._folder, plan.tracking_uri, result, plan.run_kind):
            _close(self._tracking(storage), result)
        return result

    def _settled(self, storage: StudyStorage) -> StudyResult:
        """Return the study as it is now, its reference point fixed if the budget is spent."""
        result = storage.result()
        if budget_spent(self._plan, storage) and (point := result.effective_reference_point()):
            storage.fix_reference_point(point)
        return storage.result()

    def _tracking(self, storage: StudyStorage) -> MlflowTracking:
        plan = self._plan
        return MlflowTracking(
            plan.tracking_uri,
            self._home.name,
            self._folder,
            home=self._home,
            kind=plan.run_kind,
            tags=plan.view,
            config=plan.config,
            run_tags=provenance_tags(self._provenance),
            start_of=lambda number: storage.record(number).started,
        )


def _close(tracking: MlflowTracking, result: StudyResult) -> None:
    if missing := tracking.close(result):
        logger.warning("MLflow lacks a part of this study (%s); the next start logs it", missing)


def _fit(
    plan: Plan,
    trainable: type[Any],
    searcher: OptunaSearcher,
    trial_scheduler: StudyScheduler,
    events: TrialEvents,
    folder: Path,
) -> None:
    from ray import tune  # noqa: PLC0415 - after Ray's environment is set

    from vsam_tune.study.execution.worker import reuses_workers, worker_class  # noqa: PLC0415 - imports ray.tune

    resources = {"cpu": plan.resources.cpus, "gpu": plan.resources.gpus}
    tuner = tune.Tuner(
        tune.with_resources(worker_class(trainable), resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=trial_scheduler,
            num_samples=-1,  # the searcher says when the budget is spent
            reuse_actors=reuses_workers(trainable),
            trial_dirname_creator=lambda trial: f"{trial.config['number']:05d}-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=_RAYS_FOLDER,
            storage_path=str(folder),
            stop=searcher.arrivals,
            callbacks=[events],
            failure_config=tune.FailureConfig(max_failures=0),  # the searcher starts a trial again
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except Exception as error:
        if (known := _known(error)) is not None:
            raise known from None
        raise
    finally:
        shutil.rmtree(folder / _RAYS_FOLDER, ignore_errors=True)  # nothing is ever restored from it


def _known(error: BaseException | None) -> InputError | None:
    """Return the error that a user can correct, such as a full disk, among those that Ray wrapped into another one."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error
