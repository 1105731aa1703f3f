"""The baselines of a study: methods, and picked trials of the search, trained on its task under the same seeds.

Each row's replicates train on training and validation part together and are tested once, at the end. They are trials
of a separate Optuna study in the database of the search. In the study of the search they would count as its sampler's
first trials and change its model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsam_tune.analysis.picks import pick
from vsam_tune.analysis.results import Objective, StudyResult
from vsam_tune.analysis.row_trials import Replicate
from vsam_tune.errors import InputError, problem
from vsam_tune.registry.methods import METHODS
from vsam_tune.registry.object_reference import is_object_path
from vsam_tune.study.execution.events import Listener
from vsam_tune.study.execution.runner import Runner
from vsam_tune.study.file.baselines import BaselineRow, Baselines, changed_rows, read_rows, stored_row, trial_row
from vsam_tune.study.file.differences import common, difference_rules, differing_keys
from vsam_tune.study.file.problems import refuse, suggestion
from vsam_tune.study.file.run_length import check_run_length
from vsam_tune.study.file.study_file import Study
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.storage.folder import BASELINES, BASELINES_FOLDER
from vsam_tune.study.storage.stored_study import load_definition, load_result, stored_definition
from vsam_tune.study.tracking.mlflow_view import study_view
from vsam_tune.study.tracking.run_kind import BASELINE
from vsam_tune.trial import trial_seed

_OBJECTIVES = (Objective("test_accuracy", "maximize"), Objective("ais", "maximize"))


@dataclass(frozen=True, kw_only=True)
class BaselinesJob:
    """Train the replicates of rows that are not done yet.

    Attributes:
        study: the loaded study file.
        home: the study's folder.
        rows: as `wanted_rows` returned them.
        seeds: replicates of each row; None for as many as the study file says.
    """

    study: Study
    home: Path
    rows: tuple[BaselineRow, ...]
    seeds: int | None = None
    suffix: str = BASELINES
    folder: str = BASELINES_FOLDER

    @property
    def wanted(self) -> Sequence[Mapping[str, Any]]:
        """The parameters of the wanted trials."""
        seeds = self.seeds or (self.study.baselines or Baselines()).seeds
        return [Replicate(row.label, number).to_params() for number in range(seeds) for row in self.rows]

    def check_against(self, stored: StudyResult | None) -> None:
        """Compare task and rows with those of the search, and of former starts.

        Raises:
            InputError: if one differs from the definition that trials were trained with.
        """
        study, home, trained_in = self.study, self.home, self.home / BASELINES_FOLDER
        trained = [record for record in stored.trials if record.state not in ("waiting", "fail")] if stored else []
        lines: dict[str, str] = {}
        for former, where in (
            (stored_definition(home), home),
            (stored.study if stored and trained else None, trained_in),
        ):
            if former is None:
                continue
            keys = differing_keys(common(study.resolved()), common(former))
            rules = difference_rules(f"differs from the trainings in {where}", keys, study.resolved(), former)
            fix = "restore the value, or take another name:"
            lines |= {key: problem(study.place(key), key, None, rule, fix) for key, rule in rules.items()}
        labels = {record.params["label"] for record in trained}
        known = {label: row for label, row in (stored.study["rows"] if stored else {}).items() if label in labels}
        lines |= changed_rows(self.rows, known, trained_in)
        if lines:
            raise InputError(*lines.values())

    def extent(self, stored: StudyResult | None) -> tuple[int | None, int]:
        """Return the number of wanted trials, and how many of them are complete or pruned."""
        return len(self.wanted), stored.num_finished_of(self.wanted) if stored else 0

    def plans(self) -> Iterator[Plan]:
        """Yield the one plan; its definition keeps the rows of former starts."""
        stored = stored_definition(self.home, BASELINES)
        yield baselines_plan(self.study, self.rows, self.wanted, earlier=stored["rows"] if stored else {})

    def warnings(self, facts: Mapping[str, float]) -> list[str]:
        """Return the warnings about settings that reach past the end of the run."""
        return past_the_end(self.rows, facts)


def baselines(
    study: Study,
    *,
    root: Path,
    methods: Sequence[str] | None = None,
    seeds: int | None = None,
    picks: Sequence[str] = (),
    listeners: Sequence[Listener] = (),
    workers: int | None = None,
    address: str | None = None,
) -> StudyResult:
    """Train the replicates of the wanted rows that are not done yet.

    Args:
        study: the loaded study file.
        root: the study's folder is `root / study.name`.
        methods: as for `wanted_rows`.
        seeds: replicates of each row; None for as many as the study file says.
        picks: as for `wanted_rows`.
        listeners: are informed of trials as they go.
        workers: trials at a time; None for as many as the cluster holds.
        address: of an existing Ray cluster; None for one on this machine.

    Returns:
        All baselines of the study under its name, also those that were not wanted now, or failed.

    Raises:
        InputError: if there is no such row or pick; if the task, or a row that was trained, has changed since; or if
            the data are not there.
    """
    rows = wanted_rows(study, root=root, methods=methods, picks=picks)
    home = (root / study.name).absolute()
    job = BaselinesJob(study=study, home=home, rows=rows, seeds=seeds)
    return Runner(home).run(job, listeners=listeners, workers=workers, address=address)[0]


def wanted_rows(
    study: Study, *, root: Path, methods: Sequence[str] | None = None, picks: Sequence[str] = ()
) -> tuple[BaselineRow, ...]:
    """Return the rows to train, in order.

    Args:
        study: the loaded study file.
        root: of the studies' folders.
        methods: labels of rows, or names of methods, for all rows of a method; None for all rows of the study file. A
            method without a row gets one.
        picks: rules such as `knee` or `trial=13`; these trials of the search become rows as well.

    Raises:
        InputError: if there is no such row or pick, or a row cannot be.
    """
    section = study.baselines or Baselines()
    rows, problems = read_rows(section, study, study.initial)
    if methods is not None:
        more = [name for name in methods if (name in METHODS or is_object_path(name)) and not _of(name, rows)]
        if more:
            section = section.model_copy(update={"methods": (*(section.methods or ()), *more)})
            rows, problems = read_rows(section, study, study.initial)
    if problems:
        refuse(problems, study.file, study.overridden)
    if methods is not None:
        rows = tuple({row.label: row for name in methods for row in _chosen(name, rows)}.values())
    rows += _picked(study, root, picks)
    if not rows:
        fix = "write [{name: NAME}] with methods that your trainable knows, or --pick knee"
        raise InputError(
            problem(study.place("baselines.methods"), "baselines.methods", None, "leaves nothing to train", fix)
        )
    return rows


def _of(name: str, rows: Sequence[BaselineRow]) -> tuple[BaselineRow, ...]:
    """Return the row of a label, or the rows of a method."""
    return tuple(row for row in rows if name in (row.label, row.method.name))


def _chosen(name: str, rows: Sequence[BaselineRow]) -> tuple[BaselineRow, ...]:
    found = _of(name, rows)
    if not found:
        known = dict.fromkeys([*(row.label for row in rows), *METHODS])
        raise InputError(
            problem("--methods", "", name, "is no row of the baselines", suggestion(name, known, "one of"))
        )
    return found


def _picked(study: Study, root: Path, picks: Sequence[str]) -> tuple[BaselineRow, ...]:
    """Return the rows of picked trials, each once."""
    if not picks:
        return ()
    result = load_result(study.name, root)
    searched = load_definition(study.name, root)
    rows = {}
    for rule in picks:
        record = pick(result, rule)
        rows[record.number] = trial_row(record.number, searched.chosen(record.params), study, key=f"--pick {rule}")
    return tuple(rows.values())


def baselines_plan(
    study: Study, rows: Sequence[BaselineRow], wanted: Sequence[Mapping[str, Any]], *, earlier: Mapping[str, Any]
) -> Plan:
    """Return the plan of baselines.

    Args:
        study: the loaded study file.
        rows: to be trained, of different labels.
        wanted: parameters of the trials: all rows under the first replicate, then under the next.
        earlier: rows of former starts, by label, as the storage keeps them.
    """
    known = {label: stored_row(label, stored, study) for label, stored in earlier.items()}
    known |= {row.label: row for row in rows}

    def config(params: Mapping[str, Any], _: int) -> dict[str, Any]:
        seed = trial_seed(study.task.seed, "final", params["replicate"])  # for all rows: they are paired
        return {**known[params["label"]].settings(), "seed": seed, "final": True}

    resolved = study.resolved()
    return Plan(
        name=study.name + BASELINES,
        objectives=_OBJECTIVES,
        fixed_trials=wanted,
        epochs=study.epochs,
        resources=study.resources,
        tracking_uri=study.tracking.uri,
        run_kind=BASELINE,
        view=study_view(study.objectives, ["method", *study.space], more=["test_accuracy"]),
        trainable=study.trainable,
        config=config,
        resolved={
            "objectives": [each.definition() for each in _OBJECTIVES],
            **{key: resolved[key] for key in ("task", "base_optimizer", "trainable")},
            "rows": {label: row.stored() for label, row in known.items()},
        },
    )


def past_the_end(rows: Sequence[BaselineRow], facts: Mapping[str, float]) -> list[str]:
    """Return a line for each setting that reaches past the end of the run: it would be another method's row.

    Args:
        rows: to be trained.
        facts: the answer of the trainable's `check`.
    """
    lines = []
    for row in rows:
        lines += [each.line(row.file, row.overridden) for each in check_run_length(row, {}, facts)]
        start = row.fixed.get("start_epoch")
        if isinstance(start, int) and start >= row.epochs - 1:
            rule = f"a trial has {row.epochs} epochs: its loss term never begins"
            lines.append(problem(row.file, f"{row.key}.start_epoch", start, rule, f"a value below {row.epochs - 1}"))
    return lines
