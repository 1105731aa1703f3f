"""Confirm a front: train its configurations again, with SGD and SAM, under fresh seeds; then time each one alone.

The trials of a front were chosen for their results, so these are too good on average (the winner's curse). Results of
seeds that no search has used are not. The trainings use the training part, as the search did, and are tested once at
the end. The timings follow, one trial at a time. Both are in one Optuna study, in the database of the search.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from vsam_tune.analysis.estimates import complete_replicates
from vsam_tune.analysis.results import FINISHED, Objective, StudyResult
from vsam_tune.analysis.row_trials import Replicate, Timing
from vsam_tune.errors import InputError, problem
from vsam_tune.machine.hardware import device
from vsam_tune.study.baselines import wanted_rows
from vsam_tune.study.file.baselines import BaselineRow, changed_rows, stored_row, trial_row
from vsam_tune.study.file.differences import difference_rules
from vsam_tune.study.file.study_file import Study
from vsam_tune.study.scheduling.budget import budget_spent
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.search import search_plan
from vsam_tune.study.storage.folder import CONFIRM, CONFIRM_FOLDER, DATABASE
from vsam_tune.study.storage.stored_study import find_result, load_result, open_stored
from vsam_tune.study.tracking.mlflow_view import study_view
from vsam_tune.study.tracking.run_kind import CONFIRM as CONFIRM_KIND
from vsam_tune.trial import trial_seed

logger = logging.getLogger(__name__)

TIMING = "trainables.timing:Timing"  # times a trial of our own trainable
REFERENCES = {"sgd": 0.0, "sam": 1.0}  # trained with the front; the fraction of their iterations that is sampled
_SPEED = (Objective("ais", "maximize"),)  # a replicate and a timing both report it; the rest is in the metrics
CLUSTER = "a Ray cluster"  # its nodes may differ: the driver's own name would be wrong


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """The extent of a confirmation.

    Attributes:
        seeds: replicates of each row.
        include_possible: also the trials that may be optimal given the noise.
        timing_only: train nothing, and time the rows of former starts once more.
        timing_seconds: duration of the timing of a row.
    """

    seeds: int = 5
    include_possible: bool = False
    timing_only: bool = False
    timing_seconds: int = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The trials that a confirmation needs.

    Attributes:
        rows: by label, those of former starts first.
        replicates: the trainings: all rows under one, then under the next.
        timings: those of all rows share a number.
        timing_seconds: duration of the timing of a row.
        searched: the search at this moment.
    """

    rows: Mapping[str, BaselineRow]
    replicates: Sequence[Replicate]
    timings: Sequence[Timing]
    timing_seconds: int
    searched: StudyResult

    @property
    def trials(self) -> Sequence[Mapping[str, Any]]:
        """The parameters of all trials."""
        trials: list[Replicate | Timing] = [*self.replicates, *self.timings]
        return [each.to_params() for each in trials]


@dataclass(kw_only=True)
class ConfirmJob:
    """Train and time the rows of a front that are not done yet.

    Attributes:
        study: the loaded study file, as it was searched.
        scope: the extent of the confirmation.
        root: of the studies' folders.
        address: of a Ray cluster, whose devices are not this machine's.
    """

    study: Study
    scope: Scope
    root: Path
    address: str | None = None
    suffix: str = CONFIRM
    folder: str = CONFIRM_FOLDER
    _wanted: Wanted | None = None

    @property
    def home(self) -> Path:
        """The study's folder."""
        return self.root / self.study.name

    @property
    def wanted(self) -> Wanted:
        """The wanted trials; known once the job was checked."""
        if self._wanted is None:
            raise RuntimeError("check_against comes first")
        return self._wanted

    def check_against(self, stored: StudyResult | None) -> None:
        """Compare the study with the one that was searched, and rows with those of former starts.

        Raises:
            InputError: if one differs, or the study has nothing to confirm.
        """
        self._wanted = wanted_trials(self.study, self.scope, root=self.root, earlier=stored, address=self.address)
        _warn_of_a_search_that_goes_on(self.study, self.wanted.searched, self.home)

    def extent(self, stored: StudyResult | None) -> tuple[int | None, int]:
        """Return the number of wanted trials, and how many of them are complete or pruned."""
        return len(self.wanted.trials), stored.num_finished_of(self.wanted.trials) if stored else 0

    def plans(self) -> Iterator[Plan]:
        """Yield trainings, then timings, at the sampled fractions that the trainings had."""
        if self.wanted.replicates:
            yield confirm_plan(self.study, self.wanted, self.wanted.replicates)
        if self.wanted.timings:
            trained = find_result(self.home, CONFIRM)
            yield confirm_plan(self.study, self.wanted, self.wanted.timings, result=trained)

    def warnings(self, _facts: Mapping[str, float]) -> list[str]:
        """Return nothing: the search has warned."""
        return []


