"""The sections of a study file around its trials. The description of a field is its fix."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, field_serializer, model_validator

from search_spaces.schema import LARGEST_COUNT, Strict, broken
from vsam_tune.analysis.results import Noise
from vsam_tune.study.file.tracking_uri import without_password

_SMALLEST_PART = 0.01  # of a processor or device; choice: Ray takes parts of 0.0001, and nobody needs them
_LARGEST_AMOUNT = 10_000  # choice: more than any machine has
_LARGEST_SEED = 2**31 - 1  # NumPy takes up to 2**32 - 1; the searcher adds the number of trials


class Tpe(Strict):
    """`sampler:` of kind tpe: multi-objective TPE, multivariate and grouped.

    Attributes:
        seed: of its random numbers.
        startup_trials: number of random trials before TPE models the results.
        learn_from: `rungs` to learn also from trials that were stopped; `final` from those that reached their end.
    """

    kind: Literal["tpe"] = "tpe"
    seed: int = Field(0, ge=0, le=_LARGEST_SEED, description="write a whole number >= 0")
    startup_trials: int = Field(10, ge=1, le=LARGEST_COUNT, description="write a number of random trials, such as 10")
    learn_from: Literal["rungs", "final"] = Field("rungs", description="write rungs or final")


class RandomSearch(Strict):
    """`sampler:` of kind random: draws every value independently.

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
    population_size: int = Field(50, ge=2, le=LARGEST_COUNT, description="write a number of trials, such as 50")


class Sobol(Strict):
    """`sampler:` of kind sobol: a scrambled Sobol' sequence, which covers the space more evenly than random points.

    Attributes:
        seed: of the scrambling.
    """

    kind: Literal["sobol"] = "sobol"
    seed: int = Field(0, ge=0, le=_LARGEST_SEED, description="write a whole number >= 0")


class Grid(Strict):
    """`sampler:` of kind grid: every combination of values once, in random order; then the study ends.

    Attributes:
        seed: of the order.
    """

    kind: Literal["grid"] = "grid"
    seed: int = Field(0, ge=0, le=_LARGEST_SEED, description="write a whole number >= 0")


class Fifo(Strict):
    """`trial_scheduler:` of kind fifo: every trial runs to its end."""

    kind: Literal["fifo"] = "fifo"


class Guard(Strict):
    """`guard:` of the rungs: they stop trials only while that would have kept the front of those that finished.

    Attributes:
        trials: the first ones of the study, which run to their end.
        max_loss: the part of the hypervolume of the finished trials that a rung may lose at most.
        audit: the share of the trials to be stopped that run to their end, so that the guard goes on learning.
    """

    trials: int = Field(5, ge=2, le=LARGEST_COUNT, description="write the trials that run to their end, such as 5")
    max_loss: float = Field(0.1, gt=0, lt=1, description="write a part of the hypervolume, such as 0.1")
    audit: float = Field(0.1, ge=0, lt=1, description="write a share of the trials to be stopped, such as 0.1")

    def allows(self, finished: int, loss: float) -> bool:
        """Return whether a rung may stop trials.

        Args:
            finished: how many finished trials could be compared at the rung.
            loss: the part of their hypervolume that its rule would have lost.
        """
        return finished >= self.trials and loss <= self.max_loss


def _off(value: object) -> object:
    return "off" if value is False else value  # YAML reads `off` as a truth value


GuardEntry = Annotated[Guard | Literal["off"], BeforeValidator(_off)]


class _Rungs(Strict):
    """Trials are compared at rungs.

    Attributes:
        variant: `stopping` ends a trial that does not pass a rung; `promotion` pauses it until it does.
        reduction_factor: one in this many trials of a rung advances.
        min_epochs: epochs of a trial at the first rung.
        min_rung_size: trials at a rung below which all of them pass; `reduction_factor` by default. Stopping only.
        noise: `aware` if a rung excludes a trial only beyond the errors of both.
        ais_horizon: `last` to compare speed and cost since the previous rung instead of those of the whole run.
        guard: of the rungs, or `off`.
    """

    variant: Literal["stopping", "promotion"] = Field("stopping", description="write stopping or promotion")
    reduction_factor: int = Field(3, ge=2, le=LARGEST_COUNT, description="write 3, or `kind: fifo` to stop no trial")
    min_epochs: int = Field(
        1, ge=1, le=LARGEST_COUNT, description="write the epochs after which trials are first compared, such as 1"
    )
    min_rung_size: int | None = Field(
        None, ge=1, le=LARGEST_COUNT, description="write a number of trials, or leave it out"
    )
    noise: Noise = Field("aware", description="write aware or ignore")
    ais_horizon: Literal["whole", "last"] = Field("whole", description="write whole or last")
    guard: GuardEntry = Field(Guard(), description="write {trials: 5, max_loss: 0.1, audit: 0.1}, or off")


