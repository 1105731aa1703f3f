"""The study's Optuna storage, which is the truth about its definition and its trials; this class alone writes it.

`optuna.db` in the study's folder holds the Optuna study of the search, of its baselines and of its confirmation.
User attributes hold the rest: of the study `study` (the definition), `reference_point`, `seconds`,
`gpu_seconds`; of a trial `ray_trial_ids`, `seed`, `device`, `versions`, `study_hash`, `resumed`, `rungs`, `decisions`,
`paused`, `races`, `metrics`, `stopped`, `infeasible`, `error`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import optuna
from optuna.samplers import BaseSampler
from optuna.study import Study as OptunaStudy
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from vsam_tune.analysis.results import Objective, StudyResult, TrialRecord
from vsam_tune.study.file.feasibility import read_constraints
from vsam_tune.study.storage.database import open_or_create
from vsam_tune.study.storage.folder import DATABASE, trial_folder
from vsam_tune.study.storage.importances import Importances, parameter_importances
from vsam_tune.study.storage.trial_record import trial_record

optuna.logging.set_verbosity(optuna.logging.WARNING)

_CONSTRAINT = "diverged"  # infeasible (> 0) where the loss was not finite


class StudyStorage:
    """A study's trials, durable at every step.

    A trial is `running` from `ask` until it is recorded as complete, pruned or failed. If a trial is still running when
    a driver starts, another driver was killed; the trial goes on under its number (`unfinished`).
    """

    def __init__(self, optuna_study: OptunaStudy) -> None:
        self._study = optuna_study
        definition = optuna_study.user_attrs["study"]
        self._objective_names = [each["name"] for each in definition["objectives"]]
        self._constraints = read_constraints(definition)

    @classmethod
    def open(
        cls,
        folder: Path,
        name: str,
        *,
        objectives: Sequence[Objective],
        resolved: Mapping[str, Any],
    ) -> Self:
        """Open the study in `folder`, or create it; only one process at a time may, for each study.

        Args:
            folder: that holds the database, or will; it exists.
            name: of the study.
            objectives: in order.
            resolved: the definition, which is stored; parts of it, such as the budget, may change between starts.

        Returns:
            The open storage, which draws with Optuna's default until `use_sampler`.
        """
        study = open_or_create(folder / DATABASE, name, objectives=objectives, resolved=resolved)
        return cls(study)

    def use_sampler(self, sampler: BaseSampler) -> None:
        """Draw the parameters of trials with this sampler from now on."""
        self._study.sampler = sampler

    def enqueue(self, initial: Sequence[Mapping[str, Any]], *, again: bool) -> None:
        """Enqueue the parameters that were not tried yet, to be asked for first.

        Args:
            initial: parameters by name; those that are missing are sampled.
            again: whether those that failed count as not tried.
        """
        trials = self._study.get_trials(deepcopy=False)
        tried = [_enqueued(trial) for trial in trials if not (again and trial.state == TrialState.FAIL)]
        for params in initial:
            if dict(params) not in tried:
                self._study.enqueue_trial(dict(params))

    def ask(self) -> Trial:
        """Return a new running trial, which has no parameters yet."""
        return self._study.ask()

    def num_waiting(self, wanted: Sequence[Mapping[str, Any]]) -> int:
        """Return how many enqueued trials with wanted parameters wait."""
        return len(self._waiting(wanted))

    def take(self, wanted: Sequence[Mapping[str, Any]]) -> Trial:
        """Return the first enqueued trial with wanted parameters, which runs from now on; the others keep waiting.

        Args:
            wanted: parameters by name, in the order in which they run; at least one is waiting.
        """
        waiting = self._waiting(wanted)
        chosen = min(waiting, key=lambda trial: wanted.index(_enqueued(trial)))
        self._study._storage.set_trial_state_values(chosen._trial_id, state=TrialState.RUNNING)  # as `ask` does
        return Trial(self._study, chosen._trial_id)

    def enqueued(self, trial: Trial) -> dict[str, Any]:
        """Return the parameters that a trial was enqueued with."""
        return _enqueued(self._study.get_trials(deepcopy=False)[trial.number])

    def _waiting(self, wanted: Sequence[Mapping[str, Any]]) -> list[FrozenTrial]:
        trials = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        return [trial for trial in trials if _enqueued(trial) in wanted]

    def unfinished(self, listed: Sequence[Mapping[str, Any]] | None = None) -> list[Trial]:
        """Return the running trials, oldest first; parameters that they already have are kept by Optuna.

        Args:
            listed: parameters of a plan's trials: trials whose parameters have other names belong to another plan and
                are left out. None for all.
        """
        frozen = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if listed is not None:
            names = {frozenset(params) for params in listed}
            frozen = [each for each in frozen if frozenset(_enqueued(each)) in names]
        return [Trial(self._study, each._trial_id) for each in frozen]  # Optuna offers no other way back to one

    def annotate(self, trial: Trial, **attributes: Any) -> None:  # noqa: ANN401 - JSON values
        """Store user attributes of a running trial."""
        for key, value in attributes.items():
            trial.set_user_attr(key, value)

    def record_rung(self, trial: Trial, epoch: int, values: Mapping[str, float]) -> dict[str, float]:
        """Store the metrics of a trial at a rung before any decision on them; return them with their `time`."""
        row = {**values, "time": datetime.now(UTC).timestamp()}
        trial.set_user_attr("rungs", {**trial.user_attrs.get("rungs", {}), str(epoch): row})
        return row

    def record_decision(self, trial: Trial, epoch: int, decision: Mapping[str, Any]) -> None:
        """Store the decision on a trial at a rung before anything acts on it; it replaces a former one there."""
        trial.set_user_attr("decisions", {**trial.user_attrs.get("decisions", {}), str(epoch): dict(decision)})

    def rungs(self) -> dict[int, dict[int, dict[str, float]]]:
        """Return {epoch: {trial number: values}} of all trials, as they were recorded."""
        rungs: dict[int, dict[int, dict[str, float]]] = {}
        for trial in self._study.get_trials(deepcopy=False):
            for epoch, values in trial.user_attrs.get("rungs", {}).items():
                rungs.setdefault(int(epoch), {})[trial.number] = values
        return rungs

    def complete(self, trial: Trial, values: Sequence[float], metrics: Mapping[str, float]) -> None:
        """Record a trial that ended by itself, with its objectives in order, all finite.

        It is infeasible if its metrics break a constraint of the study.
        """
        trial.set_user_attr("metrics", dict(metrics))
        for each in self._constraints:
            trial.set_constraint(each.metric, each.violation(metrics))
        if reasons := [reason for each in self._constraints if (reason := each.reason(metrics))]:
            trial.set_user_attr("infeasible", "; ".join(reasons))
        self._study.tell(trial, list(values))

    def prune(self, trial: Trial, reason: str, metrics: Mapping[str, float], *, diverged: bool) -> None:
        """Record a trial that was stopped; a trial that diverged is also infeasible."""
        trial.set_user_attr("metrics", dict(metrics))
        trial.set_user_attr("stopped", reason)
        if diverged:
            trial.set_constraint(_CONSTRAINT, 1.0)
        self._study.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: Trial, error: str, metrics: Mapping[str, float]) -> None:
        """Record a trial that failed more often than it may be tried again."""
        trial.set_user_attr("metrics", dict(metrics))
        trial.set_user_attr("error", error)
        self._study.tell(trial, state=TrialState.FAIL)

    def add_seconds(self, seconds: float) -> None:
        """Add to the seconds that the study has taken, over all starts."""
        self._study.set_user_attr("seconds", self.seconds() + seconds)

    def seconds(self) -> float:
        """Return the seconds that the study has taken, over all starts, up to the last trial that ended."""
        return float(self._study.user_attrs.get("seconds", 0.0))

    def add_gpu_seconds(self, seconds: float) -> None:
        """Add to the seconds for which trials had GPUs, times the GPUs of a trial."""
        self._study.set_user_attr("gpu_seconds", self.gpu_seconds() + seconds)

    def gpu_seconds(self) -> float:
        """Return the seconds for which trials had GPUs, times their GPUs, over all starts, up to the last end."""
        return float(self._study.user_attrs.get("gpu_seconds", 0.0))

    def losses_by_end(self) -> list[list[float] | None]:
        """Return the losses of the complete and pruned trials, in the order in which they ended.

        It is much cheaper than their records.

        Returns:
            The objectives in order, those to be maximised negated; None for a trial that cannot join the front.
        """
        signs = [1.0 if each == StudyDirection.MINIMIZE else -1.0 for each in self._study.directions]
        ended = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        ended.sort(key=lambda trial: (trial.datetime_complete or datetime.max, trial.number))  # noqa: DTZ901 - Optuna's are naive
        return [
            [sign * value for sign, value in zip(signs, trial.values, strict=True)]
            if trial.values and all(each <= 0 for each in trial.constraints.values())
            else None
            for trial in ended
        ]

    def reference_losses(self) -> list[float] | None:
        """Return the corner from which the hypervolume is measured, in the order of the objectives, as losses."""
        point = self._reference_point()
        if point is None:
            return None
        objectives = [Objective(**each) for each in self._study.user_attrs["study"]["objectives"]]
        return [each.sign * point[each.name] for each in objectives]

    def _reference_point(self) -> dict[str, float] | None:
        attributes = self._study.user_attrs
        return attributes["study"].get("reference_point") or attributes.get("reference_point")

    def fix_reference_point(self, point: Mapping[str, float]) -> None:
        """Store the corner from which the hypervolume is measured; the first one stays."""
        if "reference_point" not in self._study.user_attrs:
            self._study.set_user_attr("reference_point", dict(point))

    def record(self, number: int) -> TrialRecord:
        """Return the record of one trial."""
        return self._as_record(self._study.get_trials(deepcopy=False)[number])

    def records(self) -> list[TrialRecord]:
        """Return the records of all trials, by number."""
        return [self._as_record(trial) for trial in self._study.get_trials(deepcopy=False)]

    def _as_record(self, trial: FrozenTrial) -> TrialRecord:
        return trial_record(trial, self._objective_names, folder=trial_folder(trial.number))

    def num_trials(self, *states: str) -> int:
        """Return how many trials are in one of the states."""
        wanted = tuple(TrialState[state.upper()] for state in states)
        return len(self._study.get_trials(deepcopy=False, states=wanted))

    def importances(self) -> Importances:
        """Return how much each parameter decides on each objective."""
        objectives = [Objective(**each) for each in self._study.user_attrs["study"]["objectives"]]
        return parameter_importances(self._study, objectives)

    def result(self) -> StudyResult:
        """Return the study at this moment."""
        resolved = self._study.user_attrs["study"]
        return StudyResult(
            name=self._study.study_name,
            objectives=tuple(Objective(**each) for each in resolved["objectives"]),
            trials=tuple(self.records()),
            reference_point=self._reference_point(),
            study=resolved,
        )


def _enqueued(trial: FrozenTrial) -> dict[str, Any]:
    params: dict[str, Any] = trial.system_attrs.get("fixed_params", {})  # Optuna's name for them
    return params
