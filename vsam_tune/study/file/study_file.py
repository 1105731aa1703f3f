"""Study files and exports, parsed once into a frozen `Study` or `Export`; all that is wrong comes at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from typing_extensions import override

from vsam_tune.analysis.results import Objective
from vsam_tune.errors import InputError, problem
from vsam_tune.study.file.baselines import Baselines, read_rows
from vsam_tune.study.file.configuration import CONFIGURATION_KEYS, DEFAULT_TRAINABLE, Configuration, read_configuration
from vsam_tune.study.file.constraints import Limits
from vsam_tune.study.file.differences import differing_keys
from vsam_tune.study.file.hyperparameters import NamedSettings
from vsam_tune.study.file.initial_points import Point, default_initial, read_initial
from vsam_tune.study.file.objectives import (
    CUSTOM_OBJECTIVES,
    DEFAULT_OBJECTIVES,
    read_objectives,
    read_reference_point,
)
from vsam_tune.study.file.problems import Problems, parse
from vsam_tune.study.file.sections import (
    SAMPLERS,
    TRIAL_SCHEDULERS,
    Budget,
    Replication,
    Resources,
    Sampler,
    Source,
    Tracking,
    TrialScheduler,
    check_scheduler,
    read_kind,
    read_name,
    read_replication,
    read_section,
)
from vsam_tune.study.file.space import Space, check_fixed, read_space, written
from vsam_tune.study.file.strict_yaml import read_mapping
from vsam_tune.study.file.task import absolute, absolute_data

STUDY_KEYS = (
    "name",
    *CONFIGURATION_KEYS,
    "space",
    "initial",
    "objectives",
    "sampler",
    "trial_scheduler",
    *Replication.model_fields,
    "budget",
    "resources",
    "tracking",
    "reference_point",
    "baselines",
)
EXPORT_KEYS = (*CONFIGURATION_KEYS, "source")
_PATHS = {"task.data": absolute_data, "task.data_root": absolute}


@dataclass(frozen=True, kw_only=True)
class Study(Configuration):
    """A study: what trains, what varies, and how it is searched.

    Attributes:
        name: its folder's name.
        space: what is searched, by parameter, each after those that its condition names.
        initial: the parameters that are tried first; where they leave one out, the sampler draws it.
        objectives: in order; the first one's best leads a front.
        sampler: suggests parameters.
        trial_scheduler: stops trials.
        replication: seeds of one trial.
        budget: of the whole study.
        resources: of one trial.
        tracking: where MLflow is.
        reference_point: the corner of the hypervolume by objective name; None to take it from the trials.
        baselines: what the study is compared with; None for the default.
    """

    name: str
    space: Space
    initial: tuple[Point, ...]
    objectives: tuple[Objective, ...]
    sampler: Sampler
    trial_scheduler: TrialScheduler
    replication: Replication
    budget: Budget
    resources: Resources
    tracking: Tracking
    reference_point: dict[str, float] | None
    baselines: Baselines | None

    @override
    def resolved(self) -> dict[str, Any]:
        removed = dict.fromkeys(name for name in self.parameters.space.searched if name not in self.space)
        return {
            "name": self.name,
            **super().resolved(),
            "space": {**{name: written(dimension) for name, dimension in self.space.items()}, **removed},
            "initial": [dict(point) for point in self.initial],
            "objectives": [{"name": each.name, "direction": each.direction} for each in self.objectives],
            "sampler": self.sampler.model_dump(mode="json"),
            "trial_scheduler": self.trial_scheduler.model_dump(mode="json"),
            **self.replication.model_dump(mode="json"),
            "budget": self.budget.model_dump(mode="json"),
            "resources": self.resources.model_dump(mode="json"),
            "tracking": self.tracking.model_dump(mode="json"),
            "reference_point": self.reference_point and dict(self.reference_point),
            "baselines": self.baselines and self.baselines.model_dump(mode="json"),
        }

    def differences(self, resolved: Mapping[str, Any]) -> list[str]:
        """Return the dotted keys that differ from a former start's file, and must not between two starts.

        Args:
            resolved: what `resolved` returned at the former start.
        """
        return differing_keys(self.resolved(), resolved)

    def chosen(self, params: Mapping[str, JsonValue]) -> tuple[NamedSettings, NamedSettings]:
        """Return base optimizer and method with the searched parameters of one trial fixed."""
        of_base = self.parameters.of_base
        base = {name: value for name, value in params.items() if name in of_base}
        method = {name: value for name, value in params.items() if name not in of_base}
        return (
            NamedSettings(self.base_optimizer.name, {**self.base_optimizer.settings, **base}),
            NamedSettings(self.method.name, {**self.method.settings, **method}),
        )


@dataclass(frozen=True, kw_only=True)
class Export(Configuration):
    """One configuration, everything fixed, for a final training.

    Attributes:
        source: where its settings come from; empty for one written by hand.
    """

    source: Source

    @override
    def resolved(self) -> dict[str, Any]:
        source = self.source.model_dump(mode="json", exclude_defaults=True)
        return {**({"source": source} if source else {}), **super().resolved()}


def load_study(file: Path, overrides: Mapping[str, object] | None = None) -> Study:
    """Read a study file.

    Args:
        file: YAML; relative paths in it start from its folder.
        overrides: values of the command line by dotted key, such as `budget.trials`, None where there is
            none; relative paths in them start from the current folder.

    Returns:
        The study, everything that the file leaves out filled in.

    Raises:
        InputError: with one line for each thing that is wrong.
    """
    return read_study(read_mapping(file), file, overrides)


def read_study(content: dict[str, Any], file: Path, overrides: Mapping[str, object] | None = None) -> Study:
    """Return the study that the content of a file, or a stored definition, describes.

    Args:
        content: as the file holds it, or as `Study.resolved` returned it; changed by the overrides.
        file: named in errors; relative paths in the content start from its folder.
        overrides: as for `load_study`.

    Raises:
        InputError: with one line for each thing that is wrong.
    """
    if "source" in content:
        raise InputError(problem(file, "", None, "is an export, no study", f"vsam-tune train {file}"))
    problems = _override(content, file, overrides or {})
    problems.check_keys(content, STUDY_KEYS)
    study = _read_study(content, problems)
    if study is None or problems.lines:
        raise InputError(*problems.lines)
    return study


def load_export(file: Path, overrides: Mapping[str, object] | None = None) -> Export:
    """Read a file for a final training: an export of `vsam-tune front`, or a few lines written by hand.

    Args:
        file: YAML; relative paths in it start from its folder.
        overrides: as for `load_study`.

    Returns:
        The configuration, everything that the file leaves out filled in.

    Raises:
        InputError: with one line for each thing that is wrong.
    """
    content = read_mapping(file)
    if set(content) & (set(STUDY_KEYS) - set(EXPORT_KEYS)):
        fix = f"vsam-tune front {file} --pick knee --export best.yaml, then vsam-tune train best.yaml"
        raise InputError(problem(file, "", None, "is a study, no export", fix))
    problems = _override(content, file, overrides or {})
    problems.check_keys(content, EXPORT_KEYS)
    source = read_section(content, "source", Source, problems)
    draft = read_configuration(content, problems)
    if draft is not None:
        check_fixed({}, draft, problems)
        Limits(draft, {}).check(problems)
    if draft is None or problems.lines:
        raise InputError(*problems.lines)
    complete = draft.completed({})
    return Export(
        file=file,
        task=complete.task,
        base_optimizer=complete.base_optimizer,
        method=complete.method,
        trainable=complete.trainable,
        source=source,
    )


def export(
    study: Study, trial_number: int, params: Mapping[str, JsonValue], values: Mapping[str, float]
) -> dict[str, Any]:
    """Return the content of a file that `load_export` reads: the configuration of one trial.

    Args:
        study: that the trial belongs to.
        trial_number: of the trial.
        params: its searched parameters by name.
        values: its objectives by name.
    """
    base_optimizer, method = study.chosen(params)
    chosen = Export(
        file=study.file,
        task=study.task,
        base_optimizer=base_optimizer,
        method=method,
        trainable=study.trainable,
        source=Source(study=study.name, trial=trial_number, values=dict(values), params=dict(params)),
    )
    return chosen.completed({}).resolved()


def _read_study(content: Mapping[str, object], problems: Problems) -> Study | None:
    """Return the study, with defaults in place of what is wrong; None if it is not known what trains."""
    name = read_name(content.get("name"), problems)
    ours = content.get("trainable", DEFAULT_TRAINABLE) == DEFAULT_TRAINABLE
    objectives = read_objectives(content.get("objectives", DEFAULT_OBJECTIVES if ours else CUSTOM_OBJECTIVES), problems)
    reference_point = read_reference_point(content.get("reference_point"), objectives, problems)
    sampler = read_kind(content, "sampler", SAMPLERS, problems)
    trial_scheduler = read_kind(content, "trial_scheduler", TRIAL_SCHEDULERS, problems)
    replication = read_replication(content, problems)
    budget = read_section(content, "budget", Budget, problems)
    resources = read_section(content, "resources", Resources, problems)
    tracking = read_section(content, "tracking", Tracking, problems)
    draft = read_configuration(content, problems)
    if draft is None:
        return None
    check_scheduler(trial_scheduler, objectives, draft.epochs, problems)
    space, initial = _read_search(content, draft, problems)
    complete = draft.completed(space)
    return Study(
        file=problems.file,
        name=name,
        task=complete.task,
        base_optimizer=complete.base_optimizer,
        method=complete.method,
        trainable=complete.trainable,
        space=space,
        initial=initial,
        objectives=objectives,
        sampler=sampler,
        trial_scheduler=trial_scheduler,
        replication=replication,
        budget=budget,
        resources=resources,
        tracking=tracking,
        reference_point=reference_point,
        baselines=_read_baselines(content.get("baselines"), draft, initial, problems),
    )


def _read_baselines(
    value: object, draft: Configuration, initial: Sequence[Point], problems: Problems
) -> Baselines | None:
    section = None if value is None else parse(Baselines, value, "baselines", problems)
    if section is not None:
        read_rows(section, draft, initial, problems)
    return section


def _read_search(
    content: Mapping[str, object], draft: Configuration, problems: Problems
) -> tuple[Space, tuple[Point, ...]]:
    wrong = len(problems.lines)
    space = read_space(content.get("space", {}), draft, problems)
    if len(problems.lines) > wrong:  # what follows would tell the same again
        return space, ()
    Limits(draft, space).check(problems)
    if "initial" in content:
        return space, read_initial(content["initial"], space, draft.completed(space).fixed, problems)
    return space, default_initial(space, draft.values)


def _override(content: dict[str, Any], file: Path, overrides: Mapping[str, object]) -> Problems:
    """Put the command line's values into the content of a file, and return where its errors go."""
    given = {key: value for key, value in overrides.items() if value is not None}
    for key, value in given.items():
        section, _, name = key.partition(".")
        settings = content.setdefault(section, {})
        if isinstance(settings, dict):  # a section that is no mapping is told by its own check
            settings[name] = _PATHS[key](str(value), Path.cwd()) if key in _PATHS else value
    return Problems(file, given)