class Asha(_Rungs):
    """`trial_scheduler:` of kind asha, on one objective.

    Attributes:
        metric: the objective that rungs compare.
    """

    kind: Literal["asha"] = "asha"
    metric: str = Field("val_accuracy", description="write one of the objectives")


class MoAsha(_Rungs):
    """`trial_scheduler:` of kind mo_asha, on all objectives."""

    kind: Literal["mo_asha"] = "mo_asha"


@dataclass(frozen=True, slots=True)
class Replication:
    """The seeds of one trial: `replicates:` and `racing:`.

    Attributes:
        replicates: seeds that a trial trains, one after the other.
        racing: whether a further seed is trained only while the trial may still be on the front.
    """

    replicates: int = 1
    racing: bool = False


class Budget(Strict):
    """`budget:` of the study, which ends when one of the limits is reached. None is no limit.

    Attributes:
        trials: complete and pruned ones.
        epochs: of all trials together.
        seconds: of wall-clock time, over all starts.
        gpu_hours: of the trials' own time, times their `resources.gpus`.
        patience: trials that end, of which all together have to raise the hypervolume by 1 %.
    """

    trials: int | None = Field(16, ge=1, le=LARGEST_COUNT, description="write a number of trials, such as 16")
    epochs: int | None = Field(
        None, ge=1, le=2**63 - 1, description="write a number of epochs over all trials, or null"
    )
    seconds: float | None = Field(None, gt=0, description="write a number of seconds, or null")
    gpu_hours: float | None = Field(None, gt=0, description="write a number of hours, or null")
    patience: int | None = Field(
        None, ge=1, le=LARGEST_COUNT, description="write a number of trials, such as 10, or null"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            rule = f"must have a limit: {', '.join(list(type(self).model_fields)[:-1])} or patience"
            raise broken("", rule, "write {trials: 16}")
        return self


class Resources(Strict):
    """`resources:` of one trial.

    Attributes:
        cpus: processors; torch gets as many threads.
        gpus: devices; trials that have a part of one share it without isolation.
        retries: number of restarts of a trial that crashed.
    """

    cpus: float = Field(1.0, gt=0, description="write a number of CPUs, such as 1")
    gpus: float = Field(0.0, ge=0, description="write a number of GPUs, such as 0, 0.5 or 1")
    retries: int = Field(
        2, ge=0, le=LARGEST_COUNT, description="write the number of restarts of a crashed trial, such as 2"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, amount in (("cpus", self.cpus), ("gpus", self.gpus)):
            if 0 < amount < _SMALLEST_PART:
                raise broken(name, f"must be >= {_SMALLEST_PART:g}", f"write {_SMALLEST_PART:g} or more, such as 1")
            if amount > _LARGEST_AMOUNT:
                raise broken(name, f"must be <= {_LARGEST_AMOUNT}", "write what one machine has, such as 1")
        if self.gpus > 1 and self.gpus % 1:
            raise broken("gpus", "must be a whole number above 1", f"write {round(self.gpus)}")
        return self


class Tracking(Strict):
    """`tracking:` in MLflow.

    Attributes:
        uri: of the tracking server; None for a SQLite file in the study's folder.
    """

    uri: str | None = Field(None, min_length=1, description="write a tracking URI, or null for the study's folder")

    @field_serializer("uri")
    def _dump_uri(self, uri: str | None) -> str | None:
        return uri and without_password(uri)


class Source(Strict):
    """`source:` of an export: the origin of its settings, for the reader only.

    Attributes:
        study: its name.
        trial: the number of the trial.
        values: its objectives by name.
        params: the searched parameters, by name.
    """

    study: str | None = Field(None, description="write the study's name, or leave it out")
    trial: int | None = Field(None, ge=0, description="write the trial's number, or leave it out")
    values: dict[str, float] = Field({}, description="write objectives and their values, or leave it out")
    params: dict[str, JsonValue] = Field({}, description="write the searched parameters, or leave it out")


def _of_kind(default: str) -> BeforeValidator:
    """Return a validator that adds the default kind to a section that leaves it out."""
    return BeforeValidator(lambda value: {"kind": default, **value} if isinstance(value, dict) else value)


Sampler = Annotated[Tpe | RandomSearch | Nsga2 | Sobol | Grid, Field(discriminator="kind"), _of_kind("tpe")]
TrialScheduler = Annotated[Fifo | Asha | MoAsha, Field(discriminator="kind"), _of_kind("fifo")]


def _check_study_name(name: object) -> object:
    if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        if name.endswith((".yaml", ".yml")):
            raise broken("", "must not end like a study file", f"write {name.rpartition('.')[0]}")
        return name
    rule = "is missing" if name is None else "must be a folder's name: letters, digits, . _ -, at most 100"
    raise broken("", rule, "write a word such as mine")


StudyName = Annotated[str, BeforeValidator(_check_study_name)]
