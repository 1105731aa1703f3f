"""Study files and exports, parsed once into a frozen `Study` or `Export`; all that is wrong comes at once."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from typing_extensions import override

from vsam_tune.errors import InputError, finding
from vsam_tune.results import Objective
from vsam_tune.study.configuration import CONFIGURATION_KEYS, Configuration, read_configuration
from vsam_tune.study.findings import Findings, parse, suggestion
from vsam_tune.study.initial import Point, default_initial, read_initial
from vsam_tune.study.limits import Limits
from vsam_tune.study.objectives import DEFAULT_OBJECTIVES, read_objectives, read_reference_point
from vsam_tune.study.parameters import Named
from vsam_tune.study.sections import (
    SAMPLERS,
    TRIAL_SCHEDULERS,
    Asha,
    Budget,
    Fifo,
    Resources,
    Sampler,
    Source,
    Tpe,
    Tracking,
    TrialScheduler,
    read_kind,
)
from vsam_tune.study.space import Space, check_fixed, read_space, written
from vsam_tune.study.task import absolute, absolute_data
from vsam_tune.study.yaml_file import read_mapping

STUDY_KEYS = (
    "name",
    *CONFIGURATION_KEYS,
    "space",
    "initial",
    "objectives",
    "sampler",
    "trial_scheduler",
    "budget",
    "resources",
    "tracking",
    "reference_point",
)
EXPORT_KEYS = (*CONFIGURATION_KEYS, "source")
CHANGEABLE = ("budget", "resources", "tracking")  # between two starts of a study
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
        budget: of the whole study.
        resources: of one trial.
        tracking: where MLflow is.
        reference_point: the corner of the hypervolume by objective name; None to take it from the trials.
    """

    name: str
    space: Space
    initial: tuple[Point, ...]
    objectives: tuple[Objective, ...]
    sampler: Sampler
    trial_scheduler: TrialScheduler
    budget: Budget
    resources: Resources
    tracking: Tracking
    reference_point: dict[str, float] | None

    @override
    def resolved(self) -> dict[str, Any]:
        searched = self.parameters.space.searched
        removed: dict[str, JsonValue] = {name: None for name in searched if name not in self.space}
        point = self.reference_point
        return {
            "name": self.name,
            **super().resolved(),
            "space": {**{name: written(dimension) for name, dimension in self.space.items()}, **removed},
            "initial": [dict(point) for point in self.initial],
            "objectives": [{"name": each.name, "direction": each.direction} for each in self.objectives],
            "sampler": self.sampler.model_dump(mode="json"),
            "trial_scheduler": self.trial_scheduler.model_dump(mode="json"),
            "budget": self.budget.model_dump(mode="json"),
            "resources": self.resources.model_dump(mode="json"),
            "tracking": self.tracking.model_dump(mode="json"),
            "reference_point": None if point is None else dict(point),
        }

    def differences(self, resolved: Mapping[str, Any]) -> list[str]:
        """Return the dotted keys that differ from a former start's file, and must not between two starts.

        Args:
            resolved: what `resolved` returned at the former start.
        """
        now, then = self.resolved(), dict(resolved)
        for key in CHANGEABLE:
            now.pop(key, None)
            then.pop(key, None)
        return _differences(now, then, "")

    def digest(self) -> str:
        """Return a short hash of the resolved file, a mark for its trials."""
        return hashlib.sha256(json.dumps(self.resolved(), sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class Export(Configuration):
    """One configuration, everything fixed, for a final training.

    Attributes:
        source: where its settings come from; None for one written by hand.
    """

    source: Source | None

    @override
    def resolved(self) -> dict[str, Any]:
        source = (
            {} if self.source is None else {"source": self.source.model_dump(mode="json", exclude_none=True)}
        )
        return {**source, **super().resolved()}


def load_study(file: Path, overrides: Mapping[str, object] | None = None) -> Study:
    """Read a study file.

    Args:
        file: YAML; relative paths in it start from its folder.
        overrides: values of the command line by dotted key, such as `budget.trials`; relative paths in them
            start from the current folder.

    Returns:
        The study, everything that the file leaves out filled in.

    Raises:
        InputError: with one line for each thing that is wrong.
    """
    content = read_mapping(file)
    if "source" in content:
        raise InputError(finding(file, "", None, "is an export, no study", f"vsam-tune train {file}"))
    findings = Findings(file, overrides or {})
    _override(content, overrides or {})
    _check_keys(content, STUDY_KEYS, findings)
    around = _read_around(content, findings)
    draft = read_configuration(content, findings)
    if draft is None:
        raise InputError(*findings.lines)
    wrong = len(findings.lines)
    space = read_space(content.get("space", {}), draft, findings)
    configuration, initial = draft.completed(space), default_initial(space, draft.values)
    if len(findings.lines) == wrong:  # else what follows would tell the same again
        Limits(draft, space).check(findings)
        if "initial" in content:
            initial = read_initial(content["initial"], space, configuration.fixed, findings)
    _check_scheduler(around["trial_scheduler"], around["objectives"], draft.task.epochs, findings)
    findings.raise_any()
    return Study(**_fields(configuration), **around, space=space, initial=initial)


def load_export(file: Path) -> Export:
    """Read a file for a final training: an export of `vsam-tune front`, or a few lines written by hand.

    Args:
        file: YAML; relative paths in it start from its folder.

    Returns:
        The configuration, everything that the file leaves out filled in.

    Raises:
        InputError: with one line for each thing that is wrong.
    """
    content = read_mapping(file)
    if set(content) & (set(STUDY_KEYS) - set(EXPORT_KEYS)):
        cure = f"vsam-tune front {file} --pick knee --export FILE, then vsam-tune train FILE"
        raise InputError(finding(file, "", None, "is a study, no export", cure))
    findings = Findings(file)
    _check_keys(content, EXPORT_KEYS, findings)
    source = parse(Source, content["source"], "source", findings) if "source" in content else None
    draft = read_configuration(content, findings)
    if draft is None:
        raise InputError(*findings.lines)
    check_fixed({}, draft, findings)
    Limits(draft, {}).check(findings)
    findings.raise_any()
    return Export(**_fields(draft.completed({})), source=source)


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
    of_base = study.parameters.of_base
    base = {name: value for name, value in params.items() if name in of_base}
    method = {name: value for name, value in params.items() if name not in of_base}
    chosen = replace(
        study,
        base_optimizer=Named(study.base_optimizer.name, {**study.base_optimizer.settings, **base}),
        method=Named(study.method.name, {**study.method.settings, **method}),
    )
    source = {"study": study.name, "trial": trial_number, "values": dict(values), "params": dict(params)}
    return {"source": source, **Configuration.resolved(chosen.completed({}))}


def _read_around(content: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """Return what a study has around its configuration, by field of `Study`."""
    name = content.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        rule = (
            "is missing" if name is None else "must be a folder's name: letters, digits, . _ -, at most 100"
        )
        findings.add("name", name, rule, "write a word such as mine")
    objectives = read_objectives(content.get("objectives", DEFAULT_OBJECTIVES), findings)
    return {
        "name": name,
        "objectives": objectives,
        "reference_point": read_reference_point(content.get("reference_point"), objectives, findings),
        "sampler": read_kind(content.get("sampler"), "sampler", SAMPLERS, Tpe(), findings),
        "trial_scheduler": read_kind(
            content.get("trial_scheduler"), "trial_scheduler", TRIAL_SCHEDULERS, Fifo(), findings
        ),
        "budget": parse(Budget, content.get("budget", {}), "budget", findings),
        "resources": parse(Resources, content.get("resources", {}), "resources", findings),
        "tracking": parse(Tracking, content.get("tracking", {}), "tracking", findings),
    }


def _check_scheduler(
    scheduler: TrialScheduler, objectives: Sequence[Objective], epochs: int, findings: Findings
) -> None:
    if not isinstance(scheduler, Asha):
        return
    names = [objective.name for objective in objectives]
    if scheduler.metric not in names:
        cure = suggestion(scheduler.metric, names, "one of")
        findings.add("trial_scheduler.metric", scheduler.metric, "is no objective of the study", cure)
    if scheduler.min_epochs >= epochs:
        rule = f"must be < task.epochs, {epochs}, or no trial is ever stopped"
        findings.add("trial_scheduler.min_epochs", scheduler.min_epochs, rule, "write 1, or `kind: fifo`")


def _check_keys(content: Mapping[str, object], known: Sequence[str], findings: Findings) -> None:
    for key in content:
        if key not in known:
            findings.unknown(key, key, known)


def _override(content: dict[str, Any], overrides: Mapping[str, object]) -> None:
    for key, value in overrides.items():
        section, _, name = key.partition(".")
        given = content.setdefault(section, {})
        if isinstance(given, dict):  # a section that is no mapping is told by its own check
            given[name] = _PATHS[key](str(value), Path.cwd()) if key in _PATHS else value


def _fields(configuration: Configuration) -> dict[str, Any]:
    return {each.name: getattr(configuration, each.name) for each in fields(Configuration)}


def _differences(now: object, then: object, key: str) -> list[str]:
    if not isinstance(now, dict) or not isinstance(then, dict):
        return [] if now == then else [key]
    return [
        found
        for name in sorted({*now, *then})
        for found in _differences(now.get(name), then.get(name), f"{key}.{name}".lstrip("."))
    ]
