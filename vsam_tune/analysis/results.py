"""The one schema of a study's results: objectives, trials, and questions about their front.

Values are in natural units (accuracy in percent, AIS in images per second), by objective name. `study.storage` builds
these records from Optuna; nothing here knows Optuna.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from vsam_tune.analysis import pareto
from vsam_tune.analysis.definitions import BaselinesDefinition, ConfirmationDefinition, ObjectiveDefinition

STATES = ("complete", "pruned", "fail", "running", "waiting")
FINISHED = ("complete", "pruned")  # a budget of trials counts these
ENDED = (*FINISHED, "fail")
Noise = Literal["aware", "ignore"]  # whether a front names the trials that noise cannot exclude
Definition = TypeVar("Definition", default=Any, covariant=True)


def standard_error(metrics: Mapping[str, float], name: str) -> float:
    """Return one standard error of a run's metric, in its unit; 0.0 where none was reported.

    `NAME_error` is that of this run's value, `NAME_seed_error` the additional variation between seeds.
    """
    return math.hypot(metrics.get(f"{name}_error", 0.0), metrics.get(f"{name}_seed_error", 0.0))


@dataclass(frozen=True, slots=True)
class Objective:
    """One number of a trial that the search is about.

    Attributes:
        name: the metric that the trainable reports.
        direction: which way is better.
    """

    name: str
    direction: Literal["maximize", "minimize"]

    def definition(self) -> ObjectiveDefinition:
        """Return the objective as definitions hold it."""
        return {"name": self.name, "direction": self.direction}

    @property
    def sign(self) -> float:
        """The factor between a value and its loss, in both directions."""
        return -1.0 if self.direction == "maximize" else 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRecord:
    """One trial: its parameters, its progress and its results.

    Attributes:
        number: its number in the study, from 0.
        state: one of `STATES`.
        params: the searched hyper-parameters by name; a name is absent where its condition does not hold.
        values: by objective name, finite; empty unless the state is complete.
        metrics: the metrics that it reported last, by name.
        feasible: False where it diverged, or broke a constraint.
        seed: fixes the trial; None until it has started.
        started: when it first started.
        seconds: wall clock from its first start to its end, or to now while it runs.
        epochs: trained in full.
        error: the error of a failed trial.
        stopped: why it was pruned: `trial scheduler at epoch 9`, `diverged at iteration 120`.
        infeasible: the constraints that it broke, and how: `val_accuracy 71.2 < 80`.
        stopped_by_racing: why it trained no further replicate, where a race ended it.
        ray_trial_id: its name in Ray.
        resumed: how often it went on from a checkpoint.
        folder: where its files are, relative to the study's folder.
        rungs: its metrics at each rung that it reached, by epoch; empty without a trial scheduler that compares.
        decisions: on whether it passed each of these rungs, by epoch, as the storage holds them.
        paused: the epoch of the rung at which it waits for a promotion; None unless it does.
    """

    number: int
    state: str
    params: dict[str, Any]
    values: dict[str, float]
    metrics: dict[str, float]
    feasible: bool = True
    seed: int | None = None
    started: datetime | None = None
    seconds: float | None = None
    epochs: int = 0
    error: str | None = None
    stopped: str | None = None
    infeasible: str | None = None
    stopped_by_racing: str | None = None
    ray_trial_id: str | None = None
    resumed: int = 0
    folder: str | None = None
    rungs: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    decisions: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    paused: int | None = None

    @property
    def errors(self) -> dict[str, float]:
        """One standard error of each of its values, by objective name; 0.0 where none was reported."""
        return {name: standard_error(self.metrics, name) for name in self.values}

    @property
    def has_ended(self) -> bool:
        """Whether it is complete, pruned or failed: it will not change."""
        return self.state in ENDED

    @property
    def may_join_front(self) -> bool:
        """Whether it is complete and feasible."""
        return self.state == "complete" and self.feasible

    @property
    def why(self) -> str:
        """In one line the reason for its end, or the last line of its error; empty without either."""
        return self.stopped or self._infeasibility or self.stopped_by_racing or (self.error or "").split("\n")[-1]

    @property
    def _infeasibility(self) -> str:
        return f"infeasible: {self.infeasible}" if self.infeasible else ""

    def as_json(self) -> dict[str, Any]:
        """Return the object that `show --format json` prints; other tools rely on its keys."""
        names = {"stopped_by_racing": "raced"}
        return {names.get(name, name): value for name, value in asdict(self).items()} | {"errors": self.errors}


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyResult(Generic[Definition]):
    """A study, its trials and its definition, at one moment.

    Attributes:
        name: of the study.
        objectives: in the order of the study file; the first one orders the front.
        trials: by number.
        reference_point: the fixed corner of the hypervolume, by objective name; None until it is stored.
        study: the definition, of one of the types of `analysis.definitions`.
    """

    name: str
    objectives: tuple[Objective, ...]
    trials: tuple[TrialRecord, ...]
    reference_point: dict[str, float] | None
    study: Definition

    def counts(self) -> dict[str, int]:
        """Return how many trials are in each state, all five of them."""
        return {state: sum(trial.state == state for trial in self.trials) for state in STATES}

    def num_finished(self) -> int:
        """Return how many trials are complete or pruned."""
        return sum(trial.state in FINISHED for trial in self.trials)

    def newest(self, params: Mapping[str, Any]) -> TrialRecord | None:
        """Return the newest trial with these parameters, since one that failed may have been repeated."""
        return next((trial for trial in reversed(self.trials) if trial.params == params), None)

    def num_finished_of(self, wanted: Iterable[Mapping[str, Any]]) -> int:
        """Return of how many parameters the newest trial is complete or pruned."""
        newest = [self.newest(params) for params in wanted]
        return sum(trial is not None and trial.state in FINISHED for trial in newest)

    def losses(self, trials: Iterable[TrialRecord]) -> NDArray[np.float64]:
        """Return the objectives of completed trials, everything to be minimised.

        Args:
            trials: complete ones; others have no values.

        Returns:
            (n, k) float64, in the order of the trials and the objectives.
        """
        rows = [[each.sign * trial.values[each.name] for each in self.objectives] for trial in trials]
        return np.array(rows, dtype=np.float64).reshape(-1, len(self.objectives))

    def errors(self, trials: Sequence[TrialRecord]) -> NDArray[np.float64]:
        """Return the standard errors of completed trials, of the shape and in the order of their losses.

        choice: the variation between seeds is estimated from five stretches of a run, and too small by chance in some
        of many trials; it counts as the root mean square over the trials at least. With each trial's own, the front
        would exclude one of 16 equal trials in 29 % of searches instead of 5 % (`docs/search.md`).
        """
        columns = [self._errors(trials, each.name) for each in self.objectives]
        return np.stack(columns, axis=1) if trials else np.empty((0, len(self.objectives)))

    @staticmethod
    def _errors(trials: Sequence[TrialRecord], name: str) -> NDArray[np.float64]:
        own = np.array([trial.metrics.get(f"{name}_error", 0.0) for trial in trials])
        of_seeds = np.array([trial.metrics.get(f"{name}_seed_error", math.nan) for trial in trials])  # a mean has none
        known = ~np.isnan(of_seeds)
        typical = math.sqrt(np.mean(np.square(of_seeds[known]))) if known.any() else 0.0
        errors: NDArray[np.float64] = np.hypot(own, np.where(known, np.maximum(of_seeds, typical), 0.0))
        return errors

    def front(self) -> tuple[TrialRecord, ...]:
        """Return the complete, feasible trials that no other one dominates, the best in objective 1 first."""
        candidates = self._candidates()
        return self._marked(candidates, pareto.front(self.losses(candidates)))

    @property
    def no_front_reason(self) -> str:
        """Why there is no front, where there is none."""
        return "no complete trial is feasible" if self.counts()["complete"] else "no trial has completed"

    def possibly_optimal(self) -> tuple[TrialRecord, ...]:
        """Return the complete, feasible trials off the front that no other one dominates beyond noise.

        choice: a gain counts beyond `front_quantile`, a loss beyond the pairwise one: in doubt nothing is excluded.
        """
        candidates = self._candidates()
        losses, errors = self.losses(candidates), self.errors(candidates)
        excluded = pareto.dominates(losses, errors, better=self.front_quantile()).any(axis=0)
        return self._marked(candidates, ~excluded & ~pareto.front(losses))

    def front_quantile(self) -> float:
        """Return by how many standard errors of a difference a trial must be better to exclude another."""
        return pareto.front_quantile(self.errors(self._candidates()))

    def effective_reference_point(self) -> dict[str, float] | None:
        """Return the stored reference point, or a provisional one, which moves while trials complete.

        Returns:
            By objective name; None when nothing is stored and no feasible trial has completed.
        """
        if self.reference_point is not None:
            return self.reference_point
        candidates = self._candidates()
        if not candidates:
            return None
        corner = pareto.reference_point(self.losses(candidates))
        return {each.name: each.sign * float(loss) for each, loss in zip(self.objectives, corner, strict=True)}

    def hypervolume(self) -> float:
        """Return the volume between front and effective reference point; 0 without a complete trial."""
        corner = self.effective_reference_point()
        if corner is None:
            return 0.0
        corner_losses = [each.sign * corner[each.name] for each in self.objectives]
        return pareto.hypervolume(self.losses(self._candidates()), corner_losses)

    def knee(self) -> int | None:
        """Return the number of the trial at the front's knee; None where there is no front."""
        points = sorted(self.front(), key=lambda trial: trial.number)
        return points[pareto.knee(self.losses(points))].number if points else None

    def _candidates(self) -> list[TrialRecord]:
        return [trial for trial in self.trials if trial.may_join_front]

    def _marked(self, trials: Sequence[TrialRecord], marked: NDArray[np.bool_]) -> tuple[TrialRecord, ...]:
        """Return the marked ones of completed trials, the best in objective 1 first."""
        kept = [trial for trial, mark in zip(trials, marked, strict=True) if mark]
        return tuple(sorted(kept, key=lambda trial: (*self.losses([trial])[0], trial.number)))


BaselinesResult = StudyResult[BaselinesDefinition]
ConfirmationResult = StudyResult[ConfirmationDefinition]