def _warn_of_a_search_that_goes_on(study: Study, searched: StudyResult, home: Path) -> None:
    storage = open_stored(home)
    if storage and not budget_spent(search_plan(study), storage):
        counts = searched.counts()
        logger.warning(
            "the search of %s is not finished (%d complete, %d pruned): its front may change. Fix: confirm once more"
            " when it is finished; everything that is confirmed now stays",
            study.name,
            counts["complete"],
            counts["pruned"],
        )


def wanted_trials(
    study: Study, scope: Scope, *, root: Path, earlier: StudyResult | None, address: str | None = None
) -> Wanted:
    """Return the trials that a confirmation needs, including those that have ended.

    Args:
        study: the loaded study file, as it was searched.
        scope: the extent of the confirmation.
        root: of the studies' folders.
        earlier: the confirmation so far; None before its first start.
        address: of a Ray cluster, whose devices are not this machine's.

    Raises:
        InputError: if the study was not searched, differs from the one that was, or has no complete trial; or if a row
            that was trained has changed.
    """
    if scope.timing_only and study.custom_trainable:
        rule = "is custom, and only the default trainable can be timed alone"
        raise InputError(problem(study.place("trainable"), "trainable", study.trainable, rule, "remove --timing-only"))
    searched = _searched(study, root)
    home = root / study.name
    now = {row.label: row for row in _rows(study, searched, root, possible=scope.include_possible)}
    stored = earlier.study["rows"] if earlier else {}
    trained = {trial.params["label"] for trial in earlier.trials if trial.state in FINISHED} if earlier else set()
    changed = changed_rows(list(now.values()), {label: stored[label] for label in trained}, home / CONFIRM_FOLDER)
    if changed:
        raise InputError(*changed.values())
    rows = {**{label: stored_row(label, row, study) for label, row in stored.items()}, **now}
    seeds = 0 if scope.timing_only else scope.seeds
    where = CLUSTER if address else device()
    return Wanted(
        rows=rows,
        replicates=[Replicate(label, number) for number in range(seeds) for label in rows],
        timings=[] if study.custom_trainable else _timings(list(rows), earlier, where, again=scope.timing_only),
        timing_seconds=scope.timing_seconds,
        searched=searched,
    )


def _searched(study: Study, root: Path) -> StudyResult:
    """Return the search whose front is to be confirmed.

    Raises:
        InputError: if there is none, it was of another study, or no trial is complete.
    """
    home, searched = root / study.name, load_result(study.name, root)
    rule, fix = (
        f"differs from the study that was searched in {home}",
        f"restore the value, or run vsam-tune confirm {study.name}",
    )
    if keys := study.differences(searched.study):
        rules = difference_rules(rule, keys, study.resolved(), searched.study)
        raise InputError(*(problem(study.place(key), key, None, each, fix) for key, each in rules.items()))
    if not searched.front():
        fix = "vsam-tune search goes on, vsam-tune trials says why"
        raise InputError(problem(home / DATABASE, "", None, "holds no complete trial to confirm", fix))
    return searched


