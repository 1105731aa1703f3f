"""Confirm a front: train its configurations again, beside SGD and SAM, under fresh seeds; then time them alone.

The trials of a front were chosen for their numbers, so these flatter (the winner's curse). Seeds that no search has
seen do not. They train on the training part, as the search did, and are tested once at the end. Speed is measured after
all of them, one trial at a time. Trainings and timings are of one Optuna study, in the database of the search.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from vsam_tune.analysis.results import FINISHED, Objective, StudyResult
from vsam_tune.errors import InputError, problem
from vsam_tune.machine.hardware import device
from vsam_tune.study.baselines import wanted_rows
from vsam_tune.study.execution.events import Listener
from vsam_tune.study.execution.runner import Run, budget_spent
from vsam_tune.study.file.baselines import BaselineRow, changed_rows, stored_row, trial_row
from vsam_tune.study.file.study_file import Study
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.search import search_plan
from vsam_tune.study.storage.study_storage import (
    CONFIRM,
    CONFIRM_FOLDER,
    DATABASE,
    StudyStorage,
    find_result,
    load_confirm,
    load_result,
)
from vsam_tune.study.tracking.mlflow_view import study_view
from vsam_tune.study.tracking.run_kind import CONFIRM as CONFIRM_KIND
from vsam_tune.trial import trial_seed

logger = logging.getLogger(__name__)

TIMING = "trainables.timing:Timing"  # times a trial of our own trainable
REFERENCES = {"sgd": 0.0, "sam": 1.0}  # trained beside the front; the fraction of their iterations that is sampled
_SPEED = (Objective("ais", "maximize"),)  # what a replicate and a timing both report; the rest is among the metrics
CLUSTER = "a Ray cluster"  # its nodes may differ: the driver's own name would be wrong


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What a start of the command is to confirm.

    Attributes:
        seeds: replicates of each row.
        possible: also the trials that noise cannot exclude from the front.
        time_only: train nothing; time once more what is there.
        timing_seconds: for which a row is timed.
    """

    seeds: int = 5
    possible: bool = False
    time_only: bool = False
    timing_seconds: int = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The trials that there shall be.

    Attributes:
        rows: by label, those of former starts first.
        replicates: parameters of the trainings, `label` and `replicate`; all rows under one, then under the next.
        timings: parameters of the timings, `label`, `timing` and `device`; those of all rows share a number.
        timing_seconds: for which a row is timed.
        searched: the search as it stands.
    """

    rows: Mapping[str, BaselineRow]
    replicates: Sequence[Mapping[str, Any]]
    timings: Sequence[Mapping[str, Any]]
    timing_seconds: int
    searched: StudyResult

    @property
    def trials(self) -> Sequence[Mapping[str, Any]]:
        """The parameters of all of them."""
        return [*self.replicates, *self.timings]


def confirm(
    study: Study,
    scope: Scope,
    *,
    root: Path,
    listeners: Sequence[Listener] = (),
    workers: int | None = None,
    address: str | None = None,
) -> tuple[StudyResult, Wanted]:
    """Train and time what is not done yet.

    Args:
        study: the loaded study file, as it was searched.
        scope: what is to be confirmed.
        root: the study's folder is `root / study.name`.
        listeners: hear of trials as they go.
        workers: trainings side by side; None for as many as the cluster holds. Timings run alone.
        address: of an existing Ray cluster; None for one on this machine.

    Returns:
        All trials of the confirmation as they stand, under the study's name; and those that were wanted now.

    Raises:
        InputError: if the study was not searched, differs from what was, or has no complete trial; or if its data are
            not there.
    """
    home = root / study.name
    wanted = wanted_trials(study, scope, root=root, address=address)  # what is wrong is told before a folder is made
    with Run(confirm_plan(study, wanted, wanted.replicates), home / CONFIRM_FOLDER, home) as run:
        wanted = wanted_trials(study, scope, root=root, address=address)  # from here on nobody else adds any
        _warn_of_a_search_that_goes_on(study, wanted.searched, home)
        result = find_result(home, CONFIRM)
        for trials, side_by_side in ((wanted.replicates, workers), (wanted.timings, 1)):
            if trials:
                run.plan = confirm_plan(study, wanted, trials, result=result)
                started = result is not None
                result = run.finish(started=started, listeners=listeners, workers=side_by_side, address=address)
            if not _ended(result, trials):  # interrupted, or too many failed
                break
    return load_confirm(study.name, root), wanted


def _warn_of_a_search_that_goes_on(study: Study, searched: StudyResult, home: Path) -> None:
    storage = StudyStorage.open(home, study.name, objectives=study.objectives, resolved=searched.study)
    if not budget_spent(search_plan(study), storage):
        counts = searched.counts()
        logger.warning(
            "the search of %s is not finished (%d complete, %d pruned): its front may move. Fix: confirm once more"
            " when it is; what is confirmed now stays",
            study.name,
            counts["complete"],
            counts["pruned"],
        )


def wanted_trials(study: Study, scope: Scope, *, root: Path, address: str | None = None) -> Wanted:
    """Return the trials that a confirmation shall come to; those that were done before are among them.

    Args:
        study: as for `confirm`, as are the others.
        scope: what is to be confirmed.
        root: of the studies' folders.
        address: of a Ray cluster, whose devices are not this machine's.

    Raises:
        InputError: as `confirm`.
    """
    if scope.time_only and study.custom_trainable:
        rule = "is one's own: nobody else knows how to time it"
        raise InputError(problem(study.file, "trainable", study.trainable, rule, "remove --timing-only"))
    searched = _searched(study, root)
    home = root / study.name
    earlier = find_result(home, CONFIRM)
    now = {row.label: row for row in _rows(study, searched, root, possible=scope.possible)}
    stored = earlier.study["rows"] if earlier else {}
    trained = {trial.params["label"] for trial in earlier.trials if trial.state in FINISHED} if earlier else set()
    changed = changed_rows(list(now.values()), {label: stored[label] for label in trained}, home / CONFIRM_FOLDER)
    if changed:
        raise InputError(*changed.values())
    rows = {**{label: stored_row(label, row, study) for label, row in stored.items()}, **now}
    seeds = 0 if scope.time_only else scope.seeds
    where = CLUSTER if address else device()
    return Wanted(
        rows=rows,
        replicates=[{"label": label, "replicate": replicate} for replicate in range(seeds) for label in rows],
        timings=[] if study.custom_trainable else _timings(list(rows), earlier, where, again=scope.time_only),
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
        f"what it was, or vsam-tune confirm {study.name}",
    )
    if keys := study.differences(searched.study):
        raise InputError(*(problem(study.file, key, None, rule, fix) for key in keys))
    if not searched.front():
        fix = "vsam-tune search goes on, vsam-tune trials says why"
        raise InputError(problem(home / DATABASE, "", None, "holds no complete trial to confirm", fix))
    return searched


def _rows(study: Study, searched: StudyResult, root: Path, *, possible: bool) -> list[BaselineRow]:
    """Return the rows of the front as it is now, and those that it is held against."""
    chosen = {record.number: record for record in (*searched.front(), *(searched.possible() if possible else ()))}
    rows = [trial_row(number, study.chosen(record.params), study, key="front") for number, record in chosen.items()]
    if study.custom_trainable:  # nobody knows what a trainable of one's own can do
        return rows
    named = wanted_rows(study, root=root, methods=list(REFERENCES))
    for name in REFERENCES:
        of_method = [row for row in named if row.method.name == name]
        rows.append(next((row for row in of_method if row.label == name), of_method[0]))
    return rows


def _timings(labels: Sequence[str], earlier: StudyResult | None, where: str, *, again: bool) -> list[dict[str, Any]]:
    """Return the parameters of a timing of all rows on one device: the first one there, or a new one.

    Args:
        labels: of the rows.
        earlier: what is there.
        where: the device.
        again: time once more, unless the last one on the device is not done yet.
    """
    timings = [trial for trial in (earlier.trials if earlier else ()) if "timing" in trial.params]
    here = sorted({trial.params["timing"] for trial in timings if trial.params["device"] == where})
    new = 1 + max((trial.params["timing"] for trial in timings), default=0)
    number = (here[-1] if again else here[0]) if here else new
    done = {trial.params["label"] for trial in timings if trial.params["timing"] == number and trial.state in FINISHED}
    if again and done.issuperset(labels):
        number = new
    return [{"label": label, "timing": number, "device": where} for label in labels]


def confirm_plan(
    study: Study, wanted: Wanted, trials: Sequence[Mapping[str, Any]], *, result: StudyResult | None = None
) -> Plan:
    """Return what a confirmation runs: its trainings, or its timings.

    Args:
        study: the loaded study file.
        wanted: all that there shall be.
        trials: `wanted.replicates`, or `wanted.timings`.
        result: the confirmation so far, which says at which sampled fraction a row is timed.
    """
    fractions = {label: _sampled_fraction(label, row, wanted.searched, result) for label, row in wanted.rows.items()}

    def config(params: Mapping[str, Any], _: int) -> dict[str, Any]:
        settings = {**wanted.rows[params["label"]].settings(), "final": False}
        if "timing" in params:
            timed = {"sampled_fraction": fractions[params["label"]], "seconds": wanted.timing_seconds}
            return {**settings, **timed, "seed": trial_seed(study.task.seed, "timing")}
        seed = trial_seed(study.task.seed, "confirm", params["replicate"])  # for all rows: they are paired
        return {**settings, "test": True, "seed": seed}

    objectives = study.objectives if study.custom_trainable else _SPEED
    resolved = study.resolved()
    return Plan(
        name=study.name + CONFIRM,
        objectives=objectives,
        fixed_trials=trials,
        epochs=study.epochs,
        resources=study.resources,
        tracking_uri=study.tracking.uri,
        run_kind=CONFIRM_KIND,
        view=study_view(study.objectives, ["method", *study.space], more=["test_accuracy"]),
        trainable=TIMING if trials and "timing" in trials[0] else study.trainable,
        config=config,
        resolved={
            "objectives": [{"name": each.name, "direction": each.direction} for each in objectives],
            **{key: resolved[key] for key in ("task", "base_optimizer", "trainable")},
            "timed": not study.custom_trainable,
            "rows": {label: row.stored() for label, row in wanted.rows.items()},
        },
    )


def _sampled_fraction(label: str, row: BaselineRow, searched: StudyResult, result: StudyResult | None) -> float | None:
    """Return the mean over a row's seeds; where none is complete what the search had of it, or the method's own."""
    records = [each for each in (result.trials if result else ()) if each.params.get("label") == label]
    fractions = [
        float(each.metrics["sampled_fraction"])
        for each in records
        if each.state == "complete" and "replicate" in each.params and "sampled_fraction" in each.metrics
    ]
    if fractions:
        return mean(fractions)
    if row.trial is None:
        return REFERENCES[row.method.name]
    return searched.trials[row.trial].metrics.get("sampled_fraction")


def _ended(result: StudyResult | None, wanted: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether each of these trials was tried to its end."""
    left = [trial.params for trial in result.trials if trial.state in ("waiting", "running")] if result else []
    return not any(params in left for params in wanted)
