"""The study's Optuna storage: the truth. This module alone reads and writes it, through `study.database`.

`optuna.db` in the study's folder holds the Optuna study, and those of its baselines and of its front's confirmation.
What Optuna has no field for is in user attributes: of the study `study` (the resolved file), `reference_point`,
`seconds`; of a trial `ray_trial_ids`, `seed`, `device`, `versions`, `study_hash`, `resumed`, `rungs`, `races`,
`metrics`, `stopped`, `error`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import optuna
import yaml
from optuna.samplers import BaseSampler
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import DatabaseError

from vsam_tune.analysis.results import FINISHED, Objective, StudyResult, TrialRecord
from vsam_tune.errors import InputError, problem
from vsam_tune.study.storage.database import connected, open_or_create
from vsam_tune.study.storage.folder import DATABASE as DATABASE
from vsam_tune.study.storage.folder import study_names
from vsam_tune.study.storage.trial_record import trial_record

if TYPE_CHECKING:
    from vsam_tune.study.file.study_file import Study

optuna.logging.set_verbosity(optuna.logging.WARNING)

RESOLVED = "study.resolved.yaml"
BASELINES = ".baselines"  # after the study's name: the Optuna study of its baselines, in the same file
BASELINES_FOLDER = "baselines"  # in the study's folder: files of their trials
CONFIRM = ".confirm"  # after the study's name: the Optuna study that confirms its front
CONFIRM_FOLDER = "confirm"
_SEARCH = "vsam-tune search STUDY.yaml"
_CONSTRAINT = "diverged"  # infeasible (> 0) where the loss was not finite


class StudyStorage:
    """A study's trials, durable at every step.

    A trial is `running` from `ask` until it is told as complete, pruned or failed; one that still runs when a driver
    starts was left behind by another, and is taken up again under its number (`unfinished`).
    """

    def __init__(self, optuna_study: OptunaStudy) -> None:
        self._study = optuna_study
        self._objective_names = [each["name"] for each in optuna_study.user_attrs["study"]["objectives"]]

    @classmethod
    def open(
        cls,
        folder: Path,
        name: str,
        *,
        objectives: Sequence[Objective],
        resolved: Mapping[str, Any],
        sampler: BaseSampler | None = None,
    ) -> Self:
        """Open the study in `folder`, or create it; only one process at a time may, for each study.

        Args:
            folder: that holds the database, or will; it exists.
            name: of the study.
            objectives: in order.
            resolved: the resolved study file, stored: a part of it, such as the budget, may change from start to start.
            sampler: suggests parameters; None for a storage that is only read or told into.

        Returns:
            The open storage.
        """
        study = open_or_create(folder / DATABASE, name, objectives=objectives, resolved=resolved, sampler=sampler)
        return cls(study)

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
        """Return a new running trial, to be given its parameters."""
        return self._study.ask()

    def num_waiting(self, wanted: Sequence[Mapping[str, Any]]) -> int:
        """Return how many enqueued trials with wanted parameters wait."""
        return len(self._waiting(wanted))

    def take(self, wanted: Sequence[Mapping[str, Any]]) -> Trial:
        """Return the first enqueued trial with wanted parameters, running now; others that wait go on waiting.

        Args:
            wanted: parameters by name, first those that shall run first; one at least waits.
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
            listed: parameters of a plan's trials: those with parameters of other names are another plan's, and left
                out. None for all.
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
        """Store what a trial had at a rung, before anything is decided on it; return it with its `time`."""
        row = {**values, "time": datetime.now(UTC).timestamp()}
        trial.set_user_attr("rungs", {**trial.user_attrs.get("rungs", {}), str(epoch): row})
        return row

    def rungs(self) -> dict[int, dict[int, dict[str, float]]]:
        """Return {epoch: {trial number: values}} of all trials, as they were recorded."""
        rungs: dict[int, dict[int, dict[str, float]]] = {}
        for trial in self._study.get_trials(deepcopy=False):
            for epoch, values in trial.user_attrs.get("rungs", {}).items():
                rungs.setdefault(int(epoch), {})[trial.number] = values
        return rungs

    def complete(self, trial: Trial, values: Sequence[float], metrics: Mapping[str, float]) -> None:
        """Tell a trial that ended by itself, with its objectives in order, all finite."""
        trial.set_user_attr("metrics", dict(metrics))
        self._study.tell(trial, list(values))

    def prune(self, trial: Trial, reason: str, metrics: Mapping[str, float], *, diverged: bool) -> None:
        """Tell a trial that was stopped; one that diverged is infeasible besides."""
        trial.set_user_attr("metrics", dict(metrics))
        trial.set_user_attr("stopped", reason)
        if diverged:
            trial.set_constraint(_CONSTRAINT, 1.0)
        self._study.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: Trial, error: str, metrics: Mapping[str, float]) -> None:
        """Tell a trial that crashed past its retries."""
        trial.set_user_attr("metrics", dict(metrics))
        trial.set_user_attr("error", error)
        self._study.tell(trial, state=TrialState.FAIL)

    def add_seconds(self, seconds: float) -> None:
        """Add to the wall clock that the study has taken, over all starts."""
        self._study.set_user_attr("seconds", self.seconds() + seconds)

    def seconds(self) -> float:
        """Return the wall clock that the study has taken, over all starts, up to the last trial that ended."""
        return float(self._study.user_attrs.get("seconds", 0.0))

    def fix_reference_point(self, point: Mapping[str, float]) -> None:
        """Store the corner that the hypervolume is measured from; the first one stays."""
        if "reference_point" not in self._study.user_attrs:
            self._study.set_user_attr("reference_point", dict(point))

    def record(self, number: int) -> TrialRecord:
        """Return one trial as it stands."""
        return self._as_record(self._study.get_trials(deepcopy=False)[number])

    def records(self) -> list[TrialRecord]:
        """Return all trials as they stand, by number."""
        return [self._as_record(trial) for trial in self._study.get_trials(deepcopy=False)]

    def _as_record(self, trial: FrozenTrial) -> TrialRecord:
        return trial_record(trial, self._objective_names, folder=trial_folder(trial.number))

    def num_trials(self, *states: str) -> int:
        """Return how many trials are in one of the states."""
        wanted = tuple(TrialState[state.upper()] for state in states)
        return len(self._study.get_trials(deepcopy=False, states=wanted))

    def result(self) -> StudyResult:
        """Return the study as it stands."""
        attributes = self._study.user_attrs
        resolved = attributes["study"]
        return StudyResult(
            name=self._study.study_name,
            objectives=tuple(Objective(**each) for each in resolved["objectives"]),
            trials=tuple(self.records()),
            reference_point=resolved.get("reference_point") or attributes.get("reference_point"),
            study=resolved,
        )


