"""Study files and exports, parsed once into a frozen `Study` or `Export`; all problems come at once."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue, field_serializer
from typing_extensions import override

from vsam_tune.errors import InputError, problem
from vsam_tune.registry.methods import METHODS
from vsam_tune.study.file.baselines import Baselines, read_rows
from vsam_tune.study.file.configuration import Configuration, configure, read
from vsam_tune.study.file.constraints import check_constraints
from vsam_tune.study.file.differences import differing_keys
from vsam_tune.study.file.feasibility import Constraint, check_feasibility
from vsam_tune.study.file.grid import check_grid
from vsam_tune.study.file.hyperparameters import NamedSettings
from vsam_tune.study.file.initial_points import Point, WarmStartEntry, check_initial, default_initial, typed_initial
from vsam_tune.study.file.objectives import (
    CUSTOM_OBJECTIVES,
    DEFAULT_OBJECTIVES,
    ObjectiveEntry,
    check_objectives,
    check_reference_point,
)
from vsam_tune.study.file.overrides import override as override_values
from vsam_tune.study.file.problems import Problem, refuse, suggestion
from vsam_tune.study.file.sections import (
    Asha,
    Budget,
    Fifo,
    Grid,
    Replication,
    Resources,
    Sampler,
    Source,
    StudyName,
    Tpe,
    Tracking,
    TrialScheduler,
)
from vsam_tune.study.file.space import Space, check_fixed, read_space, to_dict
from vsam_tune.study.file.strict_yaml import read_mapping
from vsam_tune.study.file.tracking_uri import absolute_uri, uri_problem, without_password
from vsam_tune.trial import MOST_SEEDS


class StudyFile(Configuration):
    """A study file: its fields are the sections and keys that it may have.

    Attributes:
        name: the name of the study and of its folder.
        space: the searched parameters, as the file changes the default space.
        initial: the parameters that are tried first; the sampler draws those that a point leaves out.
        warm_start: another study, whose front is tried next; None for none.
        objectives: in order; the best trial of the first one leads a front.
        sampler: suggests parameters.
        trial_scheduler: stops trials.
        replicates: seeds that a trial trains, one after the other.
        racing: whether a further seed is trained only while the trial may still be on the front.
        budget: of the whole study.
        resources: of one trial.
        tracking: where MLflow is.
        constraints: bounds on metrics; a trial that breaks one cannot be on the front.
        reference_point: the corner of the hypervolume by objective name; None to take it from the trials.
        baselines: the methods that the study is compared with; None for the default.
    """

    name: StudyName = Field(description="write a word such as mine")
    space: Mapping[str, object] = Field({}, description="write {beta: {type: float, low: 0.05, high: 1}}")
    initial: tuple[Point, ...] = Field((), strict=False, description="write [{beta: 0.13}], or [] for none")
    warm_start: WarmStartEntry | None = Field(None, description="write the name of a study, or leave it out")
    objectives: tuple[ObjectiveEntry, ...] = Field(
        DEFAULT_OBJECTIVES, strict=False, description="write [val_accuracy, {name: cost, direction: minimize}]"
    )
    sampler: Sampler = Field(Tpe(), description="write {kind: tpe}")
    trial_scheduler: TrialScheduler = Field(Fifo(), description="write {kind: fifo}")
    replicates: int = Field(1, ge=1, le=MOST_SEEDS, description="write the number of seeds of a trial, such as 3")
    racing: bool = Field(default=False, description="write true, or false to train all replicates of every trial")
    budget: Budget = Budget()
    resources: Resources = Resources()
    tracking: Tracking = Tracking()
    constraints: tuple[Constraint, ...] = Field(
        (), strict=False, description="write [{metric: val_accuracy, min: 80}], or leave it out"
    )
    reference_point: dict[str, float] | None = Field(None, description="write {OBJECTIVE: NUMBER}, or leave it out")
    baselines: Baselines | None = None


class Study(StudyFile):
    """A study file after all checks, complete; in its space, each parameter comes after those of its condition."""

    space: Space

    @property
    def replication(self) -> Replication:
        """The seeds of one trial."""
        return Replication(self.replicates, self.racing)

    @field_serializer("space")
    def _dump_space(self, space: Space) -> dict[str, Any]:
        removed = dict.fromkeys(name for name in self.parameters.space.searched if name not in space)
        return {**{name: to_dict(dimension) for name, dimension in space.items()}, **removed}

    @override
    def resolved(self) -> dict[str, Any]:
        return {"name": self.name, **super().resolved()}

    def differences(self, resolved: Mapping[str, Any]) -> list[str]:
        """Return the dotted keys that must not differ from those that an earlier start `resolved`, but do."""
        now = self.resolved()
        if self.warm_start is not None and self.warm_start.points is None:  # the points are read at the first start
            now["warm_start"]["points"] = (resolved.get("warm_start") or {}).get("points")
        return differing_keys(now, resolved)

    def chosen(self, params: Mapping[str, JsonValue]) -> tuple[NamedSettings, NamedSettings]:
        """Return base optimizer and method with the searched parameters of one trial fixed."""
        chosen = self.parameters.split({**self.fixed, **params})
        return chosen["base_optimizer"], chosen["method"]


class Export(Configuration):
    """One configuration, everything fixed, for a final training; one that is written by hand has no source."""

    source: Source = Source()

    @override
    def resolved(self) -> dict[str, Any]:
        source = self.source.model_dump(mode="json", exclude_defaults=True)
        return {**({"source": source} if source else {}), **self.model_dump(mode="json", exclude={"source"})}


def load_study(file: Path, overrides: Mapping[str, Any] | None = None) -> Study:
    """Read a study file.

    Args:
        file: YAML; relative paths in it start from its folder.
        overrides: values of the command line by dotted key, such as `budget.trials`; relative paths in them
            start from the current folder.

    Returns:
        The study, with everything that the file leaves out.

    Raises:
        InputError: with one line for each problem.
    """
    return read_study(read_mapping(file), file, overrides)


def read_study(content: dict[str, Any], file: Path, overrides: Mapping[str, Any] | None = None) -> Study:
    """Return the study that the content of a file, or a stored definition, describes.

    Args:
        content: as the file holds it, or as `Study.resolved` returned it; changed by the overrides.
        file: named in errors; relative paths in the content start from its folder.
        overrides: as for `load_study`.

    Raises:
        InputError: with one line for each thing that is wrong.
    """
    if "source" in content:
        raise InputError(
            problem(file, "", None, "is an export, not a study", f"vsam-tune train {shlex.quote(str(file))}")
        )
    overrides = overrides or {}
    override_values(content, overrides)
    study, problems = _check(content, file, frozenset(overrides))
    if study is None:
        refuse(problems, file, overrides)
    return study


def load_export(file: Path, overrides: Mapping[str, Any] | None = None) -> Export:
    """Read a file for a final training: an export of `vsam-tune front`, or a few lines written by hand.

    Args:
        file: YAML; relative paths in it start from its folder.
        overrides: as for `load_study`.

    Returns:
        The configuration, with everything that the file leaves out.

    Raises:
        InputError: with one line for each problem.
    """
    content = read_mapping(file)
    if set(content) & (set(StudyFile.model_fields) - set(Export.model_fields)):
        fix = f"vsam-tune front {shlex.quote(str(file))} --pick knee --export best.yaml, then vsam-tune train best.yaml"
        raise InputError(problem(file, "", None, "is a study, not an export", fix))
    overrides = overrides or {}
    override_values(content, overrides)
    written, problems = read(Export, content, file, frozenset(overrides))
    draft, found = configure(written, problems)
    problems += found
    if draft is not None:
        problems += [*check_fixed({}, draft), *check_constraints(draft, {})]
    if draft is None or problems:
        refuse(problems, file, overrides)
    return draft.completed({})


def export(
    study: Study, trial_number: int, params: Mapping[str, JsonValue], values: Mapping[str, float]
) -> dict[str, Any]:
    """Return the content of a file that `load_export` reads: the configuration of a trial, by its number.

    `params` are its searched parameters, `values` its objectives, both by name.
    """
    source = Source(study=study.name, trial=trial_number, values=dict(values), params=dict(params))
    base_optimizer, method = study.chosen(params)
    chosen = Export.around(study, base_optimizer=base_optimizer, method=method, source=source)
    return chosen.completed({}).resolved()


def check_racing(study: StudyFile) -> Iterator[Problem]:
    """Yield a problem if racing can have no effect."""
    if study.racing and study.replicates < 2:
        yield Problem(
            "racing", study.racing, "has no effect on one replicate", "write replicates: 3, or leave racing out"
        )


def check_budget(study: StudyFile) -> Iterator[Problem]:
    """Yield a problem if GPUs are to be counted, and trials have none."""
    if study.budget.gpu_hours is not None and not study.resources.gpus:
        rule = "counts the GPUs of the trials, and resources.gpus is 0"
        fix = "write resources: {gpus: 1}, or budget: {seconds: N} instead"
        yield Problem("budget.gpu_hours", study.budget.gpu_hours, rule, fix)


def check_tracking(tracking: Tracking) -> Iterator[Problem]:
    """Yield a problem if the tracking URI can never work; a server that is away may come back."""
    if tracking.uri is not None and (found := uri_problem(tracking.uri)):
        yield Problem("tracking.uri", without_password(tracking.uri), *found)


def check_scheduler(study: StudyFile) -> Iterator[Problem]:
    """Yield the problems that keep a trial scheduler from stopping any trial."""
    scheduler = study.trial_scheduler
    if isinstance(scheduler, Fifo):
        return
    names = [objective.name for objective in study.objectives]
    if isinstance(scheduler, Asha) and scheduler.metric not in names:
        fix = suggestion(scheduler.metric, names, "one of")
        yield Problem("trial_scheduler.metric", scheduler.metric, "is not an objective of the study", fix)
    if scheduler.min_epochs >= study.epochs:
        rule = f"must be < task.epochs, {study.epochs}, or no trial is ever stopped"
        yield Problem("trial_scheduler.min_epochs", scheduler.min_epochs, rule, "write fewer, or `kind: fifo`")


def _check(content: Mapping[str, object], file: Path, overridden: frozenset[str]) -> tuple[Study | None, list[Problem]]:
    """Return the study, None if there are problems, and the problems."""
    written, problems = read(StudyFile, content, file, overridden)
    if written.custom_trainable and "objectives" not in written.model_fields_set:
        written = written.model_copy(update={"objectives": CUSTOM_OBJECTIVES})
    problems += check_objectives(written.objectives)
    problems += check_reference_point(written.reference_point, written.objectives)
    problems += check_racing(written)
    any_metric = written.custom_trainable or written.method.name not in {"", *METHODS}
    problems += check_feasibility(written.constraints, any_metric=any_metric)
    problems += check_budget(written)
    if written.tracking.uri is not None:
        written = written.model_copy(update={"tracking": Tracking(uri=absolute_uri(written.tracking.uri, file.parent))})
        problems += check_tracking(written.tracking)
    draft, found = configure(written, problems)
    problems += found
    if draft is None:
        return None, problems
    problems += check_scheduler(draft)
    space, wrong = read_space(draft.space, draft)
    initial = default_initial(space, draft.values)
    if not wrong:  # what follows would report the same again
        wrong += check_constraints(draft, space)
        wrong += check_grid(space) if isinstance(draft.sampler, Grid) else ()
        if "initial" in draft.model_fields_set:
            wrong += check_initial(draft.initial, space, draft.completed(space).fixed)
            initial = draft.initial if wrong else typed_initial(draft.initial, space)
    problems += wrong
    if draft.baselines:
        problems += read_rows(draft.baselines, draft, initial)[1]
    return None if problems else Study.around(draft.completed(space), space=space, initial=initial), problems
