"""`constraints:`, bounds on the metrics of a trial: one that breaks a bound is infeasible."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from pydantic import Field, model_validator

from search_spaces.schema import Strict, broken
from vsam_tune.registry.metrics import METRICS
from vsam_tune.study.file.problems import Problem, suggestion

_WORST = 1.0  # of a violation; no distance to a bound reaches it


class Constraint(Strict):
    """`constraints:`, one bound or two on a metric.

    Attributes:
        metric: that the trainable reports.
        min: the smallest feasible value; None for none.
        max: the largest feasible value; None for none.
    """

    metric: str = Field(min_length=1, description="write {metric: val_accuracy, min: 80}")
    min: float | None = Field(None, description="write a number, or leave it out")
    max: float | None = Field(None, description="write a number, or leave it out")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min is None and self.max is None:
            raise broken("", "must have a bound", f"write {{metric: {self.metric}, min: NUMBER}}, or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise broken("min", f"must be <= max, {self.max:g}", "swap the two")
        return self

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Return how far the metric is beyond a bound, in [0, 1]; 0 if the constraint is kept.

        choice: the distance d to a bound b counts as d / (d + |b|), which has no unit, so that violations of different
        metrics can be added. A metric that is missing breaks the constraint, by 1: nothing shows that it is kept.

        Args:
            metrics: finite numbers by name.
        """
        if self.metric not in metrics:
            return _WORST
        value = metrics[self.metric]
        if self.min is not None and value < self.min:
            return _share(self.min - value, self.min)
        return _share(value - self.max, self.max) if self.max is not None and value > self.max else 0.0

    def reason(self, metrics: Mapping[str, float]) -> str:
        """Return why the constraint is broken; empty if it is kept."""
        if self.metric not in metrics:
            return f"no {self.metric} was reported"
        value = metrics[self.metric]
        if self.min is not None and value < self.min:
            return f"{self.metric} {value:.6g} < {self.min:g}"
        return f"{self.metric} {value:.6g} > {self.max:g}" if self.max is not None and value > self.max else ""


def read_constraints(definition: Mapping[str, object]) -> tuple[Constraint, ...]:
    """Return the constraints of a stored definition; a study that is older than the key has none."""
    stored = definition.get("constraints")
    return tuple(map(Constraint.model_validate, stored)) if isinstance(stored, Sequence) else ()


def check_feasibility(constraints: Sequence[Constraint], *, any_metric: bool) -> Iterator[Problem]:
    """Yield a problem for each metric that no trial of a search reports, and for each that is there twice.

    Args:
        constraints: of the study.
        any_metric: whether the trainable or the method is custom, so that nobody knows their metrics.
    """
    known = [name for name in METRICS if "test_" not in name]  # a search never tests
    for i, name in enumerate(each.metric for each in constraints):
        key = f"constraints[{i}].metric"
        if name in [each.metric for each in constraints[:i]]:
            yield Problem(
                key, name, "is listed twice", "write both bounds in one entry: {metric: NAME, min: A, max: B}"
            )
        elif not any_metric and name not in known:
            yield Problem(key, name, "is reported by no trial", suggestion(name, known, "one of"))


def _share(distance: float, bound: float) -> float:
    return _WORST if math.isinf(distance) else distance / (distance + (abs(bound) or 1.0))