def load_result(study: str, root: Path) -> StudyResult:
    """Return what a study under `root` has found so far.

    Args:
        study: a study file, or a study's name.
        root: the folder that holds the studies' folders.

    Raises:
        InputError: if there is no such study, or it was not searched.
    """
    return _held(study, root, "", "search", _SEARCH)


def load_baselines(study: str, root: Path) -> StudyResult:
    """Return what the baselines of a study have found so far, under its name, as `load_result` does its search."""
    return _held(study, root, BASELINES, "baselines", f"vsam-tune baselines {study}")


def load_confirm(study: str, root: Path) -> StudyResult:
    """Return what the confirmation of a study's front has come to, under its name, as `load_result` does its search."""
    return _held(study, root, CONFIRM, "confirmation", f"vsam-tune confirm {study}")


def _held(study: str, root: Path, suffix: str, what: str, fix: str) -> StudyResult:
    folder = study_folder(study, root)
    result = find_result(folder, suffix)
    if result is None:
        raise InputError(_holds_none(folder, what, fix))
    return result


def _holds_none(folder: Path, what: str, fix: str) -> str:
    return problem(folder / DATABASE, "", None, f"holds no {what} yet", fix)


def find_result(folder: Path, suffix: str = "") -> StudyResult | None:
    """Return what a study's folder holds, under the study's name; None where it was not started.

    Args:
        folder: of the study, whose name it has.
        suffix: of the Optuna study; empty for the search.

    Raises:
        InputError: if the file is no database, or holds nothing under the folder's name.
    """
    found = _find(folder, suffix)
    return None if found is None else replace(StudyStorage(found).result(), name=folder.absolute().name)


