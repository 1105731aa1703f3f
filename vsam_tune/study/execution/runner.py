"""The runner: Ray executes, the searcher suggests, the storage keeps, MLflow displays. Goes on where it stopped."""

import logging
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vsam_tune.analysis.results import StudyResult
from vsam_tune.atomic_file import write_text
from vsam_tune.errors import InputError, problem
from vsam_tune.machine.hardware import device
from vsam_tune.study.execution.events import Listener, TrialEvents
from vsam_tune.study.execution.preflight import preflight, resolve
from vsam_tune.study.execution.ray_cluster import connect, start_local
from vsam_tune.study.scheduling.build import build_sampler, build_trial_scheduler
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.scheduling.trial_scheduler import StudyScheduler
from vsam_tune.study.storage.study_storage import RESOLVED, StudyStorage, definition_text, stored_definition
from vsam_tune.study.tracking.mlflow_store import stamp_tags
from vsam_tune.study.tracking.tracking_state import lacks_a_part
from vsam_tune.study.tracking.writer import MlflowTracking

logger = logging.getLogger(__name__)

_RAYS_FOLDER = "ray"  # in the study's folder, while trials run


class Run:
    """One start of a plan in its folder, which no other process may share meanwhile.

    Args:
        plan: what to run.
        folder: where its state is, created if need be.
        home: the study's folder, whose database and MLflow store it shares; None where that is `folder` itself.

    Raises:
        InputError: on entering, if another process works in the folder, or it cannot be written to.
    """

    def __init__(self, plan: Plan, folder: Path, home: Path | None = None) -> None:
        self.plan, self.folder = plan, folder.absolute()
        self.home = self.folder if home is None else home.absolute()
        self._lock = FileLock(self.folder / "lock", timeout=0)

    def __enter__(self) -> "Run":
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            fix = "wait for it, or end it"
            raise InputError(problem(self.folder, "", None, "another process works on this study", fix)) from error
        except OSError as error:
            rule = f"cannot be made a folder to write to: {error.strerror}"
            raise InputError(problem(self.folder, "", None, rule, "another --root DIR or --out DIR")) from error
        return self

    def __exit__(self, *exception: object) -> None:
        self._lock.release()

    def former(self) -> dict[str, Any] | None:
        """Return the definition that an earlier start stored in Optuna; None at the first start."""
        return stored_definition(self.home, self.plan.name.removeprefix(self.home.name))

    def open_storage(self) -> StudyStorage:
        """Open the study's storage or create it; then export the definition, for people to read."""
        plan = self.plan
        reader = StudyStorage.open(self.home, plan.name, resolved=plan.resolved, objectives=plan.objectives)
        reader.enqueue(plan.enqueued, again=plan.fixed_trials is not None)
        sampler = build_sampler(plan.sampler, trials_so_far=len(reader.records()))
        storage = StudyStorage.open(
            self.home, plan.name, resolved=plan.resolved, objectives=plan.objectives, sampler=sampler
        )
        self._export_definition()
        return storage

    def _export_definition(self) -> None:
        """Write `study.resolved.yaml`, which people read and no program does."""
        path = self.folder / RESOLVED
        try:
            write_text(path, definition_text(self.plan.resolved))
        except OSError as error:
            logger.warning("%s cannot be written: %s; the study goes on without it", path, error.strerror)

    def execute(
        self,
        storage: StudyStorage,
        *,
        listeners: Sequence[Listener] = (),
        workers: int | None = None,
        address: str | None = None,
    ) -> StudyResult:
        """Run trials until the plan's budget is spent.

        Args:
            storage: as `open_storage` returned it.
            listeners: hear of trials as they go.
            workers: trials side by side; None for as many as the cluster holds.
            address: of an existing Ray cluster; None for one on this machine.

        Returns:
            The study as it stands; the budget may be unspent when it was interrupted, or too many trials failed.

        Raises:
            InputError: if there is no such cluster, trainable or GPU.
        """
        plan = self.plan
        trainable = resolve(plan.trainable)
        marks = stamps(plan)
        tracking = self._tracking(marks)
        wanted = (workers or 1) * plan.resources.cpus
        with connect(address) if address else start_local(self.folder, cpus=wanted) as resources:
            fitting = _workers(plan, resources)
            workers = workers or fitting
            searcher = OptunaSearcher(storage, plan, folder=self.folder, workers=workers, stamps=marks)
            events = TrialEvents(
                [*listeners, tracking], storage.record, searcher.arrivals, keep_checkpoints=plan.keep_checkpoints
            )
            _fit(plan, trainable, searcher, build_trial_scheduler(plan, storage, searcher), events, self.folder)
        result = self._settled(storage)
        _close(tracking, result)
        return result

    def finish(
        self,
        *,
        started: bool,
        warnings: Callable[[Mapping[str, float]], Sequence[str]] = lambda _: (),
        listeners: Sequence[Listener] = (),
        workers: int | None = None,
        address: str | None = None,
    ) -> StudyResult:
        """Run what is left of a list of trials; the trainable is asked before a first start stores anything.

        Args:
            started: whether the storage holds the Optuna study already.
            warnings: facts of the trainable's `check` -> lines to warn with.
            listeners: hear of trials as they go.
            workers: trials side by side; None for as many as the cluster holds.
            address: of an existing Ray cluster; None for one on this machine.

        Returns:
            The study as it stands.

        Raises:
            InputError: as `execute`, or as the trainable's `check` raised it.
        """
        storage = self.open_storage() if started else None
        if storage and budget_spent(self.plan, storage):
            return self.catch_up(storage)
        for line in warnings(preflight(self.plan, time_iterations=False)):
            logger.warning("%s", line)
        storage = storage or self.open_storage()
        return self.execute(storage, listeners=listeners, workers=workers, address=address)

    def catch_up(self, storage: StudyStorage) -> StudyResult:
        """Log what MLflow lacks of a plan that needs no more trials, and return the study as it stands."""
        result = self._settled(storage)
        if lacks_a_part(self.folder, self.plan.tracking_uri):
            _close(self._tracking(stamps(self.plan)), result)
        return result

    def _settled(self, storage: StudyStorage) -> StudyResult:
        """Return the study as it stands, its reference point fixed if the budget is spent."""
        result = storage.result()
        if budget_spent(self.plan, storage) and (point := result.effective_reference_point()):
            storage.fix_reference_point(point)
        return storage.result()

    def _tracking(self, marks: Mapping[str, Any]) -> MlflowTracking:
        plan = self.plan
        return MlflowTracking(
            plan.tracking_uri,
            self.home.name,
            self.folder,
            home=self.home,
            kind=plan.run_kind,
            tags=plan.view,
            config=plan.config,
            run_tags=stamp_tags(marks),
        )


