"""A plan: the trials of a search, of a final training, of baselines or of a confirmation."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from search_spaces.schema import Dimension
from vsam_tune.analysis.results import Objective
from vsam_tune.study.file.feasibility import Constraint
from vsam_tune.study.file.grid import num_points
from vsam_tune.study.file.sections import (
    Budget,
    Fifo,
    Grid,
    RandomSearch,
    Replication,
    Resources,
    Sampler,
    TrialScheduler,
)
from vsam_tune.study.scheduling.rungs import rungs_of
from vsam_tune.study.tracking.run_kind import TRIAL, RunKind
from vsam_tune.trial import TrialConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All that the runner needs to know about the trials.

    Attributes:
        name: of the Optuna study.
        objectives: in order.
        space: searched parameters by name; each follows those that its condition names.
        fixed: settings that are not searched, which a condition may also name.
        initial: parameters that a search tries first.
        constraints: bounds on metrics, which a feasible trial keeps.
        fixed_trials: the parameters of all trials, which run as they are; those that failed are tried again. None for a
            search, whose sampler draws after `initial`.
        budget: limit of a search.
        epochs: full budget of one replicate of a trial, over which its learning-rate schedule spans.
        resources: of one trial.
        workers: trials at a time; None for as many as the user wants.
        sampler: suggests parameters.
        trial_scheduler: stops trials.
        replication: seeds of one trial.
        tracking_uri: of MLflow; None for a file in the folder.
        run_kind: the kind of its runs in MLflow.
        view: tags of the MLflow experiment (`study.view`).
        keep_checkpoints: whether to keep the last checkpoint of a trial that has ended.
        trainable: `module:name`.
        config: (params, trial number) -> settings and seed of that trial, as docs/trainables.md lists them.
        resolved: the study file with all defaults filled in.
    """

    name: str
    objectives: tuple[Objective, ...]
    space: Mapping[str, Dimension] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    initial: Sequence[Mapping[str, Any]] = ()
    constraints: Sequence[Constraint] = ()
    fixed_trials: Sequence[Mapping[str, Any]] | None = None
    budget: Budget = field(default_factory=Budget)
    epochs: int
    resources: Resources
    workers: int | None = None
    sampler: Sampler = field(default_factory=RandomSearch)
    trial_scheduler: TrialScheduler = field(default_factory=Fifo)
    replication: Replication = field(default_factory=Replication)
    tracking_uri: str | None
    run_kind: RunKind = TRIAL
    view: Mapping[str, str]
    keep_checkpoints: bool = False
    trainable: str
    config: Callable[[Mapping[str, Any], int], dict[str, Any]]
    resolved: Mapping[str, Any]

    @property
    def enqueued(self) -> Sequence[Mapping[str, Any]]:
        """The parameters that are enqueued when the plan starts."""
        return self.initial if self.fixed_trials is None else self.fixed_trials

    def trial_config(self, params: Mapping[str, Any], number: int, folder: str) -> TrialConfig:
        """Return the configuration of one trial.

        Args:
            params: its searched parameters by name.
            number: of the trial.
            folder: of the trial's files; empty for a dry run, which writes none.
        """
        resources = {"cpus": self.resources.cpus, "gpus": self.resources.gpus}
        settings = {"test": False, "replicates": self.replication.replicates, **self.config(params, number)}
        config = {**settings, "params": params, "number": number, "folder": folder, **resources}
        return cast("TrialConfig", {**config, "pause_epochs": list(self.pause_epochs)})

    @property
    def pause_epochs(self) -> tuple[int, ...]:
        """The epochs after which a trial may be paused, ascending."""
        section = self.trial_scheduler
        pauses = not isinstance(section, Fifo) and section.variant == "promotion"
        return rungs_of(section, self.epochs) if pauses else ()

    @property
    def num_points(self) -> int | None:
        """How many points the grid has that the sampler tries; None for other samplers."""
        return num_points(self.space, self.fixed) if isinstance(self.sampler, Grid) else None

    @property
    def digest(self) -> str:
        """A short hash of `resolved`, which each trial stores."""
        return hashlib.sha256(json.dumps(self.resolved, sort_keys=True).encode()).hexdigest()[:12]