def stored_definition(folder: Path, suffix: str = "") -> dict[str, Any] | None:
    """Return what a study's folder was started with, which no later start may change; None where it was not started.

    Args:
        folder: of the study, whose name it has.
        suffix: of the Optuna study; empty for the search.

    Raises:
        InputError: if the file is no database, or holds nothing under the folder's name.
    """
    found = _find(folder, suffix)
    return None if found is None else dict(found.user_attrs["study"])


def _find(folder: Path, suffix: str) -> OptunaStudy | None:
    path, name = folder / DATABASE, folder.absolute().name
    if not path.is_file():
        return None
    try:
        found = optuna.load_study(study_name=name + suffix, storage=connected(path))
        started = "study" in found.user_attrs  # else a driver was killed between creating the study and this attribute
    except KeyError as error:
        if {name, name + BASELINES}.isdisjoint(optuna.get_all_study_names(storage=connected(path))):
            rule = "holds no study of its folder's name"
            raise InputError(problem(path, "", None, rule, "give the folder its name back")) from error
        return None
    except DatabaseError as error:
        fix = "restore it from a copy, or move its folder away"
        raise InputError(problem(path, "", None, f"cannot be read: {error.orig}", fix)) from error
    return found if started else None


def load_definition(study: str, root: Path, overrides: Mapping[str, object] | None = None) -> "Study":
    """Return the study that was searched under a name, as its database has it.

    Args:
        study: a study file, or a study's name.
        root: the folder that holds the studies' folders.
        overrides: values of the command line, as for `load_study`.

    Raises:
        InputError: if there is no such study, or it was not searched.
    """
    from vsam_tune.study.file.study_file import read_study  # noqa: PLC0415 - pydantic, where a name is enough

    folder = study_folder(study, root)
    definition = stored_definition(folder)
    if definition is None:
        raise InputError(_holds_none(folder, "search", _SEARCH))
    return read_study(definition, folder / DATABASE, overrides)


def definition_text(definition: Mapping[str, Any]) -> str:
    """Return a definition as the YAML that is exported."""
    return yaml.safe_dump(dict(definition), sort_keys=False, allow_unicode=True)


def ended_trials(folder: Path) -> int:
    """Return how many trials have ended, complete or pruned, in a study's folder; 0 where none was started."""
    counts = result.counts() if (result := find_result(folder)) else {}
    return sum(counts.get(state, 0) for state in FINISHED)


def study_folder(study: str, root: Path) -> Path:
    """Return the folder of a study that was started.

    Raises:
        InputError: if the file is no study file, or nothing was started under that name.
    """
    name = study
    if Path(study).suffix in (".yaml", ".yml"):
        from vsam_tune.study.file.study_file import load_study  # noqa: PLC0415 - pydantic, where a name is enough

        name = load_study(Path(study)).name
    folder = root / name
    if not (folder / DATABASE).is_file():
        known = study_names(root)
        near = get_close_matches(name, known, n=1)
        fix = f"write {near[0]}" if near else f"one of {', '.join(known)}, or {_SEARCH}" if known else _SEARCH
        raise InputError(problem(root, "", name, "holds no study of this name", fix))
    return folder


def _enqueued(trial: FrozenTrial) -> dict[str, Any]:
    params: dict[str, Any] = trial.system_attrs.get("fixed_params", {})  # Optuna's name for them
    return params


def trial_folder(number: int) -> str:
    """Return where a trial's files are, relative to the study's folder."""
    return f"trials/{number:05d}"