def _close(tracking: MlflowTracking, result: StudyResult) -> None:
    if missing := tracking.close(result):
        logger.warning("MLflow lacks a part of this study (%s); the next start logs it", missing)


def budget_spent(plan: Plan, storage: StudyStorage) -> bool:
    """Return whether nothing is left to do: the budget is spent, and no trial was left behind."""
    if storage.unfinished(plan.fixed_trials):
        return False
    if plan.fixed_trials is not None:
        return not storage.num_waiting(plan.fixed_trials)
    budget = plan.budget
    return (
        (budget.trials is not None and storage.num_trials("complete", "pruned") >= budget.trials)
        or (budget.epochs is not None and sum(record.epochs for record in storage.records()) >= budget.epochs)
        or (budget.seconds is not None and storage.seconds() >= budget.seconds)
    )


def stamps(plan: Plan) -> dict[str, Any]:
    """Return what every trial is marked with: device, versions, git commit, and a hash of the study file."""
    packages = ("vsam-tune", "torch", "ray", "optuna", "mlflow")
    versions = {package: version(package) for package in packages}
    return {
        "versions": versions | {"commit": _commit()},
        "device": device(),
        "study_hash": plan.digest,
    }


def _commit() -> str:
    """Return the git commit of this code; `unknown` where it is no checkout, or there is no git."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        shown = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, encoding="utf-8", check=False)  # noqa: S603 - literal
    except OSError:
        return "unknown"
    return shown.stdout.strip() or "unknown"


def _workers(plan: Plan, resources: Mapping[str, float]) -> int:
    """Return how many trials fit the cluster side by side.

    Raises:
        InputError: if not a single one does.
    """
    wanted = {"CPU": plan.resources.cpus, "GPU": plan.resources.gpus}
    fits = [resources.get(kind, 0) / amount for kind, amount in wanted.items() if amount]
    if min(fits) < 1:
        there = ", ".join(f"{resources.get(kind, 0):g} {kind}s" for kind in wanted)
        rule = f"no trial fits: there are {there}"
        raise InputError(problem(plan.name, "resources", dict(wanted), rule, "take less, or --address of a cluster"))
    return int(min(fits))


def _fit(
    plan: Plan,
    trainable: type[Any],
    searcher: OptunaSearcher,
    trial_scheduler: StudyScheduler,
    events: TrialEvents,
    folder: Path,
) -> None:
    from ray import tune  # noqa: PLC0415 - after Ray's environment is set

    resources = {"cpu": plan.resources.cpus, "gpu": plan.resources.gpus}
    tuner = tune.Tuner(
        tune.with_resources(trainable, resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=trial_scheduler,
            num_samples=-1,  # the searcher says when the budget is spent
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"{trial.config['number']:05d}-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=_RAYS_FOLDER,
            storage_path=str(folder),
            stop=searcher.arrivals,
            callbacks=[events],
            failure_config=tune.FailureConfig(max_failures=plan.resources.retries),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(folder / _RAYS_FOLDER, ignore_errors=True)  # nothing is ever restored from it
