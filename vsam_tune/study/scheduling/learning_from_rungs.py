"""A sampler that learns from the trials that did not reach their end.

Most trials of a search with early stopping never finish, and Optuna's multi-objective TPE counts all of those as bad:
`Trial.report` raises in a study with several objectives, so a pruned trial has no values at all.
"""

import copy
from collections.abc import Container, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, TrialState, create_trial
from typing_extensions import override

from vsam_tune.analysis.results import Objective
from vsam_tune.study.file.feasibility import Constraint, read_constraints
from vsam_tune.study.scheduling.imputed_ends import Finished, imputed_ends
from vsam_tune.study.scheduling.rungs import Row


class LearningFromRungs(BaseSampler):
    """Hands a sampler a study in memory, in which the trials that did not reach their end have imputed values.

    Nothing of it is written to the study itself. It is built from what the study stores, so a restart changes nothing.
    Without a trial that was stopped or waits at a rung, it holds just the trials of the study.

    Args:
        inner: the sampler; it reads trials from the study that it is handed, and nothing else.
    """

    def __init__(self, inner: BaseSampler) -> None:
        self._inner = inner
        self._shown: OptunaStudy | None = None
        self._imputed = ImputedTrials()

    @override
    def reseed_rng(self) -> None:
        self._inner.reseed_rng()

    @override
    def infer_relative_search_space(self, study: OptunaStudy, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        storage = _InMemory(study, self._imputed)
        self._shown = optuna.create_study(storage=storage, study_name=study.study_name, directions=study.directions)
        return self._inner.infer_relative_search_space(self._shown, trial)

    @override
    def sample_relative(
        self, study: OptunaStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._inner.sample_relative(self._shown or study, trial, search_space)

    @override
    def sample_independent(
        self, study: OptunaStudy, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._inner.sample_independent(self._shown or study, trial, param_name, param_distribution)

    @override
    def before_trial(self, study: OptunaStudy, trial: FrozenTrial) -> None:
        self._inner.before_trial(study, trial)

    @override
    def after_trial(
        self, study: OptunaStudy, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._inner.after_trial(study, trial, state, values)


class ImputedTrials:
    """The trials of a study as a sampler sees them; the imputed ones are kept until another trial ends or pauses."""

    def __init__(self) -> None:
        self._objectives: list[Objective] = []
        self._constraints: tuple[Constraint, ...] = ()
        self._key: object = None
        self._instead: dict[int, FrozenTrial | None] = {}

    def of(self, study: OptunaStudy) -> list[FrozenTrial]:
        """Return the trials, of which nothing may be changed.

        A trial that was pruned, is feasible and has rungs is complete, with imputed values. So is one that waits at a
        rung for a promotion: Optuna has it as running, and would count it as bad. While too few trials have finished
        to impute values, a pruned one is left out, and a waiting one still runs. One whose last row lacks an objective
        stays pruned.
        """
        trials = study.get_trials(deepcopy=False)
        stopped = {trial.number: trial for trial in trials if _did_not_finish(trial)}
        if not stopped:
            return trials
        finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        rows = [(each.number, each.state, len(each.user_attrs["rungs"])) for each in stopped.values()]
        key = ([trial.number for trial in finished], rows)
        if key != self._key:
            self._key, self._instead = key, self._impute(study, stopped, finished)
        instead = self._instead
        return [shown for trial in trials if (shown := instead.get(trial.number, trial)) is not None]

    def _impute(
        self, study: OptunaStudy, stopped: dict[int, FrozenTrial], finished: list[FrozenTrial]
    ) -> dict[int, FrozenTrial | None]:
        """Return what the sampler sees instead of a trial, by number; None for nothing."""
        if not self._objectives:
            definition = study.user_attrs["study"]
            self._objectives = [Objective(**each) for each in definition["objectives"]]
            self._constraints = read_constraints(definition)
        rungs = {number: _rungs(trial) for number, trial in stopped.items()}
        ends = imputed_ends(rungs, [Finished(_rungs(trial), trial.values) for trial in finished], self._objectives)
        violations = self._violations(rungs, finished)
        instead: dict[int, FrozenTrial | None] = {}
        for number, trial in stopped.items():
            if number in ends:
                instead[number] = _ended(trial, ends[number], violations.get(number, {}))
            elif trial.state == TrialState.PRUNED and self._is_comparable(trial):
                instead[number] = None
        return instead

    def _violations(
        self, stopped: dict[int, dict[int, Row]], finished: list[FrozenTrial]
    ) -> dict[int, dict[str, float]]:
        """Return the imputed violation of each constraint, by number and metric: of the metrics at an imputed end.

        A metric whose end cannot be imputed counts as it was at the last rung.
        """
        found: dict[int, dict[str, float]] = {number: {} for number in stopped}
        for each in self._constraints:
            metric = Objective(each.metric, "minimize" if each.min is None else "maximize")
            having = [
                Finished(_rungs(trial), [trial.user_attrs["metrics"][each.metric]])
                for trial in finished
                if each.metric in trial.user_attrs.get("metrics", {})
            ]
            ends = imputed_ends(stopped, having, [metric])
            for number, rungs in stopped.items():
                row = {each.metric: ends[number][0]} if number in ends else rungs[max(rungs)]
                found[number][each.metric] = each.violation(row)
        return found

    def _is_comparable(self, trial: FrozenTrial) -> bool:
        rungs = _rungs(trial)
        return all(each.name in rungs[max(rungs)] for each in self._objectives)


def _did_not_finish(trial: FrozenTrial) -> bool:
    if not trial.user_attrs.get("rungs"):
        return False
    if trial.state == TrialState.PRUNED:
        return all(value <= 0 for value in trial.constraints.values())
    return trial.state == TrialState.RUNNING and trial.user_attrs.get("paused") is not None


def _rungs(trial: FrozenTrial) -> dict[int, Row]:
    return {int(epoch): row for epoch, row in trial.user_attrs.get("rungs", {}).items()}


def _ended(trial: FrozenTrial, values: list[float], violations: dict[str, float]) -> FrozenTrial:
    shown = copy.copy(trial)
    shown.state, shown.values = TrialState.COMPLETE, values
    if violations:
        of_constraints = create_trial(values=values, constraints=violations).system_attrs  # as Optuna keeps them
        shown.system_attrs = {**trial.system_attrs, **of_constraints}
    return shown


class _InMemory(InMemoryStorage):
    """Holds the trials that a sampler is to see of a study; what it notes on a running trial goes to the study itself.

    Adding the trials to a study one by one would copy all of them, at each suggestion.
    """

    def __init__(self, study: OptunaStudy, imputed: ImputedTrials) -> None:
        super().__init__()
        self._of, self._imputed = study, imputed

    @override
    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        shown = self._imputed.of(self._of)
        shown = shown if states is None else [trial for trial in shown if trial.state in states]
        return copy.deepcopy(shown) if deepcopy else shown

    @override
    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._of._storage.set_trial_system_attr(trial_id, key, value)  # TPE's parameters of a running trial