def _rows(study: Study, searched: StudyResult, root: Path, *, possible: bool) -> list[BaselineRow]:
    """Return the rows of the current front, and those that it is compared with."""
    chosen = {
        record.number: record for record in (*searched.front(), *(searched.possibly_optimal() if possible else ()))
    }
    rows = [trial_row(number, study.chosen(record.params), study, key="front") for number, record in chosen.items()]
    if study.custom_trainable:  # a custom trainable may not know these methods
        return rows
    named = wanted_rows(study, root=root, methods=list(REFERENCES))
    for name in REFERENCES:
        of_method = [row for row in named if row.method.name == name]
        rows.append(next((row for row in of_method if row.label == name), of_method[0]))
    return rows


def _timings(labels: Sequence[str], earlier: StudyResult | None, where: str, *, again: bool) -> list[Timing]:
    """Return a timing of all rows on one device: the first one there, or a new one.

    Args:
        labels: of the rows.
        earlier: the confirmation so far.
        where: the device.
        again: time once more, unless the last timing on the device has not ended yet.
    """
    trials = earlier.trials if earlier else ()
    timings = [(each, trial.state) for trial in trials if (each := Timing.from_params(trial.params))]
    here = sorted({each.timing for each, _ in timings if each.device == where})
    new = 1 + max((each.timing for each, _ in timings), default=0)
    number = (here[-1] if again else here[0]) if here else new
    done = {each.label for each, state in timings if each.timing == number and state in FINISHED}
    if again and done.issuperset(labels):
        number = new
    return [Timing(label, number, where) for label in labels]


def confirm_plan(
    study: Study, wanted: Wanted, trials: Sequence[Replicate | Timing], *, result: StudyResult | None = None
) -> Plan:
    """Return the plan of the trainings, or of the timings.

    Args:
        study: the loaded study file.
        wanted: all trials of the confirmation.
        trials: `wanted.replicates`, or `wanted.timings`.
        result: the confirmation so far, which says at which sampled fraction a row is timed.
    """
    fractions = {label: _sampled_fraction(label, row, wanted.searched, result) for label, row in wanted.rows.items()}

    def config(params: Mapping[str, Any], _: int) -> dict[str, Any]:
        settings = {**wanted.rows[params["label"]].settings(), "final": False}
        if Timing.from_params(params):
            timed = {"sampled_fraction": fractions[params["label"]], "seconds": wanted.timing_seconds}
            return {**settings, **timed, "seed": trial_seed(study.task.seed, "timing")}
        seed = trial_seed(study.task.seed, "confirm", params["replicate"])  # for all rows: they are paired
        return {**settings, "test": True, "seed": seed}

    objectives = study.objectives if study.custom_trainable else _SPEED
    is_timing = any(isinstance(each, Timing) for each in trials)
    resolved = study.resolved()
    return Plan(
        name=study.name + CONFIRM,
        objectives=objectives,
        fixed_trials=[each.to_params() for each in trials],
        epochs=study.epochs,
        resources=study.resources,
        workers=1 if is_timing else None,  # speed is measured alone
        tracking_uri=study.tracking.uri,
        run_kind=CONFIRM_KIND,
        view=study_view(study.objectives, ["method", *study.space], more=["test_accuracy"]),
        trainable=TIMING if is_timing else study.trainable,
        config=config,
        resolved={
            "objectives": [each.definition() for each in objectives],
            **{key: resolved[key] for key in ("task", "base_optimizer", "trainable")},
            "timed": not study.custom_trainable,
            "rows": {label: row.stored() for label, row in wanted.rows.items()},
        },
    )


def _sampled_fraction(label: str, row: BaselineRow, searched: StudyResult, result: StudyResult | None) -> float | None:
    """Return the mean over a row's seeds; if none is complete, the value of the search, or the method's own."""
    records = complete_replicates(result.trials if result else (), label).values()
    fractions = [float(each.metrics["sampled_fraction"]) for each in records if "sampled_fraction" in each.metrics]
    if fractions:
        return mean(fractions)
    if row.trial is None:
        return REFERENCES[row.method.name]
    return searched.trials[row.trial].metrics.get("sampled_fraction")
