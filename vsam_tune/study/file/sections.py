"""The sections of a study file around its trials. A field's description is the fix where it is wrong."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, Self, TypeVar

from pydantic import Field, JsonValue, model_validator

from search_spaces.schema import Strict, broken
from vsam_tune.analysis.results import Objective
from vsam_tune.study.file.problems import Problems, parse, suggestion

_LARGEST_SEED = 2**31 - 1  # NumPy takes up to 2**32 - 1; the searcher adds the number of trials


class Tpe(Strict):
    """`sampler:` of kind tpe: multi-objective TPE, multivariate and grouped.

    Attributes:
        seed: of its random numbers.
        startup_trials: trials that are drawn at random before the others teach it anything.
    """

    kind: Literal["tpe"] = "tpe"
    seed: int = Field(0, ge=0, le=_LARGEST_SEED, description="write a whole number >= 0")
    startup_trials: int = Field(10, ge=1, description="write how many trials are drawn at random first, such as 10")


class RandomSearch(Strict):
    """`sampler:` of kind random: every value is drawn by itself.

    Attributes:
        seed: of its random numbers.
    """

    kind: Literal["random"] = "random"
    seed: int = Field(0, ge=0, le=_LARGEST_SEED, description="write a whole number >= 0")


class Nsga2(Strict):
    """`sampler:` of kind nsga2: an evolutionary search over generations of trials.

    Attributes:
        seed: of its random numbers.
        population_size: trials in a generation.
    """

    kind: Literal["nsga2"] = "nsga2"
    seed: int = Field(0, ge=0, le=_LARGEST_SEED, description="write a whole number >= 0")
    population_size: int = Field(50, ge=2, description="write how many trials make a generation, such as 50")


class Fifo(Strict):
    """`trial_scheduler:` of kind fifo: every trial runs to its end."""

    kind: Literal["fifo"] = "fifo"


class Asha(Strict):
    """`trial_scheduler:` of kind asha, on one objective.

    Attributes:
        metric: the objective that rungs compare.
        reduction_factor: one in so many trials of a rung goes on.
        min_epochs: resource of the first rung.
    """

    kind: Literal["asha"] = "asha"
    metric: str = Field("val_accuracy", description="write one of the objectives")
    reduction_factor: int = Field(3, ge=2, description="write 3, or `kind: fifo` to stop no trial")
    min_epochs: int = Field(1, ge=1, description="write the epochs after which trials are first compared, such as 1")


class Replication(Strict):
    """`replicates:` and `racing:`, two keys of the file itself: the seeds of one trial.

    Attributes:
        replicates: seeds that a trial trains, one after the other.
        racing: whether a further seed is trained only while the trial may still be on the front.
    """

    replicates: int = Field(1, ge=1, description="write how many seeds a trial trains, such as 3")
    racing: bool = Field(default=False, description="write true, or false to train all replicates of every trial")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.racing and self.replicates < 2:
            raise broken("racing", "has no effect on one replicate", "write replicates: 3, or leave racing out")
        return self


class Budget(Strict):
    """`budget:` of the study; it ends with whichever is spent first. None is no limit.

    Attributes:
        trials: complete and pruned ones.
        epochs: of all trials together.
        seconds: of wall clock, over all starts.
    """

    trials: int | None = Field(16, ge=1, description="write a number of trials, such as 16")
    epochs: int | None = Field(None, ge=1, description="write a number of epochs over all trials, or null")
    seconds: float | None = Field(None, gt=0, description="write seconds of wall clock, or null")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.trials is None and self.epochs is None and self.seconds is None:
            raise broken("", "must hold a limit: trials, epochs or seconds", "write {trials: 16}")
        return self


class Resources(Strict):
    """`resources:` of one trial.

    Attributes:
        cpus: processors; torch gets as many threads.
        gpus: devices; a part of one is shared with other trials without isolation.
        retries: how often a trial that crashed is started again.
    """

    cpus: float = Field(1.0, gt=0, description="write a number of CPUs, such as 1")
    gpus: float = Field(0.0, ge=0, description="write a number of GPUs, such as 0, 0.5 or 1")
    retries: int = Field(2, ge=0, description="write how often a crashed trial is started again, such as 2")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.gpus > 1 and self.gpus % 1:
            raise broken("gpus", "must be whole above 1", f"write {round(self.gpus)}")
        return self


class Tracking(Strict):
    """`tracking:` in MLflow.

    Attributes:
        uri: of the tracking server; None for a SQLite file in the study's folder.
    """

    uri: str | None = Field(None, min_length=1, description="write a tracking URI, or null for the study's folder")


class Source(Strict):
    """`source:` of an export: where its settings come from. Nothing is computed from it.

    Attributes:
        study: its name.
        trial: the number of the trial.
        values: its objectives by name.
        params: what was searched, by name.
    """

    study: str | None = Field(None, description="write the study's name, or leave it out")
    trial: int | None = Field(None, ge=0, description="write the trial's number, or leave it out")
    values: dict[str, float] = Field({}, description="write objectives and their values, or leave it out")
    params: dict[str, JsonValue] = Field({}, description="write the searched parameters, or leave it out")


Sampler = Tpe | RandomSearch | Nsga2
TrialScheduler = Fifo | Asha
SAMPLERS: dict[str, type[Sampler]] = {"tpe": Tpe, "random": RandomSearch, "nsga2": Nsga2}
TRIAL_SCHEDULERS: dict[str, type[TrialScheduler]] = {"fifo": Fifo, "asha": Asha}

Kind = TypeVar("Kind", bound=Strict)


def read_section(content: Mapping[str, object], key: str, model: type[Kind], problems: Problems) -> Kind:
    """Return a section; its defaults where the file has none, and after adding what is wrong.

    Args:
        content: the file.
        key: of the section.
        model: of the section; all its keys have defaults.
        problems: where errors go.
    """
    return parse(model, content.get(key, {}), key, problems) or model()


def read_kind(content: Mapping[str, object], key: str, kinds: Mapping[str, type[Kind]], problems: Problems) -> Kind:
    """Return a section whose keys depend on its `kind`, the first one where it has none.

    Args:
        content: the file.
        key: of the section.
        kinds: model by kind.
        problems: where errors go.
    """
    default = next(iter(kinds))
    section = content.get(key, {})
    if not isinstance(section, dict):
        problems.add(key, section, "must be a mapping", f"write {{kind: {default}}}")
        return kinds[default]()
    kind = section.get("kind", default)
    if not isinstance(kind, str) or kind not in kinds:
        problems.add(f"{key}.kind", kind, "is not known", suggestion(str(kind), kinds, "one of"))
        return kinds[default]()
    return read_section(content, key, kinds[kind], problems)


def read_replication(content: Mapping[str, object], problems: Problems) -> Replication:
    """Return the seeds of a trial; the defaults after adding what is wrong.

    Args:
        content: the file.
        problems: where errors go.
    """
    given = {key: content[key] for key in Replication.model_fields if key in content}
    return parse(Replication, given, "", problems) or Replication()


def read_name(name: object, problems: Problems) -> str:
    """Return the study's name, which its folder gets; empty after adding what is wrong."""
    if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        return name
    rule = "is missing" if name is None else "must be a folder's name: letters, digits, . _ -, at most 100"
    problems.add("name", name, rule, "write a word such as mine")
    return ""


def check_scheduler(
    scheduler: TrialScheduler, objectives: Sequence[Objective], epochs: int, problems: Problems
) -> None:
    """Add what keeps a trial scheduler from stopping any trial.

    Args:
        scheduler: as read.
        objectives: of the study.
        epochs: full budget of a trial.
        problems: where errors go.
    """
    if not isinstance(scheduler, Asha):
        return
    names = [objective.name for objective in objectives]
    if scheduler.metric not in names:
        fix = suggestion(scheduler.metric, names, "one of")
        problems.add("trial_scheduler.metric", scheduler.metric, "is no objective of the study", fix)
    if scheduler.min_epochs >= epochs:
        rule = f"must be < task.epochs, {epochs}, or no trial is ever stopped"
        problems.add("trial_scheduler.min_epochs", scheduler.min_epochs, rule, "write fewer, or `kind: fifo`")
